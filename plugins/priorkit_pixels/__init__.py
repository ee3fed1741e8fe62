"""The prior that knows nothing: everyone's baseline."""
