"""A page to try a recovery on, in the browser of the same machine: ``priorkit app``."""
