"""What becomes of checkpoints after the training: marked, put away, edited, taken to where they are used."""
