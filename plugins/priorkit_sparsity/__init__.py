"""Sparsity in an orthonormal basis: linear priors."""
