"""Measures what a student's own machine-learning framework can do. Knows Python and NumPy, nothing of courses or people."""

__version__ = "0.1.0"
