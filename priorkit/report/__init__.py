"""What people look at: grids, pages, curves."""
