"""The errors a user can see. Each says what happened with the value, what is allowed, what to do next.

Programmer mistakes are asserts; everything here is caught at the border (command line, API, page) and shown as
one sentence.
"""


class TrainToolsError(ValueError):
    """The root of all errors that are told in one sentence, without a traceback."""


class NameNotAllowedError(TrainToolsError):
    """A project or version name can't be a folder name on every system."""


class NotFoundError(TrainToolsError):
    """The project, version, run or job does not exist."""


class AlreadyExistsError(TrainToolsError):
    """Something of this name is there already; nothing was overwritten."""


class InUseError(TrainToolsError):
    """A folder can't be moved while a job works in it."""


class OptionValueError(TrainToolsError):
    """An option is unknown, or a value in a list can't be read as the option's type."""


class DatasetNotUsableError(TrainToolsError):
    """There is nothing to train on, or the sources can't be read."""


class BaseModelNotUsableError(TrainToolsError):
    """The base model is missing, broken, or not one the chosen engine trains."""


class JobMoveError(TrainToolsError):
    """A job was asked for a move its state does not allow, or it moved on meanwhile."""


class StorageError(TrainToolsError):
    """A file could not be written or read: disk full, no permission, unknown format."""


class NotNowError(StorageError):
    """What could not be written or read now may be later: the disk is full, or another program holds the file."""


class ChangedMeanwhileError(TrainToolsError):
    """What was to be changed is no longer what the asker saw; nothing was overwritten."""


class AddressInUseError(TrainToolsError):
    """The port the service wants is taken."""


class AlreadyServedError(AddressInUseError):
    """Another service has this outputs folder. `address` is that of its page; empty while it starts."""

    def __init__(self, address: str) -> None:
        where = f"at {address}" if address else "and is about to say where"
        super().__init__(
            f"Another service has this outputs folder already, {where}. Open that page, or stop it first; a "
            "service for another folder is started with --outputs."
        )
        self.address = address


class DownloadError(TrainToolsError):
    """What was asked for can't be fetched from there."""


class ConfirmationWantedError(TrainToolsError):
    """What was asked for costs so much that it is asked for again."""


class EngineNotUsableError(TrainToolsError):
    """A trainer is missing, half installed, or does not say what it can do."""


class PreflightError(ConfirmationWantedError):
    """The pre-flight has found what would spoil the runs; they are queued only for those who want them anyway."""
