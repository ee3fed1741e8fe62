"""u₀: where a solver begins."""
