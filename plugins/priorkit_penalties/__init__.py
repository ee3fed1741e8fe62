"""R: what is asked of the solution besides agreeing with the measurement."""
