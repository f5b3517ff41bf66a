"""Performance: measuring it, and making models smaller."""
