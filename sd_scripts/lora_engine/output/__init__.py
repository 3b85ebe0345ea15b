"""What a run leaves behind and says meanwhile: checkpoints, events, lines on the console."""
