"""Which checkpoint: what can be measured of them, what people say, and what both together suggest."""
