"""ℓ: how measurements scatter around A(x), and what a misfit costs."""
