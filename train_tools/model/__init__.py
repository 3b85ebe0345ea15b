"""The nouns of Train Tools: frozen dataclasses, enums, and paths as pure functions. No input or output, no
third-party import."""
