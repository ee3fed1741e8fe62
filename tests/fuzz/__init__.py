"""Hostile files, settings, plugins and command lines: an error that priorkit raises on purpose, or
a right answer, and never anything else."""
