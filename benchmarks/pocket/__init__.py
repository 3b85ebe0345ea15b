"""The pocket base model: a Stable-Diffusion-1-shaped checkpoint of tiny widths, taught from drawn scenes."""
