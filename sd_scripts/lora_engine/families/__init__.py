"""Families of base models: how a single file becomes modules, how text is encoded, how noise is predicted."""
