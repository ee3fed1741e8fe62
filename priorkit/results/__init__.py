"""What came back, and how it is looked at and saved."""
