"""Commands that are killed at any moment, as real processes."""
