"""What no case may do: take long, take much memory, or write outside its target."""

import os
import sys
import time
from contextlib import contextmanager
from pathlib import Path

SECONDS = 10.0  # of the processor: others may be at work beside it
BYTES = 1 << 30

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = {
    *("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate"),
    *("os.chmod", "os.utime", "os.chown", "shutil.rmtree", "shutil.move", "shutil.copyfile"),
}

_watched: dict[str, object] = {"target": None, "outside": []}


def _audit(event, arguments):
    target = _watched["target"]
    if target is None:
        return
    paths = []
    if event == "open":
        path, _, flags = arguments
        # A temporary file without a name is opened by its folder.
        writes = isinstance(flags, int) and flags & WRITES and not os.path.isdir(path)
        paths = [path] if writes else []
    elif event in CHANGES:
        paths = [] if event in ("os.remove", "os.rmdir") and arguments[1] >= 0 else arguments[:2]
    named = (os.fsdecode(p) for p in paths if isinstance(p, (str, bytes, os.PathLike)))
    _watched["outside"] += [f"{event} {path!r}" for path in named if not _is_within(path, target)]


def _is_within(path, target):
    """Whether a path is ``target`` or beside it under its name, or a place that holds nothing."""
    full = os.path.abspath(path)
    parent, name = os.path.split(target)
    return full.startswith((target, f"{parent}/.{name}")) or full in (parent, "/dev/null")


sys.addaudithook(_audit)


@contextmanager
def guarded(target: Path):
    """Fail where the block takes too long or too much, or writes anywhere but to ``target``."""
    sys.dont_write_bytecode = True
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before, started = _peak(), time.process_time()
    cost = {"seconds": 0.0, "bytes": 0}
    _watched["outside"], _watched["target"] = [], str(target)
    try:
        yield cost
    finally:
        _watched["target"] = None
        cost["seconds"] = time.process_time() - started
        cost["bytes"] = max(0, _peak() - before)
    assert not _watched["outside"], f"written outside: {_watched['outside'][:3]}"
    assert cost["seconds"] < SECONDS, f"took {cost['seconds']:.1f} s"
    assert cost["bytes"] < BYTES, f"took {cost['bytes'] >> 20} MiB"


def _peak() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return 1024 * int(line.split()[1])
    raise AssertionError("no VmHWM")
