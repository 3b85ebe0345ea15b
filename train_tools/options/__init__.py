"""The options of a trainer as people meet them: labels, groups, dangers; reading values from text; TOML."""
