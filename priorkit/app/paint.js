// Strokes over a picture, by mouse, finger, pen or keys. The server keeps them: a canvas shows the
// one that is being drawn, and what the arrow keys move.
(() => {
  const brush = (canvas) => {
    const box = canvas.closest(".pk-brushed");
    return {
      wide: box.querySelector(".wide").value / 100,
      erasing: box.querySelector(".erase").checked,
    };
  };
  const states = new WeakMap();
  const state = (canvas) => {
    if (!states.has(canvas)) states.set(canvas, { points: [], at: [0.5, 0.5], down: false, keys: false });
    return states.get(canvas);
  };
  function draw(canvas) {
    const now = state(canvas), { wide, erasing } = brush(canvas);
    const ring = now.keys && canvas === document.activeElement;
    const { width, height } = canvas.getBoundingClientRect();
    canvas.width = width;
    canvas.height = height;
    const pen = canvas.getContext("2d");
    pen.strokeStyle = pen.fillStyle = erasing ? "#ffffffaa" : "#c81e1ea6";
    pen.lineWidth = wide * width;
    pen.lineCap = pen.lineJoin = "round";
    pen.beginPath();
    now.points.forEach(([x, y]) => pen.lineTo(x * width, y * height));
    if (now.points.length === 1) pen.lineTo(now.points[0][0] * width + 0.1, now.points[0][1] * height);
    pen.stroke();
    if (ring) {
      pen.beginPath();
      pen.lineWidth = 2;
      pen.strokeStyle = "#1b6ca8";
      pen.arc(now.at[0] * width, now.at[1] * height, (wide * width) / 2, 0, 7);
      pen.stroke();
    }
  }
  function send(canvas) {
    const now = state(canvas);
    if (now.points.length) emitEvent("stroke", { points: now.points, picture: canvas.dataset.picture, ...brush(canvas) });
    now.points = [];
    now.down = false;
  }
  const place = (canvas, event) => {
    const box = canvas.getBoundingClientRect();
    const round = (v) => Math.round(v * 1e4) / 1e4;
    return [round((event.clientX - box.left) / box.width), round((event.clientY - box.top) / box.height)];
  };
  const painted = (event) => (event.target.matches?.(".pk-paint canvas") ? event.target : null);
  document.addEventListener("pointerdown", (event) => {
    const canvas = painted(event);
    if (!canvas || event.button) return;
    canvas.setPointerCapture(event.pointerId);
    Object.assign(state(canvas), { points: [place(canvas, event)], down: true, keys: false });
    draw(canvas);
  });
  document.addEventListener("pointermove", (event) => {
    const canvas = painted(event);
    if (!canvas || !state(canvas).down || state(canvas).points.length >= 5000) return;
    state(canvas).points.push(place(canvas, event));
    draw(canvas);
  });
  for (const name of ["pointerup", "pointercancel"])
    document.addEventListener(name, (event) => {
      const canvas = painted(event);
      if (canvas && state(canvas).down) send(canvas);
    });
  document.addEventListener("keydown", (event) => {
    const canvas = painted(event);
    const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!canvas || !(by || event.key === " ")) return;
    event.preventDefault();
    const now = state(canvas);
    now.keys = true;
    const step = event.shiftKey ? 0.005 : brush(canvas).wide / 2;
    const inside = (v) => Math.min(1, Math.max(0, v));
    if (by) now.at = now.at.map((v, k) => inside(v + step * by[k]));
    else now.points = [now.at];
    draw(canvas);
    if (!by) send(canvas);
  });
  for (const name of ["focusin", "focusout"])
    document.addEventListener(name, (event) => {
      const canvas = painted(event);
      if (canvas && state(canvas).keys) draw(canvas);
    });
  // The server calls it once the mask holds the stroke.
  window.strokeTaken = () =>
    document.querySelectorAll(".pk-paint canvas").forEach((canvas) => state(canvas).down || draw(canvas));
})();
