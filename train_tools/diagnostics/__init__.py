"""A file for whoever is to help: what was found, versions, settings, the ends of failed logs, without secrets."""
