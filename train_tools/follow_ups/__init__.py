"""What the user wants done when a job has ended: copies of its checkpoints, news of it. Light jobs of their own
kinds, so that whatever becomes of them, the training they follow stays what it is."""
