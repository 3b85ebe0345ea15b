"""What a user decides once for an outputs folder, in settings.toml, and the secrets that must not lie there."""
