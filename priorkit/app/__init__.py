"""Pages to recover pictures on, in the browser of the same machine: ``priorkit app``."""
