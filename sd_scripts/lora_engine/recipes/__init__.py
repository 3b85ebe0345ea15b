"""Training methods, one a file, to be read top to bottom."""
