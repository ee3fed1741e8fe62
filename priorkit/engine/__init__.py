"""From settings to a result: config → setup → problem → loop → recovery."""
