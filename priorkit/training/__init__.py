"""Training recipes: data, the loop that families share, and running one by name."""
