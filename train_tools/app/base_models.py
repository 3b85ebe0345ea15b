"""Base models: which there are, how captions for them should read, and what of that a version takes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from train_tools.app.configs import BASE_MODEL, change_of
from train_tools.app.versions import Versions
from train_tools.base_models.catalogue import Catalogue, Check
from train_tools.base_models.folders import searched_folders
from train_tools.base_models.styles import Styles, suggestions
from train_tools.configs.foreign.lora_file import ToldBase
from train_tools.errors import BaseModelNotUsableError, NotFoundError, TrainToolsError
from train_tools.model.base_model import BaseModelFile, BaseModelList, CaptionStyle, Suggestions
from train_tools.model.config import ConfigChange
from train_tools.model.paths import OutputsPaths


class BaseModels:
    """`check` raises an error in words for a file that the trainer can't use; `named`: the folders looked into."""

    def __init__(
        self,
        outputs: OutputsPaths,
        versions: Versions,
        check: Check,
        named: Callable[[], Iterable[str]],
    ) -> None:
        self._outputs = outputs
        self._versions = versions
        self._named = named
        self._styles = Styles(outputs.base_model_styles)
        self._catalogue = Catalogue(check, self._styles, outputs.cache)
        self._writing = threading.Lock()

    def all(self, *, anew: bool = False) -> BaseModelList:
        """All base models of the folders in the settings, and of one's own; `anew` reads every file again."""
        if anew:
            self._catalogue.forget()
        return self._catalogue.all(self._named(), self._outputs.base_models)

    @property
    def folders(self) -> tuple[Path, ...]:
        """Where base models are looked for."""
        found, _ = searched_folders(self._named(), self._outputs.base_models)
        return tuple(found)

    def find(self, name: str, *, with_hash: bool = False) -> BaseModelFile:
        """The base model at a path, or the one in the folders that is called so. Raises NotFoundError."""
        path = Path(name).expanduser()
        if path.is_absolute() or path.exists():
            return self._catalogue.one(path, with_hash=with_hash)
        listed = self.all()
        called = [model for model in listed.models if name in (model.path.name, model.path.stem)]
        if len(called) == 1:
            return self._catalogue.one(called[0].path, with_hash=with_hash)
        if called:
            places = ", ".join(str(model.path) for model in called)
            raise NotFoundError(f"There are several base models {name!r}: {places}. Give the path of one.")
        looked = ", ".join(map(str, listed.folders)) or "none are set"
        raise NotFoundError(
            f"There is no base model {name!r} in the folders that are looked through: {looked}. Give a path, or "
            "set the folders with `train-tools settings models.folders=DIR`."
        )

    def family_of(self, path: str) -> str:
        """`sd1`, `sd2`, `sdxl`; empty where nothing can be told."""
        try:
            return self._catalogue.one(Path(path)).family
        except TrainToolsError:
            return ""

    def set_style(self, name: str, style: CaptionStyle | None) -> BaseModelFile:
        """Keeps how captions for a model read; None goes back to the guess."""
        model = self._known(name)
        with self._writing:
            self._styles.set(model, style)
        return self._catalogue.one(model.path)

    def suggestions(self, name: str, trigger_words: int = 1) -> Suggestions:
        """What suits a base model. Raises BaseModelNotUsableError for one that holds nothing we know."""
        return suggestions(self._known(name), trigger_words)

    def choose(self, project: str, version: str, name: str, trigger_words: int = 1) -> ConfigChange:
        """Makes a base model the version's, with what suits it in options and previews."""
        model = self._known(name)
        if model.problem:
            raise BaseModelNotUsableError(model.problem)
        suited = {each.option: each.value for each in suggestions(model, trigger_words).options}
        values = {BASE_MODEL: str(model.path), **suited}
        stored = self._versions.settings(project, version)
        changed = replace(
            stored,
            options={**stored.options, **values},
            axes={axis: several for axis, several in stored.axes.items() if axis not in values},
            previews=replace(stored.previews, clip_skip=suited.get("clip_skip", 1)),
        )
        self._versions.save_settings(project, version, changed)
        return change_of(stored, changed)

    def meant_by(self, told: ToldBase) -> Path | None:
        """The base model here that a LoRA file tells of: the same content or, where it tells no sha256, the same
        short hash and name. Many models share a short hash, because they share a text encoder."""
        for model in self.all().models:
            if told.sha256 and told.sha256 == self._sha256(model, told):
                return model.path
            if not told.sha256 and (model.short_hash, model.path.name) == (told.short_hash, told.name):
                return model.path
        return None

    def _sha256(self, model: BaseModelFile, told: ToldBase) -> str:
        """Known already, or worth working out because the short hash is the same."""
        if model.sha256 or not model.short_hash or model.short_hash != told.short_hash:
            return model.sha256
        return self._catalogue.one(model.path, with_hash=True).sha256

    def _known(self, name: str) -> BaseModelFile:
        model = self.find(name)
        if model.style is None:
            raise BaseModelNotUsableError(model.problem or f"{model.path} is of no family that is known here.")
        return model
