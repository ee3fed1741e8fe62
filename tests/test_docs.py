"""What the documentation shows is true: commands parse, code runs, quoted files are the files.

A python block with ``<!-- run -->`` above it is executed. One with ``<!-- file: PATH -->`` above it
is the file PATH of the example plugin, word for word; there are no others.
"""

import re
import shlex
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.helpers import the_real_deepinv
from tests.third_party.installed import known

ROOT = Path(__file__).parents[1]
PLUGIN = ROOT / "examples" / "third_party_plugin"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

FENCE = re.compile(
    r"(?:^<!-- (?P<mark>.+?) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S
)


class Block(NamedTuple):
    """A fenced block, the comment above it, and where it is."""

    where: str
    language: str
    mark: str
    text: str


def blocks():
    for page in PAGES:
        source = page.read_text(encoding="utf-8")
        for match in FENCE.finditer(source):
            line = source[: match.start("language")].count("\n") + 1
            name = f"{page.relative_to(ROOT)}:{line}"
            yield Block(name, match["language"], match["mark"] or "", match["text"])


BLOCKS = list(blocks())


def lines():
    """The lines of shell blocks, and indented lines that begin with priorkit."""
    for block in BLOCKS:
        text = block.text.replace("\\\n", " ")
        if block.language in ("bash", "sh"):
            yield from text.splitlines()
        elif block.language == "console":  # what follows a prompt; the rest is output
            yield from re.findall(r"^\$ (.+)$", text, re.M)
    for page in PAGES:
        indented = re.findall(r"^    (priorkit .+)$", page.read_text(encoding="utf-8"), re.M)
        yield from (line for line in indented if "…" not in line)  # not a synopsis


def commands():
    """The words after priorkit of every command that runs it."""
    for line in lines():
        words = shlex.split(line, comments=True)
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            words = words[1:]
        if words and words[0] == "priorkit":
            yield tuple(words[1:])


COMMANDS = sorted(set(commands()))


@pytest.fixture(scope="module")
def names_known(tmp_path_factory):
    """The example plugin as if it were installed, so that its names are in the registry."""
    with known(PLUGIN, tmp_path_factory.mktemp("site")):
        yield


def is_file(word):
    return "/" in word or word.endswith((".safetensors", ".pt"))


def check_settings(words):
    """Names of components and options of a ``priorkit recover``, without running it."""
    from priorkit.cli.words import split as words_of
    from priorkit.settings.config import split
    from priorkit.settings.selections import select_all

    positional, settings = words_of([word for word in words if word not in ("--json", "--resume")])
    assert len(positional) <= 1, f"more than one picture: {positional}"
    for name in ("config", "out", "engine", "scheduler", "jobs", "batch"):
        settings.pop(name, None)
    if is_file(settings.get("prior", "")):
        settings["prior"] = "glow"
    select_all(*split(settings))


def check_training(words):
    from priorkit.cli.words import split as words_of
    from priorkit.registry import registry
    from priorkit.training.run import options_of

    (name,), options = words_of(list(words))
    known = {o["name"] for o in options_of(registry().get("trainer", name).load())}
    unknown = {option.replace("_", "-") for option in options} - known
    assert not unknown, f"trainer {name!r} has no options {unknown}"


CHECKS = {"recover": check_settings, "train": check_training}


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_command(words, names_known):
    """The command exists, and so do its options and the names that it mentions."""
    import typer

    from priorkit.cli.application import application
    from priorkit.cli.inspect import describe

    group = typer.main.get_command(application())
    name, rest = words[0], words[1:]
    if name.startswith("--"):
        assert name in {o for parameter in group.params for o in parameter.opts}
        return
    assert name in group.commands
    if "--help" in rest:
        return
    if name in CHECKS:
        CHECKS[name](rest)
    else:
        context = group.commands[name].make_context(name, list(rest))
        if name == "show":
            describe(context.params["name"])


def test_there_are_commands():
    """A pattern that finds nothing proves nothing."""
    assert len(COMMANDS) > 20
    assert {words[0] for words in COMMANDS} >= {"recover", "replay", "train", "import-glow"}


def test_all_that_a_problem_offers_is_told_to_authors_of_solvers():
    """What only the loop calls isn't offered."""
    from priorkit.interfaces import Problem

    loops = {"simulated", "seed", "averaged", "data", "at", "truth", "paired"}
    loops |= {"has_mirror", "blame", "heard"}
    text = (ROOT / "docs" / "plugins-solvers.md").read_text(encoding="utf-8")
    told = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`\n]+)`", text))))
    offered = {name for name in vars(Problem) if not name.startswith("_")} - loops
    assert offered - told == set()


PYTHON = [block for block in BLOCKS if block.language == "python"]
RUN = [block for block in PYTHON if block.mark == "run"]


@pytest.mark.parametrize("block", PYTHON, ids=[b.where for b in PYTHON])
def test_python_compiles(block):
    compile(block.text, block.where, "exec")


def given(block, folder):
    """What the reader of a block has: a picture, weights that were trained, a package."""
    from priorkit.io.pictures import astronaut
    from priorkit.registry import registry

    if "face.png" in block.text:
        shutil.copy(astronaut(), folder / "face.png")
    if "runs/faces" in block.text:
        shipped = Path(registry().get("prior", "glow-celeba").preset["weights"])
        (folder / "runs" / "faces").mkdir(parents=True)
        for suffix in (".safetensors", ".json"):
            copy = (folder / "runs" / "faces" / "glow-faces").with_suffix(suffix)
            shutil.copy(shipped.with_suffix(suffix), copy)
    if "my_package.network" in block.text:
        (folder / "my_package").mkdir()
        network = "class MyConfig:\n    pass\n\n\nclass MyNetwork:\n    pass\n"
        (folder / "my_package" / "network.py").write_text(network)
    if "deepinv" in block.text:
        the_real_deepinv()


def test_every_python_block_runs():
    """Or is a file of the example plugin, whose own tests run it."""
    assert [block.where for block in PYTHON if not block.mark] == []


@pytest.mark.parametrize("block", RUN, ids=[b.where for b in RUN])
def test_python_runs(block, tmp_path, monkeypatch, names_known):
    """In a folder of its own; recoveries that don't say a budget get a small one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("priorkit.interfaces.Solver.budget", 10)
    monkeypatch.setattr("priorkit_solvers.perturb.Perturb.budget", 32)
    monkeypatch.setattr("priorkit_solvers.ancestral.Ancestral.budget", 72)  # of draws, two
    given(block, tmp_path)
    exec(compile(block.text, block.where, "exec"), {"__name__": "__docs__"})


def test_quoted_files_are_the_files():
    """docs/plugins*.md quote every source file of the example plugin, word for word."""
    pages = "docs/plugins"
    quoted = {
        block.mark.removeprefix("file: "): block.text
        for block in BLOCKS
        if block.where.startswith(pages) and block.mark.startswith("file: ")
    }
    files = [
        p for p in PLUGIN.rglob("*") if p.suffix in (".py", ".toml") and "build" not in p.parts
    ]
    assert sorted(quoted) == sorted(str(p.relative_to(PLUGIN).as_posix()) for p in files)
    for name, text in quoted.items():
        assert text == (PLUGIN / name).read_text(encoding="utf-8"), f"{name} is quoted otherwise"


LINK = re.compile(r"\]\((?!https?://|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)")


TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))


@pytest.mark.parametrize("page", [*PAGES, *TUTORIALS], ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    """Relative links name files that exist, and headings that exist in them."""
    for path, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        target = page.parent / path if path else page
        assert target.exists(), f"{page.name} links to {path}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.M)
            slugs = [re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings]
            assert anchor in slugs, f"{page.name} links to {path}#{anchor}"


def test_the_architecture_names_files_that_exist():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:priorkit|plugins|tests)/[\w/]+(?:\.py|/))`", page)
    assert len(named) > 20
    for name in named:
        assert (ROOT / name).exists(), name


def test_the_picture_of_the_floors_is_that_of_the_contracts(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    import floors

    assert floors.TARGET.read_text(encoding="utf-8") == floors.drawn()
