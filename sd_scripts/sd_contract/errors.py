"""The errors that a trainer's user can see: each says what happened, what is allowed, what to do next."""


class ContractError(ValueError):
    """A file or an option does not follow the contract. The text is written for the user."""


class OptionError(ContractError):
    """An option is unknown or its value can't be used. Names the key and where it was found."""


class DatasetError(ContractError):
    """The dataset file or an image in it can't be used."""


class BaseModelError(ContractError):
    """The base model is missing, unreadable, or of a family this trainer does not train."""


class CheckpointError(ContractError):
    """A checkpoint file is not whole: its header, offsets and size do not agree."""


class StateError(ContractError):
    """The saved state of a training is missing, damaged, or of another run."""
