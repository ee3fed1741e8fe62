"""The command line: a thin skin over the same functions. Starting it imports no torch."""

from priorkit.cli.main import app, main

__all__ = ["app", "main"]
