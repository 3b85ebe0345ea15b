"""What a step is fed with: images, latents, captions, batches. Knows nothing of networks and optimizers."""
