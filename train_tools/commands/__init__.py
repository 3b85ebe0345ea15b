"""The commands of `train-tools`, one module per noun; `cli` puts them together."""
