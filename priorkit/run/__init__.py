"""From components to rows."""
