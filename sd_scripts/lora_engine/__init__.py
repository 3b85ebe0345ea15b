"""The bundled training engine: LoRA training on diffusers, to the contract in `sd_contract`.

It never imports `train_tools`; it is started as a process (`train_network.py` beside this package).
"""
