"""Models of others that look at previews: CLIP and DINOv2, which say how alike pictures are, and a tagger.
Which of them the user wants, and where their weights lie; nothing is fetched from here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from train_tools.captioners.registry import GB, MB, TRANSFORMERS, Files, PictureModel, Repository
from train_tools.captioners.tagging import tagger_of
from train_tools.captioners.weights import state_named, words_for
from train_tools.errors import NotFoundError, OptionValueError
from train_tools.model.captioning import Chosen
from train_tools.model.settings import ScoreSettings

CLIP = PictureModel(
    name="clip",
    title="CLIP",
    files=TRANSFORMERS,
    repositories=(
        Repository(name="laion/CLIP-ViT-B-32-laion2B-s34B-b79K", about_bytes=605 * MB),
        Repository(name="openai/clip-vit-large-patch14", about_bytes=17 * GB // 10),
    ),
)
DINO = PictureModel(
    name="dino",
    title="DINOv2",
    files=Files(needed=(("config.json",), ("preprocessor_config.json",), ("model.safetensors",))),
    repositories=(
        Repository(name="facebook/dinov2-base", about_bytes=346 * MB),
        Repository(name="facebook/dinov2-small", about_bytes=88 * MB),
        Repository(name="facebook/dinov2-large", about_bytes=1217 * MB),
    ),
)
TAGGER = "tagger"


@dataclass(frozen=True, kw_only=True)
class Looker:
    """One of the models as the settings name it. `place` is None where it is not on this machine; then `reason`
    says what to do about it."""

    name: str
    """`clip`, `dino` or `tagger`."""
    chosen: str
    """As the settings say it: a repository or a folder, for a tagger behind its name; "" = the usual one."""
    model: str = ""
    """What its numbers are known by: the repository or the folder, and a tagger's name."""
    place: Path | None
    reason: str = ""
    can_be_fetched: bool = False


def lookers_of(settings: ScoreSettings, weights: Path) -> tuple[Looker, ...]:
    """All of them. `weights` is the folder with a folder for each repository."""
    return (
        _looker(CLIP, settings.clip, settings.clip, weights),
        _looker(DINO, settings.dino, settings.dino, weights),
        _tagger(settings.tagger, weights),
    )


def model_named(name: str) -> PictureModel:
    """CLIP or DINOv2."""
    (model,) = (each for each in (CLIP, DINO) if each.name == name)
    return model


def _tagger(chosen: str, weights: Path) -> Looker:
    tagger = Chosen.of(chosen)
    try:
        model = tagger_of(tagger)
    except OptionValueError as error:
        return Looker(name=TAGGER, chosen=chosen, place=None, reason=f"scores.tagger: {error}")
    return _looker(model, tagger.model, chosen, weights, TAGGER)


def _looker(model: PictureModel, named: str, chosen: str, weights: Path, name: str = "") -> Looker:
    known_as = name or model.name
    try:
        state = state_named(model, named, weights)
    except (NotFoundError, OptionValueError) as error:
        return Looker(name=known_as, chosen=chosen, place=None, reason=f"scores.{known_as}: {error}")
    return Looker(
        name=known_as,
        chosen=chosen,
        model=f"{model.name} {state.repository or state.place}",
        place=state.place,
        reason="" if state.place else words_for(model, state),
        can_be_fetched=state.place is None,
    )
