"""The process that measures what takes a model: losses with fixed noise, and what models see on previews. Nothing
else imports this."""
