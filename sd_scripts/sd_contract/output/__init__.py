"""What a training leaves behind: checkpoints with their metadata, and states to go on from."""
