"""The names that kohya's networks.lora reads from network_args."""


def create_network(multiplier, **kwargs):
    return kwargs.get("conv_dim"), kwargs.get("conv_alpha"), kwargs["rank_dropout"]
