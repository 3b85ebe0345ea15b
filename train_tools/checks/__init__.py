"""What looking at the training images finds, and putting it right."""
