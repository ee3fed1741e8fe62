"""What the user says: settings, options, and the components that they name."""
