"""Renders previews with a WebUI: `python -m train_tools.renderers.webui_process request.json`.

Each checkpoint is put into the WebUI's LoRA folder under a name of its own, rendered, and taken away again.
Pictures are asked for one at a time, and each answer is looked at before it counts (`webui_http/replies.py`).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sd_contract.base_models.base_model import FAMILY_NAMES, inspect
from sd_contract.base_models.model_shapes import Family
from sd_contract.loras.facts import family_of_lora
from sd_contract.tensors.tensor_files import data_sha256, file_sha256, read_header
from train_tools.model.preview import Picture
from train_tools.previews.renderer import RenderRequest
from train_tools.renderers.session import OneByOne, Painter, PictureError, main
from train_tools.renderers.webui_http.client import API, Client, FailedError, WebuiError
from train_tools.renderers.webui_http.families import (
    LOSES_ITS_MODEL,
    STAYS_BROKEN,
    Webui,
    listed_model,
    lists_lora,
    look_at,
)
from train_tools.renderers.webui_http.place import door_to, leases, lora_folder_of, read_place
from train_tools.renderers.webui_http.rendering import Rendering
from train_tools.renderers.webui_http.replies import Asked, picture_in
from train_tools.renderers.webui_http.staging import Staged, Staging
from train_tools.renderers.webui_http.weights import first_overflowed

if TYPE_CHECKING:
    from PIL.Image import Image

    from train_tools.renderers.webui_http.families import ListedModel

NETWORK_TAG = re.compile(r"<(?:lora|lyco|hypernet):[^<>]*>")
"""A user's own networks in a prompt: they would be in every row, the base model's too (S1-56)."""
PROOF_WEIGHT = 8.0
"""At which a LoRA that changes anything at all changes a picture."""
CLIP_SKIP = "CLIP_stop_at_last_layers"
UNFUSED = {"lora_fuse_native": False, "lora_fuse_diffusers": False}
"""SD.Next adds a LoRA to the model's weights and subtracts it again, which leaves traces: without these, a picture
depends on all that were rendered before."""


class WebuiPainter:
    """A WebUI with the base model chosen, and at most one checkpoint in its LoRA folder."""

    def __init__(
        self,
        client: Client,
        webui: Webui,
        model: ListedModel,
        family: Family,
        rendering: Rendering,
        staging: Staging | None,
    ) -> None:
        self._client = client
        self._webui = webui
        self._model = model
        self._family = family
        self._rendering = rendering
        self._staging = staging
        self._checkpoint: Path | None = None
        self._staged: Staged | None = None
        self._hashes: frozenset[str] = frozenset()
        self._works = False
        """Whether the checkpoint was seen to change a picture."""
        self._base_pictures: dict[str, bytes] = {}

    def use(self, checkpoint: Path | None) -> None:
        if self._staging and self._staged:
            self._staging.unstage(self._staged)
        self._checkpoint, self._staged, self._works = checkpoint, None, False
        if checkpoint is None:
            return
        self._check_its_family(checkpoint)
        if overflowed := first_overflowed(checkpoint):
            raise PictureError(
                f"{checkpoint.name} gives no picture: {overflowed} holds what is no number. A LoRA like that was "
                "trained with too high a learning rate; try its earlier checkpoints."
            )
        self._hashes = _hashes_of(checkpoint)
        assert self._staging is not None, "it is there where a checkpoint is wanted"
        self._staged = self._staging.stage(checkpoint, data_sha256(checkpoint))
        self._check_that_it_is_seen(self._staged)

    def _check_its_family(self, checkpoint: Path) -> None:
        """Some WebUIs leave out what does not fit without a word, some fail at it, in some the model then stays
        broken."""
        header = read_header(checkpoint)
        family = family_of_lora(header.shapes, header.metadata)
        if family not in (None, self._family):
            raise PictureError(
                f"{checkpoint.name} is for {FAMILY_NAMES[family]} base models, and this one is "
                f"{FAMILY_NAMES[self._family]}: it was trained for another kind of base model."
            )

    def _check_that_it_is_seen(self, staged: Staged) -> None:
        """A folder that is not the WebUI's, or on another machine, is found out here."""
        if not lists_lora(self._client, staged.name):
            raise WebuiError(
                f"The WebUI does not see what is put into {staged.file.parents[2]}: that is not its LoRA folder, "
                "or it may not read there. Say the right one: `train-tools settings webui.lora_folder=DIR`."
            )

    def paint(self, picture: Picture, stopped: Callable[[], bool]) -> Image | None:
        image = self._painted(picture, stopped)
        if image is None or not (self._staged and picture.weight):
            if image is not None and self._staged is None:
                self._base_pictures[_alone(picture).key] = image.tobytes()
            return image
        if not self._works:
            self._works = self._changes(picture, image, stopped)
            if not self._works and not stopped():
                raise PictureError(
                    f"{self._name} changes nothing, not even at weight {PROOF_WEIGHT:g}: the WebUI lists it as "
                    "applied, and the picture is the base model's. It was trained for another kind of base model, "
                    "or has learnt nothing."
                )
        return None if stopped() and not self._works else image

    @property
    def _name(self) -> str:
        return self._checkpoint.name if self._checkpoint else ""

    def _changes(self, picture: Picture, image: Image, stopped: Callable[[], bool]) -> bool:
        """Whether the checkpoint shows: in this picture, else in one where it acts with all its might."""
        base = self._base_picture(picture, stopped)
        if base is None or image.tobytes() != base:
            return base is not None
        proof = self._painted(replace(picture, weight=PROOF_WEIGHT), stopped)
        return proof is not None and proof.tobytes() != base

    def _base_picture(self, picture: Picture, stopped: Callable[[], bool]) -> bytes | None:
        alone = _alone(picture)
        if alone.key not in self._base_pictures:
            image = self._painted(alone, stopped)
            if image is None:
                return None
            self._base_pictures[alone.key] = image.tobytes()
        return self._base_pictures[alone.key]

    def _painted(self, picture: Picture, stopped: Callable[[], bool]) -> Image | None:
        asked = self._asked(picture)
        try:
            reply = self._rendering.reply_to(self._body(asked), asked.subject, stopped)
        except PictureError:
            if asked.lora and self._webui.family in STAYS_BROKEN:
                self._client.post(f"{API}/unload-checkpoint")
            raise
        return None if reply is None else picture_in(reply, asked, self._webui)

    def _asked(self, picture: Picture) -> Asked:
        if picture.vae:
            raise WebuiError(
                "A WebUI renders with the VAE that is chosen there. Take the VAE out of the preview settings, and "
                "choose it in the WebUI."
            )
        sampler, scheduler = self._webui.sampler(picture.sampler, picture.scheduler)
        shown = self._staged if picture.lora is not None else None
        return Asked(
            picture=picture,
            model=self._model,
            sampler=sampler,
            scheduler=scheduler,
            clip_skip_set=self._webui.asks_clip_skip or CLIP_SKIP in self._webui.options,
            lora=shown.name if shown else "",
            lora_hashes=self._hashes if shown else frozenset(),
            checkpoint=self._name if shown else "",
        )

    def _body(self, asked: Asked) -> dict[str, Any]:
        picture = asked.picture
        tag = f" <lora:{asked.lora}:{picture.weight:.10g}>" if asked.lora else ""
        wanted = {
            "sd_model_checkpoint": asked.model.title,
            CLIP_SKIP: picture.clip_skip,
            "samples_format": "png",
            "lora_add_hashes_to_infotext": True,
            "sd_lora": "None",  # else the settings' LoRA is in every picture, the base model's too
            **UNFUSED,
        }
        scheduler = {"scheduler": asked.scheduler} if asked.scheduler else {}
        clip_skip = {"clip_skip": picture.clip_skip} if self._webui.asks_clip_skip else {}
        return {
            "prompt": NETWORK_TAG.sub("", picture.prompt) + tag,
            "negative_prompt": NETWORK_TAG.sub("", picture.negative_prompt),
            "seed": picture.seed,
            "steps": picture.steps,
            "cfg_scale": picture.guidance,
            "width": picture.width_px,
            "height": picture.height_px,
            "batch_size": 1,
            "n_iter": 1,
            "sampler_name": asked.sampler,
            **scheduler,
            **clip_skip,
            "override_settings": {name: value for name, value in wanted.items() if name in self._webui.options},
            "override_settings_restore_afterwards": True,
            "send_images": True,
            "save_images": False,
            "do_not_save_grid": True,
            "alwayson_scripts": {},
        }


def _alone(picture: Picture) -> Picture:
    return replace(picture, lora=None, weight=0.0)


def _hashes_of(checkpoint: Path) -> frozenset[str]:
    """What WebUIs may call the file: by its metadata, its whole, or its tensors."""
    said = read_header(checkpoint).metadata.get("sshs_model_hash", "")
    return frozenset({said.lower(), file_sha256(checkpoint), data_sha256(checkpoint)} - {""})


def open_painter(request: RenderRequest, folder: Path, leaving: ExitStack) -> Painter:
    """Looks at the WebUI that the attempt's folder names. `leaving` takes away what is put there."""
    family = inspect(request.base.path).family
    settings = read_place(folder)
    client = Client(door_to(settings))
    webui = look_at(client)
    model = listed_model(client, request.base)
    if webui.family in LOSES_ITS_MODEL:
        with suppress(FailedError):
            client.post(f"{API}/reload-checkpoint")
    staging = None
    if any(wanted.checkpoint for wanted in request.wanted):
        staging = Staging(lora_folder_of(settings, webui.lora_folder, client.door), leases())
        leaving.callback(_leave, client, staging)
        staging.open()
    rendering = Rendering(client, webui, settings.timeout_s)
    return OneByOne(WebuiPainter(client, webui, model, family, rendering, staging))


def _leave(client: Client, staging: Staging) -> None:
    """Takes our files away, and lets the WebUI's list forget them."""
    staging.close()
    with suppress(WebuiError):
        client.post(f"{API}/refresh-loras")


def run(arguments: Sequence[str]) -> int:
    with ExitStack() as leaving:
        folder = Path(arguments[0]).absolute().parent if arguments else Path()
        return main(arguments, partial(open_painter, folder=folder, leaving=leaving))


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
