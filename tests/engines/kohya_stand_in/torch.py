"""Takes the place of torch for the stand-in: it is imported, and nothing is done with it."""

__version__ = "0.0.0"
