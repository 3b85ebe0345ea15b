"""How the pocket model learns: the autoencoder first, then the text encoder and U-Net on its latents."""
