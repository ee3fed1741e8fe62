"""Style and script of pages: enlarging pictures, and a slider between truth and recovery."""

from __future__ import annotations

__all__ = ["FRAGMENT", "SCRIPT", "STYLE", "WIPE"]

# Of two pictures over one another, see :func:`priorkit.draw.html.wipe`.
WIPE = (
    ".wipe div { position: relative; }",
    ".wipe .over { position: absolute; inset: 0; clip-path: inset(0 0 0 var(--cut, 50%)); }",
    ".wipe i { position: absolute; top: 0; bottom: 0; left: var(--cut, 50%); width: 2px;"
    " margin-left: -1px; background: #fff; box-shadow: 0 0 3px #000; pointer-events: none; }",
    ".wipe input { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; opacity: 0;"
    " cursor: ew-resize; touch-action: pan-y; }",
    ".wipe div:focus-within { outline: 3px solid #3d8fd1; outline-offset: 2px; }",
)

# Of what a notebook shows; it has colours of its own, light or dark.
FRAGMENT = """
.priorkit .row { display: flex; flex-wrap: wrap; gap: .75rem; margin: .5rem 0; }
.priorkit figure { margin: 0; width: 11rem; }
.priorkit figure img { width: 100%; max-width: none; margin: 0; display: block;
                       image-rendering: pixelated; }
.priorkit figcaption { font-size: .85em; opacity: .8; }
.priorkit .numbers { overflow-x: auto; }
.priorkit .numbers td { white-space: nowrap; }
""" + "".join(f".priorkit {rule}\n" for rule in WIPE)

STYLE = (
    "\n".join(WIPE)
    + """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fff; max-width: 72rem;
       margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
h3 { font-size: .9rem; margin: 1rem 0 .25rem; }
h1, h3, p, figcaption, .matrix b { overflow-wrap: anywhere; }
.row { display: grid; grid-template-columns: repeat(auto-fit, minmax(10rem, 1fr)); gap: .75rem;
       margin-bottom: 1.25rem; }
.row.large { grid-template-columns: repeat(auto-fit, minmax(min(16rem, 50% - .375rem), 1fr)); }
.row figure { max-width: 24rem; }
.row.first { grid-template-columns: repeat(auto-fill, minmax(10rem, 1fr)); align-items: end; }
figure { margin: 0; min-width: 0; }
figure img { width: 100%; image-rendering: pixelated; display: block; }
figure > img { cursor: zoom-in; }
figcaption { font-size: .85rem; color: #555; }
.bar { display: flex; gap: .4rem; align-items: center; font-size: .8rem; color: #555; }
.bar i { flex: 1; height: .6rem; }
dialog { border: 0; padding: 0; background: #111; color: #ddd; max-width: 98vw; }
dialog::backdrop { background: #000c; } dialog p { margin: .4rem .8rem; }
dialog img { width: min(94vw, 84vh); image-rendering: pixelated; display: block; }
.numbers { overflow-x: auto; } .numbers + svg { margin-top: 1rem; }
table { border-collapse: collapse; }
td, th { padding: .2rem .9rem .2rem 0; text-align: right; font-variant-numeric: tabular-nums; }
td:first-child, th:first-child { text-align: left; } td { white-space: nowrap; }
th { border-bottom: 1px solid #bbb; }
.matrix { display: grid; gap: .75rem 1rem;
          grid-template-columns: repeat(var(--across), minmax(12rem, 1fr)); }
.matrix.named { grid-template-columns:
  minmax(min-content, max-content) repeat(var(--across), minmax(11rem, 1fr)); }
.matrix.cards { grid-template-columns:
  repeat(auto-fill, minmax(min(100%, calc(7rem * var(--most))), 1fr)); }
.matrix b { font-weight: 600; font-size: .9rem; }
.pair { display: flex; gap: .25rem; } .pair figure { flex: 1; max-width: 18rem; }
.pair.many { flex-wrap: wrap; } .pair.many figure { flex: 1 0 4rem; max-width: 12rem; }
a { color: inherit; }
@media (max-width: 40rem) { .matrix:not(.named) { grid-template-columns: 1fr; }
                            .numbers svg { width: 30rem; max-width: none; } }
pre { background: #f5f5f5; padding: .8rem; overflow-x: auto; font-size: .85rem; }
svg { max-width: 100%; height: auto; }
:root { color-scheme: light dark; }
@media (prefers-color-scheme: dark) {
  body { background: #161616; color: #ddd; } pre { background: #222; }
  th { border-color: #555; } figcaption, .bar { color: #aaa; }
  svg text:not([fill]) { fill: #bbb; } svg [fill^="#"], svg [stroke] { filter: brightness(1.5); } }
"""
)

# A click enlarges a picture, the arrow keys go on to the next; in a matrix to the next of its kind,
# so that errors are compared at one place and on one scale. What is a copy of a picture of its row
# is filled in here, so that the page holds each once.
SCRIPT = """
const shown = [...document.querySelectorAll("figure > img")];
const large = document.createElement("dialog");
large.innerHTML = "<img><p></p>";
document.body.append(large);
let at = 0;
function step(by) {
  const kind = shown[at].closest(".matrix") && shown[at].dataset.is;
  let next = at;
  do next = (next + by + shown.length) % shown.length;
  while (kind && (shown[next].dataset.is !== kind || !shown[next].closest(".matrix")));
  open(next);
}
function open(i) {
  at = i;
  large.firstChild.src = shown[at].src;
  large.firstChild.alt = large.lastChild.textContent = shown[at].alt;
  if (!large.open) large.showModal();
}
shown.forEach((picture, i) => {
  picture.tabIndex = 0;
  picture.onclick = () => open(i);
  picture.onkeydown = (event) => { if (event.key === "Enter") open(i); };
});
large.onclick = () => large.close();
large.onkeydown = (event) => {
  if (event.key === "ArrowRight") step(1);
  if (event.key === "ArrowLeft") step(-1);
};
for (const copy of document.querySelectorAll("img[data-of]"))
  copy.src = copy.closest(".row").querySelector(`[data-is=${copy.dataset.of}]`).src;
"""
