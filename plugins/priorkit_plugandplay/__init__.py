"""Solvers for priors that only denoise: one call, or plug-and-play."""
