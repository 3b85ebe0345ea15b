"""Base models: what a file or folder holds, told by its names and shapes, and the text vocabulary."""
