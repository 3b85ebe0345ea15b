"""From what a user has lying about, in whatever shape, to a version's originals.
Nothing is taken away from there."""
