"""Grids, pages and curves of results."""
