"""Search in which candidates are trained together."""
