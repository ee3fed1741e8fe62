"""A: how pictures become measurements."""
