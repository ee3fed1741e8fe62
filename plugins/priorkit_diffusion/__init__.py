"""A diffusion prior: one network that removes noise of every strength, and what follows from it."""
