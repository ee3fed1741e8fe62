"""``python -m priorkit.cli``."""

from priorkit.cli import main

main()
