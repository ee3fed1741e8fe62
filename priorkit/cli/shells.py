"""``--NAME=VALUE`` in the shells that typer's scripts are for, which have it in different ways.

bash cuts words at ``=`` (it is one of COMP_WORDBREAKS), hands over ``--op``, ``=`` and ``ma``, and
replaces the last of them. zsh hands over ``--op=ma``, and takes words that begin so, unless it is
told to look behind the ``=``. fish hands over the same, and takes no others. typer expects
``--op=ma`` and answers ``mask``.

References: "GNU Bash Reference Manual", section 8.6 (programmable completion); "The Z Shell
Manual", section 20.2 (_arguments); "fish-shell", the command complete.
"""

from __future__ import annotations

from typer._click.shell_completion import (  # typer has no public name for these
    CompletionItem,
    ShellComplete,
    add_completion_class,
)
from typer._completion_classes import BashComplete, FishComplete, ZshComplete

__all__ = ["adapt", "joined"]


def adapt() -> None:
    """Let these answer in place of typer's own, which it names when an application is made."""
    for answers in (_Bash, _Zsh, _Fish):
        add_completion_class(answers, answers.name)


class _Valued(ShellComplete):
    """Completes the value of ``--NAME=VALUE`` as that of ``--NAME VALUE``."""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
        name, equals, value = _parts(incomplete)
        if not equals:
            return super().get_completions(args, incomplete)
        if value.startswith("-"):  # a number: no option follows "="
            return []
        return super().get_completions([*args, name], value)


class _Bash(_Valued, BashComplete):
    def get_completion_args(self) -> tuple[list[str], str]:
        args, incomplete = super().get_completion_args()
        words = joined([*args, incomplete])
        return words[:-1], words[-1]


class _Zsh(_Valued, ZshComplete):
    def complete(self) -> str:
        _, equals, _ = _parts(self.get_completion_args()[1])
        return ("compset -P 1 '*='; " if equals else "") + super().complete()


class _Fish(_Valued, FishComplete):
    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
        name, equals, _ = _parts(incomplete)
        found = super().get_completions(args, incomplete)
        before = f"{name}=" if equals else ""
        return [CompletionItem(f"{before}{item.value}", help=item.help) for item in found]


def _parts(word: str) -> tuple[str, str, str]:
    """``--NAME``, ``=`` and what follows; of any other word all in the first."""
    return word.partition("=") if word.startswith("--") else (word, "", "")


def joined(words: list[str]) -> list[str]:
    """Words that were cut at ``=``, as they were typed.

    >>> joined(["recover", "--op", "=", "blur", "--width", "3", "--gamma", "="])
    ['recover', '--op=blur', '--width', '3', '--gamma=']
    """
    found: list[str] = []
    cut = False  # whether the last word goes on
    for word in words:
        if found and (word == "=" or (cut and word)):
            found[-1] += word
        else:
            found.append(word)
        cut = word == "="
    return found
