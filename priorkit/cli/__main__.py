"""``python -m priorkit.cli``."""

from priorkit.cli.main import main

main()
