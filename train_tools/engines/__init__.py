"""One file per trainer; each knows the TOML, command line, progress and success of its trainer."""
