"""From tensors, PIL and text to pictures and pages; nothing here knows what a result is."""
