"""argmin: solvers, each its mathematics and nothing else."""
