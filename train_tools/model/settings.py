"""What a user decides once for all projects of an outputs folder: what follows a training, what is made known, how
the machine is treated meanwhile."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from train_tools.errors import OptionValueError


class WhichCheckpoints(StrEnum):
    FINAL = "final"
    ALL = "all"


class Occasion(StrEnum):
    """What somebody who is not looking may want to hear of."""

    RUN_FAILED = "run_failed"
    GRID_FINISHED = "grid_finished"
    QUEUE_EMPTY = "queue_empty"


@dataclass(frozen=True, kw_only=True)
class CopySettings:
    """Copies of finished checkpoints, where another program looks for them."""

    folder: str = ""
    """Absolute; empty = nothing is copied."""
    checkpoints: WhichCheckpoints = WhichCheckpoints.FINAL

    def __post_init__(self) -> None:
        if self.folder and not self.place.is_absolute():
            raise OptionValueError(
                f"The folder {self.folder!r} for copies can't be used: it has to be a whole path, such as "
                "/home/me/webui/models/Lora, or empty for no copies."
            )

    @property
    def place(self) -> Path:
        """The folder with `~` as the user's home."""
        try:
            return Path(self.folder).expanduser()
        except RuntimeError:  # a home that nobody knows
            return Path(self.folder)


@dataclass(frozen=True, kw_only=True)
class NewsSettings:
    """What is made known, and by which ways. The webhook's address is a secret and not among these."""

    when: tuple[Occasion, ...] = tuple(Occasion)
    desktop: bool = False
    webhook: bool = True
    """Without an address it says nothing to anybody."""


@dataclass(frozen=True, kw_only=True)
class MachineSettings:
    keep_awake: bool = True


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """Where base models lie."""

    folders: tuple[str, ...] = ()
    """Absolute; a WebUI's own folder stands for the one it keeps base models in."""

    def __post_init__(self) -> None:
        for folder in self.folders:
            if not _is_whole(folder):
                raise OptionValueError(
                    f"The folder {folder!r} for base models can't be used: it has to be a whole path, such as "
                    "/home/me/stable-diffusion-webui."
                )


@dataclass(frozen=True, kw_only=True)
class PageSettings:
    """What the page may do on this machine."""

    folders: tuple[str, ...] = ()
    """Absolute; paths may be picked below these, besides the user's home, the outputs and the base models."""

    def __post_init__(self) -> None:
        for folder in self.folders:
            if not _is_whole(folder):
                raise OptionValueError(
                    f"The folder {folder!r} can't be shown on the page: it has to be a whole path, such as /data."
                )


@dataclass(frozen=True, kw_only=True)
class CaptionEndpointSettings:
    """A program that describes pictures, spoken to as OpenAI's. Its key is a secret and not among these."""

    endpoint: str = ""
    """Its address up to and with `/v1`; empty = there is none."""
    model: str = ""
    """Which of its models; empty = the one it has."""


@dataclass(frozen=True, kw_only=True)
class WebuiSettings:
    """The WebUI that previews may be rendered with. Its password is a secret and not among these."""

    url: str = "http://127.0.0.1:7860"
    lora_folder: str = ""
    """Absolute, as this machine sees it; empty = where the WebUI itself says."""
    user: str = ""
    timeout_s: int = 300
    """How long a picture may take without coming on; the first one loads the model."""
    unload: bool = False
    """Whether it is asked to free the card before each training."""
    lease: bool = False
    """Whether Generate waits there during each training, when we are a tab of it."""
    give_way: bool = False
    """Whether trainings then stop for those who wait."""

    def __post_init__(self) -> None:
        if self.lora_folder and not _is_whole(self.lora_folder):
            raise OptionValueError(
                f"The folder {self.lora_folder!r} can't be used for a WebUI's LoRAs: it has to be a whole path, "
                "such as /home/me/stable-diffusion-webui/models/Lora, or empty for the one the WebUI names itself."
            )
        if not 1 <= self.timeout_s <= 86_400:
            raise OptionValueError(f"{self.timeout_s} s can't be waited for a WebUI: 1 to 86400 are allowed.")


@dataclass(frozen=True, kw_only=True)
class ScoreSettings:
    """Models that look at previews. Each is a repository or the whole path of a folder, empty for the usual
    one."""

    clip: str = ""
    dino: str = ""
    tagger: str = "wd-v3"
    """A captioner that writes tags, alone or with its model: `wd-v3=REPOSITORY`."""


def _is_whole(folder: str) -> bool:
    try:
        return Path(folder).expanduser().is_absolute()
    except RuntimeError:  # a home that nobody knows
        return False


@dataclass(frozen=True, kw_only=True)
class UserSettings:
    """One attribute for each table of settings.toml."""

    copies: CopySettings = field(default_factory=CopySettings)
    news: NewsSettings = field(default_factory=NewsSettings)
    machine: MachineSettings = field(default_factory=MachineSettings)
    models: ModelSettings = field(default_factory=ModelSettings)
    captions: CaptionEndpointSettings = field(default_factory=CaptionEndpointSettings)
    webui: WebuiSettings = field(default_factory=WebuiSettings)
    scores: ScoreSettings = field(default_factory=ScoreSettings)
    page: PageSettings = field(default_factory=PageSettings)


class SettingKind(StrEnum):
    """What a form lets people do with a setting."""

    TEXT = "text"
    NUMBER = "number"
    SWITCH = "switch"
    CHOICE = "choice"
    CHOICES = "choices"
    TEXTS = "texts"
    FOLDER = "folder"
    FOLDERS = "folders"
    SECRET = "secret"
    """Goes in and never comes out."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting as people see it."""

    key: str
    """`table.name`"""
    kind: SettingKind
    value: object
    default: object
    allowed: str
    """In words."""
    choices: tuple[str, ...] = ()
    help: str


@dataclass(frozen=True, kw_only=True)
class WebhookState:
    """What may be told about the webhook's address, which is a secret."""

    shown: str
    """Its beginning up to the host; empty when there is none."""
    from_environment: bool = False
