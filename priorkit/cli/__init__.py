"""The command line: a thin skin over the same functions. Starting it imports no torch."""

__all__ = ["main"]


def main() -> None:
    """Entry point; see :mod:`priorkit.cli.application`."""
    try:
        from priorkit.cli.application import run

        run()
    except KeyboardInterrupt:  # before anything began, or once more while it was tidied up
        raise SystemExit(130) from None
