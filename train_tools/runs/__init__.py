"""A run: its frozen record, its attempts, its checkpoints, what it costs. Knows the queue and, through the
`Engine` protocol, that there are trainers; not which."""
