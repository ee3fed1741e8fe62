"""Sparsity in an orthonormal basis: linear priors, the Lasso's solvers, and a start."""
