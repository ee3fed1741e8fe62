"""What Tab completes, by the protocol that typer's scripts for bash, zsh and fish speak."""

import json
import os
import shlex
import subprocess
import sys

import pytest

from priorkit.cli import known
from priorkit.cli.completion import Offer
from priorkit.registry import KINDS, registry


@pytest.fixture
def complete(command_line, monkeypatch, tmp_path):
    """``complete("priorkit recover --op ma")``: what bash is offered for the last word, which may
    be empty; the cache of options is that of this test."""
    monkeypatch.setenv("PRIORKIT_CACHE_DIR", str(tmp_path / "cache"))

    def run(line):
        words = line.split(" ")
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
        monkeypatch.setenv("_PRIORKIT_COMPLETE", "complete_bash")
        found = command_line()
        assert found.code == 0
        assert found.err == ""
        return found.out.split()

    return run


@pytest.mark.parametrize(
    ("line", "expected"),
    {
        "priorkit recov": {"recover"},
        "priorkit recover --op ma": {"mask", "matrix"},
        "priorkit recover --penalty t": {"tv"},
        "priorkit recover --penalty tv,n": {"tv,nll", "tv,none"},
        "priorkit recover --noise po": {"poisson"},
        "priorkit recover --sigma ": {"auto"},
        "priorkit recover --gamma ": {"sure", "discrepancy"},
        "priorkit recover --resize ": {"true", "false"},
        "priorkit recover --kind vo": {"volume"},
        "priorkit recover --noise-n": {"--noise-norm"},
        "priorkit recover --noise_n": {"--noise-norm"},
        "priorkit recover --op mask --gro": {"--grow"},
        "priorkit recover --op identity --gro": set(),
        "priorkit recover --op mask --grow 3 --gro": set(),
        "priorkit recover --op mask --mask c": {"center"},
        "priorkit recover --op mask --missing t": {"transparent"},
        "priorkit recover --op blur --boundary w": {"wrap"},
        "priorkit recover --op blur --width ": {"1.5"},
        "priorkit recover a.png --op blur --kernel": {"--kernel"},
        "priorkit recover --penalty tv --eps": {"--epsilon"},
        'priorkit recover --penalty \'{"name":"tv"}\' --eps': {"--epsilon"},
        "priorkit recover --solver adam --rat": {"--rate"},
        "priorkit recover --solver adam --draw": set(),
        "priorkit recover --draw": {"--draws"},
        "priorkit recover --prior wavelet --wavelet c": {"coif1"},
        "priorkit recover --seed": {"--seed"},
        "priorkit recover --bud": {"--budget"},
        "priorkit recover --shape 3 6": set(),
        "priorkit recover fac": set(),
        "priorkit recover --nothing ": set(),
        "priorkit recover --config none.toml --bud": {"--budget"},
        "priorkit recover --engine p": {"processes"},
        "priorkit compare --priors dct,wav": {"dct,wavelet"},
        "priorkit compare --priors dct,wavelet --wave": {"--wavelet"},
        "priorkit compare --priors dct --ms": {"--ms"},
        "priorkit compare --priors dct --y": {"--y"},
        "priorkit compare --y y.npy --priors dct --op fourier --map": {"--maps"},
        "priorkit check blur --bou": {"--boundary"},
        "priorkit check blur --boundary z": {"zero"},
        "priorkit check mask --kind op": {"operator"},
        "priorkit check mask --space ": {"latent", "pixel"},
        "priorkit train gl": {"glow"},
        "priorkit train glow --warm": {"--warmup"},
        "priorkit show bl": {"blur"},
        "priorkit new-plugin mine pr": {"prior"},
        "priorkit sweep --value ss": {"ssim"},
        "priorkit sweep --value u": {"u_norm"},
        "priorkit recover --op = ma": {"mask", "matrix"},
        "priorkit recover --op=ma": {"mask", "matrix"},
        "priorkit recover --penalty = tv,n": {"tv,nll", "tv,none"},
        "priorkit recover --resize =": {"true", "false"},
        "priorkit recover --op = blur --bou": {"--boundary"},
        "priorkit recover --op = blur --boundary = w": {"wrap"},
        "priorkit recover --gamma = -": set(),
        "priorkit audit faces = da": set(),
    }.items(),
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_offered(complete, line, expected):
    assert set(complete(line)) == expected


def test_every_name_and_every_option_of_every_component(complete):
    """With nothing typed of it, an option is offered once its component is named."""
    keys = {"prior": "prior", "operator": "op", "noise": "noise"}
    keys |= {kind: kind for kind in ("penalty", "solver", "start")}
    for kind, key in keys.items():
        entries = registry().entries(kind)
        assert complete(f"priorkit recover --{key} ") == [entry.name for entry in entries]
        for entry in entries[::3]:
            options = {f"--{name.replace('_', '-')}" for name in known.known_options(entry)}
            assert options <= set(complete(f"priorkit recover --{key} {entry.name} --"))


def test_a_config_file_chooses_too(complete, tmp_path):
    (tmp_path / "study.toml").write_text('op = "blur"\n[grid]\nm = [5]\nsigma = [0.1]\n')
    assert complete(f"priorkit recover --config {tmp_path}/study.toml --bou") == ["--boundary"]
    assert complete(f"priorkit sweep {tmp_path}/study.toml --across ") == ["label", "m", "sigma"]
    assert complete(f"priorkit sweep {tmp_path}/study.toml --by m,s") == ["m,sigma"]
    assert complete("priorkit sweep --across ") == []


def test_components_are_imported_once(complete, monkeypatch, tmp_path):
    """What was found is kept until the code of the plugin changes; a damaged cache is made anew,
    and one that can't be written is done without."""
    line, asked, told = "priorkit recover --op blur --bou", [], known.options_told
    monkeypatch.setattr(known, "options_told", lambda entry: asked.append(entry) or told(entry))
    monkeypatch.setattr(registry(), "_any_size", {})
    assert complete(line) == complete(line) == ["--boundary"]
    first = len(asked)
    assert 0 < first == len(set(map(str, asked)))
    kept = tmp_path / "cache" / "options.json"
    for damaged in ("", "[1]", "{\"operator 'blur'\": 3}", '{"a": {"mark": 1}}'):
        kept.write_text(damaged)
        assert complete(line) == ["--boundary"]
    found = json.loads(kept.read_text())
    found["operator 'blur'"]["mark"] = "of another version"
    kept.write_text(json.dumps(found))
    before = len(asked)
    assert complete(line) == ["--boundary"]
    assert len(asked) == before + 1
    monkeypatch.setenv("PRIORKIT_CACHE_DIR", str(kept))  # a file, where a folder must be
    assert complete(line) == ["--boundary"]


def test_a_component_that_cannot_be_imported_stops_nothing(complete, monkeypatch):
    from dataclasses import replace

    words = registry()._words["operator"]
    monkeypatch.setitem(words, "blur", replace(words["blur"], target="nowhere.at_all:Blur"))
    assert complete("priorkit recover --op blur --bou") == []
    assert complete("priorkit recover --op blur --bud") == ["--budget"]


@pytest.mark.parametrize(
    ("offer", "said"),
    [
        (Offer("NUMBER|auto", default="3", of="x"), "NUMBER|auto, default 3, of x"),
        (Offer(kind="penalty"), "name of a penalty"),
    ],
)
def test_an_option_says_what_it_takes(offer, said):
    assert offer.help == said


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_show_help_beside_the_names(command_line, monkeypatch, tmp_path, shell):
    monkeypatch.setenv("PRIORKIT_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", "priorkit recover --op blur --bou")
    monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
    monkeypatch.setenv("_PRIORKIT_COMPLETE", f"complete_{shell}")
    said = command_line().out
    assert "--boundary" in said
    assert "valid|reflect|edge|wrap|zero, default reflect, of operator" in said


@pytest.mark.parametrize(
    ("shell", "said"),
    [
        ("zsh", "compset -P 1 '*='; _arguments '*: :((\"mask\"\n\"matrix\"))'"),
        ("fish", "--op=mask\n--op=matrix"),
    ],
)
def test_a_value_after_an_equals_sign(command_line, monkeypatch, shell, said):
    """zsh is told to look behind it; fish takes whole words only."""
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", "priorkit recover --op=ma")
    monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
    monkeypatch.setenv("_PRIORKIT_COMPLETE", f"complete_{shell}")
    assert command_line().out.strip() == said


def test_every_kind_is_known():
    assert {"prior", "operator", "noise", "penalty", "solver", "start", "trainer"} <= set(KINDS)


def test_a_list_needs_neither_torch_nor_pydantic():
    """Each takes longer to import than the list to be made: typer imports the latter for a flag
    that has no value, as --help where nobody says it."""
    code = (
        "import sys\nfrom priorkit.cli import main\nsys.argv = ['priorkit', 'list', '--json']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print([m for m in ('torch', 'numpy', 'pydantic') if m in sys.modules], file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.stderr.strip() == "[]"


def test_settings_are_completed_without_torch(complete, tmp_path):
    """A shell waits for it; and what is kept of components needs none either."""
    line = "priorkit recover --op blur --bou"
    assert complete(line) == ["--boundary"]  # which keeps it
    code = (
        "import sys\nfrom priorkit.cli import main\nsys.argv = ['priorkit']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print('torch' in sys.modules)"
    )
    told = {"PRIORKIT_CACHE_DIR": str(tmp_path / "cache"), "_PRIORKIT_COMPLETE": "complete_bash"}
    told |= {"COMP_WORDS": line, "COMP_CWORD": str(len(shlex.split(line)) - 1)}
    ran = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | told, capture_output=True, text=True
    )
    assert ran.stdout.split() == ["--boundary", "False"]
