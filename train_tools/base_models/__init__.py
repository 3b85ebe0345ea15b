"""The base models on this machine: where they lie, what they hold, how captions for them should read, and
getting more of them."""
