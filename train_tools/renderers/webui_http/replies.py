"""Whether a WebUI's answer is the picture that was asked for. It says 200 to much that it has not done: a LoRA it
could not load, a model it does not know, a sampler of another name. Pure functions."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from train_tools.model.preview import Picture
from train_tools.previews.infotext import parse_infotext
from train_tools.previews.picture_file import RENDERED_BY
from train_tools.renderers.session import PictureError
from train_tools.renderers.webui_http.client import WebuiError
from train_tools.renderers.webui_http.families import ListedModel, Webui, squeezed

if TYPE_CHECKING:
    from PIL.Image import Image

SHORT_HASH = 10
LORA_HASHES = "Lora hashes"
"""Where most name the LoRAs they have applied, each with its hash; SD.Next has names and hashes apart."""
NAMES_APART, HASHES_APART = "LoRA networks", "LoRA hashes"

CLIP_SKIPS = ("Clip skip", "CLiP-skip")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a picture was to be, in the WebUI's own terms."""

    picture: Picture
    model: ListedModel
    sampler: str
    scheduler: str
    clip_skip_set: bool
    lora: str = ""
    """The name of the staged LoRA; "" = the base model alone."""
    lora_hashes: frozenset[str] = frozenset()
    """The hashes that WebUIs may know its file by."""
    checkpoint: str = ""
    """The name of its file, for people."""

    @property
    def subject(self) -> str:
        return self.checkpoint or "the base model"


def picture_in(reply: Any, asked: Asked, webui: Webui) -> Image:
    """The one picture, with the WebUI's infotext in its `info`. Raises PictureError when this picture is not to be
    had, WebuiError when no other would fare better."""
    info, first = _info(reply)
    image = _image(reply, first)
    said = _said(info, first)
    _check_picture(image, info, said, asked, webui)
    _check_model(info, said, asked)
    _check_lora(said, asked)
    if _is_flat(image):
        raise PictureError(
            f"{_whose(asked)} is one flat colour: the numbers overflowed. Start the WebUI with --no-half-vae; if "
            "only this LoRA does so, it was trained with too high a learning rate: try its earlier checkpoints."
        )
    image.info[RENDERED_BY] = _infotext(info, first)
    return image


def _info(reply: Any) -> tuple[Mapping[str, Any], int]:
    """What the answer says of itself, and which of its images is the first that is no grid."""
    if isinstance(reply, Mapping) and reply.get("images") == [] and not reply.get("info"):
        raise WebuiError(
            "The WebUI rendered nothing, and does not say why: most likely it has no base model loaded. Choose "
            "one there; if that does not help, look into its console."
        )
    try:
        info = json.loads(reply["info"])
        first = int(info.get("index_of_first_image") or 0)
        if isinstance(reply["images"], list) and first >= 0:
            return info, first
    except (KeyError, TypeError, ValueError, AttributeError):
        pass
    raise PictureError(
        "The WebUI's answer is no picture with what is said of it: it was cut short, or is not A1111's."
    )


def _image(reply: Mapping[str, Any], first: int) -> Image:
    from PIL import Image as Pictures

    images = reply["images"][first:]
    if len(images) != 1:
        raise PictureError(f"The WebUI gave {len(images)} pictures where one was asked for.")
    try:
        content = base64.b64decode(str(images[0]).partition("base64,")[2] or str(images[0]), validate=True)
        image = Pictures.open(io.BytesIO(content))
        image.load()
    except (ValueError, OSError, SyntaxError, Pictures.DecompressionBombError) as error:
        raise PictureError("The WebUI's picture can't be read: it was cut short.") from error
    if image.format != "PNG":
        raise WebuiError(
            f"The WebUI gives {image.format} instead of PNG: such pictures are not exact. Set its option "
            "samples_format to png."
        )
    return image.convert("RGB")


def _said(info: Mapping[str, Any], first: int) -> dict[str, str]:
    """Everything said about the picture, by its name in infotexts."""
    extra = info.get("extra_generation_params")
    said = {str(name): str(value) for name, value in extra.items()} if isinstance(extra, Mapping) else {}
    return {**said, **parse_infotext(_infotext(info, first)).parameters}


def _infotext(info: Mapping[str, Any], first: int) -> str:
    texts = info.get("infotexts")
    return str(texts[min(first, len(texts) - 1)]) if isinstance(texts, list) and texts else ""


def _check_picture(
    image: Image, info: Mapping[str, Any], said: Mapping[str, str], asked: Asked, webui: Webui
) -> None:
    """That it is the picture asked for in all but model and LoRA."""
    picture = asked.picture
    wanted = {
        "size": (f"{picture.width_px}x{picture.height_px}", "{}x{}".format(*image.size)),
        "seed": (str(picture.seed), str((info.get("all_seeds") or [info.get("seed")])[0])),
        "steps": (str(picture.steps), said.get("Steps", str(picture.steps))),
    }
    for what, (asked_for, got) in wanted.items():
        if asked_for != got:
            raise WebuiError(
                f"The WebUI rendered with {what} {got} instead of {asked_for}. An extension may change it: "
                "switch that off in the WebUI."
            )
    sampler = said.get("Sampler") or str(info.get("sampler_name") or "")
    with_scheduler = f"{asked.sampler} {asked.scheduler}"
    if not any(webui.same_sampler(sampler, one) for one in (asked.sampler, with_scheduler)):
        raise WebuiError(f"The WebUI rendered with the sampler {sampler!r} instead of {asked.sampler!r}.")
    scheduler = said.get("Schedule type", asked.scheduler)
    if asked.scheduler and squeezed(scheduler) != squeezed(asked.scheduler):
        raise WebuiError(f"The WebUI rendered with the scheduler {scheduler!r} instead of {asked.scheduler!r}.")
    skip = next((said[name] for name in CLIP_SKIPS if name in said), "1")
    if asked.clip_skip_set and skip != str(picture.clip_skip):
        raise WebuiError(f"The WebUI rendered with clip skip {skip} instead of {picture.clip_skip}.")
    guidance = said.get("CFG scale", f"{picture.guidance:g}")
    if _number(guidance) != _number(f"{picture.guidance:g}"):
        raise WebuiError(f"The WebUI rendered with CFG scale {guidance} instead of {picture.guidance:g}.")


def _check_model(info: Mapping[str, Any], said: Mapping[str, str], asked: Asked) -> None:
    """By the hash where it tells one; by the name only where the listed model surely was the wanted file."""
    hash_ = str(info.get("sd_model_hash") or said.get("Model hash") or "").lower()
    name = str(info.get("sd_model_name") or said.get("Model") or "")
    wanted = asked.picture.base[:SHORT_HASH].lower()
    right = hash_[:SHORT_HASH] == wanted if hash_ else asked.model.surely and name in asked.model.names
    if not right:
        raise WebuiError(
            f"The WebUI rendered with the model {name or 'that it does not name'} [{hash_ or 'no hash'}] instead "
            f"of {asked.model.title} [{wanted}]. Choose that one in the WebUI once and look into its console: it "
            "may be unable to load it."
        )


def _check_lora(said: Mapping[str, str], asked: Asked) -> None:
    """That the LoRA is the only one named among those applied, under a hash of its file where one is told."""
    hashes = _applied(said)
    others = sorted(name for name in hashes if name != asked.lora)
    if others:
        raise WebuiError(
            f"The WebUI applied LoRAs that nobody asked for here: {', '.join(others)}. Take them out of its "
            "settings, styles and extensions."
        )
    if not asked.lora:
        return
    if asked.lora not in hashes:
        raise PictureError(
            f"The WebUI did not apply {asked.checkpoint}, without saying so; its console may say why. If it does "
            "so with every LoRA: it must not be started with --no-hashing, and its extension Lora has to be on."
        )
    hash_ = hashes[asked.lora]
    if hash_ and not any(each.startswith(hash_) for each in asked.lora_hashes):
        raise PictureError(
            f"The WebUI applied another file than {asked.checkpoint} ([{hash_}]): somebody has replaced it in its "
            "LoRA folder. Make the previews again."
        )


def _applied(said: Mapping[str, str]) -> dict[str, str]:
    """The LoRAs that were applied, and the hash of each; "" = not told."""
    pairs = [part.partition(":")[::2] for part in _parts(said.get(LORA_HASHES, ""))]
    names, hashes = _parts(said.get(NAMES_APART, "")), _parts(said.get(HASHES_APART, ""))
    pairs += zip(names, hashes if len(hashes) == len(names) else [""] * len(names), strict=True)
    return {name.strip(): hash_.strip().lower() for name, hash_ in pairs}


def _parts(listed: str) -> list[str]:
    return [part.strip() for part in listed.strip('"').split(",") if part.strip()]


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _is_flat(image: Image) -> bool:
    return all(low == high for low, high in image.getextrema())  # type: ignore[misc]


def _whose(asked: Asked) -> str:
    if not asked.checkpoint:
        return f"The picture of the base model (seed {asked.picture.seed})"
    return f"The picture of {asked.checkpoint} at weight {asked.picture.weight:g} (seed {asked.picture.seed})"
