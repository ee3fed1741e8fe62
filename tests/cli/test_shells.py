"""Tab as it is pressed, in the shells that are here: a terminal, the script that priorkit prints,
and the line that the shell has made of what was typed."""

import os
import pty
import shutil
import subprocess
import sys
import threading
import time

import pytest

LONG = 120.0  # seconds after which a shell that says nothing has failed; a line takes one or two

# How each is begun without what a user has set up, and what a key is bound to that writes the
# line to the file $LINE, in one step, and empties it.
SHELLS = {
    "bash": (
        ["bash", "--norc", "--noprofile", "-i"],
        """
        written() { printf %s "$READLINE_LINE" > $LINE.new; mv $LINE.new $LINE; READLINE_LINE=; }
        bind -x '"\\C-xl": written'
        """,
    ),
    "zsh": (
        ["zsh", "-f", "-i"],
        """
        autoload -Uz compinit; compinit -u -D
        written() { print -rn -- "$BUFFER" > $LINE.new; mv $LINE.new $LINE; BUFFER=; }
        zle -N written; bindkey '^Xl' written
        """,
    ),
    "fish": (
        ["fish", "--no-config", "-i"],
        """
        function written; commandline > $LINE.new; mv $LINE.new $LINE; commandline -r ''; end
        bind \\cxl written
        """,
    ),
}
TAB, WRITE = b"\t", b"\x18l"


class Terminal:
    """A shell that is typed into, in a folder of its own with a command priorkit."""

    def __init__(self, shell, place):
        words, bound = SHELLS[shell]
        self.line, self.said = place / "line", []
        (place / "bin").mkdir()
        command = place / "bin" / "priorkit"
        command.write_text(f'#!/bin/sh\nexec {sys.executable} -m priorkit.cli "$@"\n')
        command.chmod(0o755)
        ready = f"priorkit --show-completion > script\n. ./script\necho > {self.line}\n"
        (place / "begin").write_text(bound)
        (place / "measured.npy").touch()
        environment = {
            **os.environ,
            "HOME": str(place),
            "LINE": str(self.line),
            "PATH": f"{place / 'bin'}:{os.environ['PATH']}",
            "PRIORKIT_CACHE_DIR": str(place / "cache"),
            "TERM": "dumb" if shell == "bash" else "xterm",
        }
        self.master, self.other = pty.openpty()
        # The first of a new session that opens a terminal has it as its own.
        begin = ["sh", "-c", 'exec "$@" <"$0" >"$0" 2>&1', os.ttyname(self.other), *words]
        self.process = subprocess.Popen(
            begin, cwd=place, env=environment, stdin=subprocess.DEVNULL, start_new_session=True
        )
        self.reader = threading.Thread(target=self._read)
        self.reader.start()
        self._ready = f". ./begin\n{ready}".encode()

    def __enter__(self):
        try:
            self._type(self._ready)
            self._written()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self.other)
        self.reader.join()
        os.close(self.master)

    def completed(self, typed):
        """The line after Tab."""
        self._type(typed.encode() + TAB + WRITE)
        return self._written()

    def _read(self):
        """All that it prints, so that it never waits for a reader."""
        try:
            while found := os.read(self.master, 4096):
                self.said.append(found)
        except OSError:  # nobody has the other end any more
            pass

    def _type(self, keys):
        os.write(self.master, keys)

    def _written(self):
        end = time.monotonic() + LONG
        while not self.line.exists():
            assert time.monotonic() < end, b"".join(self.said).decode(errors="replace")
            time.sleep(0.02)
        found = self.line.read_text()
        self.line.unlink()
        return found.rstrip("\n")


@pytest.mark.slow  # tests/cli/test_completion.py has the protocol
@pytest.mark.parametrize("shell", SHELLS)
def test_tab(shell, tmp_path):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} isn't here")
    with Terminal(shell, tmp_path) as terminal:
        for typed, expected in {
            "recov": "recover ",
            "recover --op=mas": "recover --op=mask ",
            "compare --priors=dct,wav": "compare --priors=dct,wavelet ",
            "sweep --engine=dask --summ": "sweep --engine=dask --summary ",
            "recover --y=meas": "recover --y=measured.npy ",
        }.items():
            assert terminal.completed(f"priorkit {typed}") == f"priorkit {expected}"
