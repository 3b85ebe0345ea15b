"""From originals to training images: the steps, the work on many at once, and the exchange as a whole."""
