"""Captions of the training images: listed, searched, counted, edited many at once, and every such edit undone."""
