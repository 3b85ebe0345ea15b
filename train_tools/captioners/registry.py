"""Which captioners there are. What each does lies in `captioning_process`, in a file of its own; here is what must
be known without starting it: its name, the style of what it writes, and the files it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from train_tools.errors import OptionValueError
from train_tools.model.base_model import CaptionStyle
from train_tools.model.captioning import CaptionSettings, Chosen

MB = 1_000_000
GB = 1000 * MB


@dataclass(frozen=True, kw_only=True)
class Files:
    """Names of files, as patterns. `needed` are groups: of each, one alternative has to be there."""

    needed: tuple[tuple[str, ...], ...]
    welcome: tuple[str, ...] = ()
    """Fetched where the repository has them."""

    def wanted(self, names: list[str]) -> list[str]:
        """Those to be fetched of what a repository has: of alternatives the first that there is."""
        found: dict[str, None] = {}
        for group in self.needed:
            first = next((pattern for pattern in group if any(fnmatchcase(name, pattern) for name in names)), "")
            found |= dict.fromkeys(name for name in names if fnmatchcase(name, first))
        return list(found | dict.fromkeys(n for n in names if any(fnmatchcase(n, w) for w in self.welcome)))

    def missing(self, names: list[str]) -> tuple[str, ...]:
        """What of the needed is not there, by the name it usually has."""
        return tuple(
            group[0]
            for group in self.needed
            if not any(fnmatchcase(name, pattern) for name in names for pattern in group)
        )


@dataclass(frozen=True, kw_only=True)
class Repository:
    """Where a model comes from."""

    name: str
    """`organisation/repository`"""
    about_bytes: int
    address: str = ""
    """Of the one file, where it does not come from Hugging Face."""


@dataclass(frozen=True, kw_only=True)
class PictureModel:
    """A model that looks at pictures: which files it is made of, and where they come from."""

    name: str
    title: str
    files: Files = Files(needed=())
    repositories: tuple[Repository, ...] = ()
    """The usual one first. Others of the same kind may be named too."""


@dataclass(frozen=True, kw_only=True)
class Captioner(PictureModel):
    style: CaptionStyle | None
    package: str = ""
    """What has to be installed beside Train Tools' own."""


ONNX = Files(needed=(("model.onnx",), ("selected_tags.csv",)))
DEEPBOORU = Files(needed=(("model-resnet_custom_v3.pt",),))
TRANSFORMERS = Files(
    needed=(
        ("config.json",),
        ("preprocessor_config.json", "processor_config.json"),
        ("tokenizer.json",),
        ("model.safetensors", "model-*-of-*.safetensors"),
    ),
    welcome=(
        *("generation_config.json", "processor_config.json", "tokenizer_config.json", "special_tokens_map.json"),
        *("added_tokens.json", "vocab.json", "vocab.txt", "merges.txt", "model.safetensors.index.json"),
    ),
)
"""Never a pickle, and never code: `trust_remote_code` is not for us."""

CAPTIONERS: tuple[Captioner, ...] = (
    Captioner(
        name="wd-v3",
        title="WD v3 tagger",
        style=CaptionStyle.TAGS,
        files=ONNX,
        repositories=(
            Repository(name="SmilingWolf/wd-swinv2-tagger-v3", about_bytes=467 * MB),
            Repository(name="SmilingWolf/wd-vit-tagger-v3", about_bytes=379 * MB),
            Repository(name="SmilingWolf/wd-convnext-tagger-v3", about_bytes=395 * MB),
            Repository(name="SmilingWolf/wd-vit-large-tagger-v3", about_bytes=1260 * MB),
            Repository(name="SmilingWolf/wd-eva02-large-tagger-v3", about_bytes=1260 * MB),
        ),
        package="onnxruntime",
    ),
    Captioner(
        name="deepbooru",
        title="DeepDanbooru",
        style=CaptionStyle.TAGS,
        files=DEEPBOORU,
        repositories=(
            Repository(
                name="AUTOMATIC1111/TorchDeepDanbooru",
                about_bytes=644 * MB,
                address="https://github.com/AUTOMATIC1111/TorchDeepDanbooru/releases/download/v1/"
                "model-resnet_custom_v3.pt",
            ),
        ),
    ),
    Captioner(
        name="blip",
        title="BLIP",
        style=CaptionStyle.PROSE,
        files=TRANSFORMERS,
        repositories=(
            Repository(name="Salesforce/blip-image-captioning-base", about_bytes=990 * MB),
            Repository(name="Salesforce/blip-image-captioning-large", about_bytes=1880 * MB),
        ),
    ),
    Captioner(
        name="blip-2",
        title="BLIP-2",
        style=CaptionStyle.PROSE,
        files=TRANSFORMERS,
        repositories=(Repository(name="Salesforce/blip2-opt-2.7b", about_bytes=15 * GB),),
    ),
    Captioner(
        name="florence-2",
        title="Florence-2",
        style=CaptionStyle.PROSE,
        files=TRANSFORMERS,
        repositories=(
            Repository(name="florence-community/Florence-2-base", about_bytes=500 * MB),
            Repository(name="florence-community/Florence-2-base-ft", about_bytes=500 * MB),
            Repository(name="florence-community/Florence-2-large", about_bytes=1600 * MB),
            Repository(name="florence-community/Florence-2-large-ft", about_bytes=1600 * MB),
        ),
    ),
    Captioner(name="endpoint", title="A program that describes pictures, spoken to as OpenAI's", style=None),
    Captioner(name="file-name", title="The picture's file name", style=None),
)
BY_NAME: Mapping[str, Captioner] = {each.name: each for each in CAPTIONERS}
OF_STYLE: Mapping[CaptionStyle, str] = {CaptionStyle.TAGS: "wd-v3", CaptionStyle.PROSE: "florence-2"}
"""Which one suits a base model whose captions read so (S3-05)."""


def captioner_of(chosen: Chosen) -> Captioner:
    """Raises OptionValueError for a name that nobody bears, or a model for one that needs none."""
    captioner = BY_NAME.get(chosen.name)
    if captioner is None:
        raise OptionValueError(f"There is no captioner {chosen.name!r}. There are: {', '.join(BY_NAME)}.")
    if chosen.model and not captioner.repositories:
        raise OptionValueError(f"The captioner {chosen.name} needs no model: leave {chosen.model!r} out.")
    return captioner


def check(settings: CaptionSettings) -> None:
    """Raises OptionValueError when a captioner is meant that there is not."""
    for chosen in settings.captioners:
        captioner_of(chosen)
