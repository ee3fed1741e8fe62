"""BM3D as a prior that only denoises. The package behind it is free for non-commercial use only."""
