"""Smooth solvers and the starts that come with the core."""
