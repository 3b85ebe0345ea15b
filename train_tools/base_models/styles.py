"""How captions for a base model should read: tags with commas between, or sentences. Guessed from its name and
what it says of itself, unless the user has said it; and what follows from it for a training."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from train_tools.errors import StorageError
from train_tools.files import read_toml, storage_error, write_toml
from train_tools.model.base_model import (
    BaseModelFile,
    CaptionStyle,
    StyleOfModel,
    Suggestion,
    Suggestions,
    Tagger,
)

FORMAT = 1
WHOLE_WORDS = frozenset({"nai", "aom", "wai", "noob", "pony", "nijiv"})
"""Names of families that were taught with tags; too short to be looked for inside other words."""
PARTS = (
    *("anime", "animagine", "illustrious", "noobai", "novelai", "danbooru", "booru", "waifu", "ponydiffusion"),
    *("anything", "counterfeit", "orangemix", "abyssorange", "hassaku", "meinamix", "anylora", "kohaku"),
    *("autismmix", "pastelmix", "cetusmix", "hentai", "manga"),
)
TOLD_IN = ("modelspec.title", "modelspec.tags", "modelspec.description", "modelspec.usage_hint")
MERGED_FROM = ("modelspec.merged_from", "sd_merge_models", "sd_merge_recipe")
"""What merging programs write: the names of the models that went in."""
LONGEST_READ = 50_000
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
ALL_LAYERS, BUT_ONE = 1, 2
"""What `clip_skip` counts: the last layer, the one before."""


class Styles:
    """The styles that the user has said, in a file of the outputs folder. A model is known by its size and short
    hash, wherever it lies and whatever it is called."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def of(self, model: BaseModelFile) -> StyleOfModel | None:
        """Raises StorageError when the file can't be read."""
        said = self._all().get(_key(model))
        return StyleOfModel(style=CaptionStyle(said), reason="you said so", chosen=True) if said else None

    def set(self, model: BaseModelFile, style: CaptionStyle | None) -> None:
        """Keeps what the user says; None goes back to the guess."""
        styles = {key: said for key, said in self._all().items() if key != _key(model)}
        if style is not None:
            styles[_key(model)] = str(style)
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise storage_error(self._file, error) from error
        write_toml(self._file, {"format": FORMAT, "styles": styles})

    def _all(self) -> dict[str, str]:
        if not self._file.is_file():
            return {}
        record = read_toml(self._file)
        styles, number = record.get("styles", {}), record.get("format", FORMAT)
        if not isinstance(number, int) or number > FORMAT:
            raise StorageError(
                f"{self._file} has format {number!r}; this Train Tools reads formats up to {FORMAT}. Use the "
                "newer Train Tools that wrote it, or put the file aside."
            )
        if not isinstance(styles, dict) or any(said not in list(CaptionStyle) for said in styles.values()):
            raise StorageError(
                f'{self._file}: [styles] has to say "tags" or "prose" of each model. Mend the line, or delete it '
                "to take the guess."
            )
        return styles


def guessed_style(name: str, metadata: Mapping[str, str]) -> StyleOfModel:
    """What a model's name, what it says of itself, and the models it was merged from speak of."""
    for where, text in _speaking(name, metadata):
        if sign := _sign_of_tags(text):
            return StyleOfModel(style=CaptionStyle.TAGS, reason=f'"{sign}" in {where}')
    return StyleOfModel(
        style=CaptionStyle.PROSE, reason="nothing in its name or metadata speaks of anime models or tags"
    )


def suggestions(model: BaseModelFile, trigger_words: int = 1) -> Suggestions:
    """What suits the model's style and family. `trigger_words` is how many tags stand first in every caption."""
    assert model.style is not None, "a model of a known family has a style"
    tags = model.style.style is CaptionStyle.TAGS
    why = f"its captions are {model.style.style} ({model.style.reason})"
    options = [
        Suggestion(option="shuffle_caption", value=tags, reason=f"{why}; sentences have an order, tags have none"),
        Suggestion(
            option="keep_tokens",
            value=trigger_words if tags else 0,
            reason="the trigger words stay in front" if tags else "nothing is shuffled",
        ),
    ]
    if model.family == "sd1":
        layer = BUT_ONE if tags else ALL_LAYERS
        reason = "anime models of SD1 were taught so" if tags else "SD1 was taught so"
        options.append(Suggestion(option="clip_skip", value=layer, reason=reason))
    if model.prediction == "v_prediction":
        options.append(
            Suggestion(option="v_parameterization", value=True, reason=f"it predicts v ({model.prediction_sign})")
        )
    return Suggestions(options=tuple(options), tagger=Tagger.BOORU if tags else Tagger.CAPTIONS)


def _speaking(name: str, metadata: Mapping[str, str]) -> list[tuple[str, str]]:
    told = [(key, metadata[key][:LONGEST_READ]) for key in (*TOLD_IN, *MERGED_FROM) if key in metadata]
    return [("its name", name), *told]


def _sign_of_tags(text: str) -> str:
    whole = {word.lower() for word in _WORDS.findall(text)} & WHOLE_WORDS
    joined = re.sub(r"[^a-z]+", "", text.lower())
    return next(iter(sorted(whole)), "") or next((part for part in PARTS if part in joined), "")


def _key(model: BaseModelFile) -> str:
    return f"{model.size_bytes}-{model.short_hash or model.path.name}"
