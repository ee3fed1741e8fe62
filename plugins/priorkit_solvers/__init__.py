"""argmin: the solvers, an algorithm each."""
