"""How a training can end other than by its last step."""

from sd_contract.errors import ContractError


class TrainingError(ContractError):
    """The training itself went wrong. The text names likely causes and what to change."""


class NotANumberError(TrainingError):
    """The loss or the weights are no longer numbers."""


class Stopped(Exception):  # noqa: N818 - a request that was met, not an error
    """The user asked to stop before there was anything to save."""
