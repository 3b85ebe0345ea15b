"""Looking at a grid before it takes a night: what would fail, or train something else than was meant."""
