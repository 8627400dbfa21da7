"""What happened in a fit: the diagnosis and the pictures."""
