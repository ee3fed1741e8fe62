"""Studies: one recovery per point of a grid, on one machine or many, stored as they end."""
