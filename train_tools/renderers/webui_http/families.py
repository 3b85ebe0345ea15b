"""What a WebUI is and has, as far as rendering needs to know it. They differ in what they call things, not in how
they are asked."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from sd_contract.tensors.tensor_files import file_sha256
from train_tools.errors import OptionValueError
from train_tools.previews.matrix import BaseModelFile
from train_tools.previews.samplers import SAMPLERS
from train_tools.renderers.webui_http.client import API, Client, FailedError, WebuiError

TASK_PROGRESS = "/internal/progress"


class Family(StrEnum):
    A1111 = "A1111"
    REFORGE = "reForge"
    FORGE = "Forge"
    CLASSIC = "Forge Classic"
    NEO = "Forge Neo"
    SDNEXT = "SD.Next"


LOSES_ITS_MODEL = (Family.A1111, Family.REFORGE)
"""Once their model was unloaded they don't bring it back by themselves."""
STAYS_BROKEN = (Family.SDNEXT,)
"""A LoRA that fails half-way leaves their model without weights, until it is unloaded."""


@dataclass(frozen=True, kw_only=True)
class Webui:
    """A WebUI as it answered."""

    family: Family
    version: str
    samplers: tuple[frozenset[str], ...]
    """All names of each, as they are compared; see `squeezed`."""
    names: Mapping[str, str]
    """What each of these is called in requests."""
    schedulers: Mapping[str, str]
    """The same for schedulers; empty where samplers have them in their names."""
    options: Mapping[str, Any]
    """What may be set for one picture, and what it is set to."""
    lora_folder: Path | None
    """Where it says its LoRAs are."""
    command_line: tuple[str, ...]

    @property
    def has_tasks(self) -> bool:
        """Whether it tells how far our own picture is, and not only whatever it works on."""
        return self.family is not Family.SDNEXT

    @property
    def asks_clip_skip(self) -> bool:
        """Whether clip skip is a field of the request; the option of that name then does nothing."""
        return self.family is Family.SDNEXT

    @property
    def own_format(self) -> str:
        """The format of its pictures that can't be chosen for one picture; "" = it can."""
        return str(self.options.get("samples_format", "")) if self.family is Family.SDNEXT else ""

    @property
    def leaves_traces(self) -> bool:
        """Whether pictures carry traces of the LoRAs before them whatever it is told, as SD.Next's of 2025 did."""
        return self.family is Family.SDNEXT and "lora_fuse_native" not in self.options

    def sampler(self, wanted: str, scheduler: str = "") -> tuple[str, str]:
        """The sampler's name in requests and its scheduler's ("" = its own). Raises OptionValueError."""
        label = squeezed(_label(wanted) + scheduler)
        if name := self.names.get(label):
            return name, ""
        for each, called in self.schedulers.items():
            if label.endswith(each) and (name := self.names.get(label.removesuffix(each))):
                return name, called
        there = ", ".join(sorted(set(self.names.values())))
        known = f" and the schedulers {', '.join(dict.fromkeys(self.schedulers.values()))}" if scheduler else ""
        what = f"{_label(wanted)} {scheduler}".strip()
        raise OptionValueError(f"The WebUI has no sampler {what!r}. It has: {there}{known}.")

    def same_sampler(self, one: str, other: str) -> bool:
        """Whether two names are of one sampler."""
        pair = {squeezed(one), squeezed(other)}
        return len(pair) == 1 or any(pair <= names for names in self.samplers)


@dataclass(frozen=True, kw_only=True)
class ListedModel:
    """A base model as the WebUI lists it."""

    title: str
    names: frozenset[str]
    """What its pictures may say they were rendered with."""
    surely: bool
    """It is the wanted file; else only its name is the same, and the first picture will tell."""


def look_at(client: Client) -> Webui:
    """Asks the WebUI for everything. Raises WebuiError in words when it can't be rendered with."""
    samplers = _list(client.found(f"{API}/samplers"))
    if not samplers:
        raise WebuiError(_without_api(client))
    about = client.found("/internal/sysinfo")
    about = about if isinstance(about, Mapping) else {}
    schedulers = client.found(f"{API}/schedulers")
    version = str(about.get("Version", ""))
    family = _family(client, version, schedulers)
    line = _words(about.get("Commandline"))
    options = _options(client)
    known = [frozenset(squeezed(each) for each in (one["name"], *_list(one.get("aliases")))) for one in samplers]
    return Webui(
        family=family,
        version=version,
        samplers=tuple(known),
        names=_names(samplers),
        schedulers={} if family is Family.SDNEXT else _schedulers(schedulers),
        options=options,
        lora_folder=_lora_folder(about, line) or _lora_folder_in(options, client),
        command_line=line,
    )


def listed_model(client: Client, base: BaseModelFile) -> ListedModel:
    """The base model among those of the WebUI: by its real path, its hash, its content, at last its name. Raises
    WebuiError when it is not there."""
    for look in ("as it is", "again"):
        models = _list(client.get(f"{API}/sd-models"))
        found = _same_file(models, base) or _same_name(models, base)
        if found is not None:
            return found
        if look == "as it is":
            client.post(f"{API}/refresh-checkpoints")
    raise WebuiError(
        f"The WebUI does not list the base model {base.path}. Put it, or a link to it, into its folder "
        f"models/Stable-diffusion; it lists {len(models)} others."
    )


def lists_lora(client: Client, name: str) -> bool:
    """Whether the WebUI sees a file of that name when it looks. Raises WebuiError when it has no LoRAs at all."""
    try:
        client.post(f"{API}/refresh-loras")
        listed = client.get(f"{API}/loras")
    except FailedError as error:
        raise WebuiError(
            "The WebUI has no LoRAs: its own extension Lora is switched off. Switch it on under Extensions."
        ) from error
    return name in {str(each.get("name")) for each in _list(listed)}


def squeezed(name: str) -> str:
    return re.sub(r"[\s_]+", "", name.lower())


def _label(sampler: str) -> str:
    """As WebUIs call it: dpmpp_2m is DPM++ 2M there, and dpmpp_2m_karras DPM++ 2M Karras."""
    for name in sorted(SAMPLERS, key=len, reverse=True):
        if sampler == name or sampler.startswith(f"{name}_"):
            return f"{SAMPLERS[name]}{sampler.removeprefix(name).replace('_', ' ')}"
    return sampler


def _same_file(models: Sequence[Mapping[str, Any]], base: BaseModelFile) -> ListedModel | None:
    for model in models:
        if str(model.get("sha256") or "").lower() == base.sha256.lower() or _is_it(model.get("filename"), base):
            return _listed(model, surely=True)
    return None


def _same_name(models: Sequence[Mapping[str, Any]], base: BaseModelFile) -> ListedModel | None:
    for model in models:
        unread = not model.get("sha256") and not _path(model.get("filename")).is_file()
        if unread and re.split(r"[/\\]", str(model.get("filename")))[-1] == base.path.name:
            return _listed(model, surely=False)
    return None


def _is_it(filename: object, base: BaseModelFile) -> bool:
    path = _path(filename)
    try:
        if path.samefile(base.path):
            return True
        same_size = path.stat().st_size == base.path.stat().st_size
        return same_size and file_sha256(path) == base.sha256.lower()
    except (OSError, ValueError):
        return False


def _listed(model: Mapping[str, Any], *, surely: bool) -> ListedModel:
    names = {str(model.get("model_name", "")), _path(model.get("filename")).stem, str(model["title"])}
    return ListedModel(title=str(model["title"]), names=frozenset(names - {""}), surely=surely)


def _path(filename: object) -> Path:
    return Path(str(filename or "nowhere"))


def _without_api(client: Client) -> str:
    url = client.door.url
    if client.found("/internal/ping") is not None or client.found("/internal/sysinfo") is not None:
        return (
            f"The WebUI at {url} runs without its API. Start it with --api: a word in COMMANDLINE_ARGS of "
            "webui-user.sh or webui-user.bat."
        )
    return (
        f"What answers at {url} is no WebUI, or one without its API: it has no {API}. Say where it is, "
        "`train-tools settings webui.url=ADDRESS`, and start it with --api."
    )


def _family(client: Client, version: str, schedulers: object) -> Family:
    """By what it has; the version's text only tells relatives apart that are asked alike."""
    if client.found(f"{API}/version") is not None:
        return Family.SDNEXT
    if client.found(f"{API}/sd-modules") is not None:
        return Family.NEO if "neo" in version.lower() else Family.FORGE
    if schedulers is None:
        return Family.CLASSIC
    return Family.REFORGE if version.lower().startswith("f") else Family.A1111


def _names(samplers: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The name for requests by every name; where one's alias is another's name, the name counts."""
    aliases = {squeezed(alias): one["name"] for one in samplers for alias in _list(one.get("aliases"))}
    return {**aliases, **{squeezed(one["name"]): one["name"] for one in samplers}}


def _schedulers(answer: object) -> dict[str, str]:
    """By what people call them; the label is what pictures say."""
    return {
        squeezed(name): str(one["label"])
        for one in _list(answer)
        for name in (one["label"], one["name"], *_list(one.get("aliases")))
    }


def _options(client: Client) -> dict[str, Any]:
    """SD.Next lists only what was changed; what else there is it tells elsewhere."""
    described = client.found(f"{API}/options-info")
    known = described.get("options") if isinstance(described, Mapping) else {}
    defaults = {name: one.get("default") for name, one in (known or {}).items()}
    return {**defaults, **(client.get(f"{API}/options") or {})}


def _lora_folder(about: Mapping[str, Any], line: Sequence[str]) -> Path | None:
    """As it was told on the command line, else below its data."""
    if "--lora-dir" in line[:-1]:
        return Path(line[line.index("--lora-dir") + 1])
    models = line[line.index("--models-dir") + 1] if "--models-dir" in line[:-1] else ""
    data = about.get("Data path")
    if models:
        return Path(models) / "Lora"
    return Path(str(data)) / "models" / "Lora" if data else None


def _lora_folder_in(options: Mapping[str, Any], client: Client) -> Path | None:
    """SD.Next names its folders in its options, from where it was started: a model's path shows where that is."""
    folder, models = (Path(str(options.get(name) or "")) for name in ("lora_dir", "ckpt_dir"))
    if folder.is_absolute() or not folder.name:
        return folder if folder.name else None
    for model in _list(client.found(f"{API}/sd-models")):
        for parent in _path(model.get("filename")).parents:
            if models.name and parent.parts[-len(models.parts) :] == models.parts:
                return parent.parents[len(models.parts) - 1] / folder
    return None


def _words(line: object) -> tuple[str, ...]:
    if isinstance(line, str):
        return tuple(shlex.split(line, posix=False))
    return tuple(str(word) for word in line) if isinstance(line, list) else ()


def _list(answer: object) -> list[Any]:
    return answer if isinstance(answer, list) else []
