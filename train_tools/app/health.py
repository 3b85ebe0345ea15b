"""What is well with this machine, the trainers and the queue, and what is not: asked in every room, told as
findings."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from sd_contract.base_models.vocabulary import find_vocabulary
from sd_contract.errors import ContractError
from train_tools.app.base_models import BaseModels
from train_tools.app.captioners import Captioners
from train_tools.app.engines import Engines
from train_tools.app.jobs import Jobs
from train_tools.app.settings import Settings
from train_tools.errors import NotFoundError, TrainToolsError
from train_tools.health.cards import card_findings
from train_tools.health.compiling import dynamo_works
from train_tools.health.graphics import devices, holders
from train_tools.health.packages import Environment, package_findings
from train_tools.health.system import Limits, folder_findings, port_finding, problem_of_writing, system_findings
from train_tools.health.webui import running_webuis, webui_findings
from train_tools.jobs.lease import held, noted, others_at_work, service_lease, worker_lease
from train_tools.model.engine import EngineState
from train_tools.model.finding import Finding, Level, Section
from train_tools.model.job import JobState
from train_tools.model.paths import OutputsPaths
from train_tools.model.settings import WebuiSettings
from train_tools.runs.provenance import installed_packages, python_of

PAGE_PORT = 7870
ENOUGH_TO_TRY = 2_000_000_000
"""Bytes of a card that have to be free before something is tried on it: a training beside it must not suffer."""
RECENT = 50

Look = Callable[[], Iterable[Finding]]


class Health:
    """What `train-tools doctor` tells."""

    def __init__(
        self,
        outputs: OutputsPaths,
        state_folder: Path,
        *,
        engines: Engines,
        settings: Settings,
        jobs: Jobs,
        base_models: BaseModels,
        captioners: Captioners,
    ) -> None:
        self._outputs = outputs
        self._state_folder = state_folder
        self._engines = engines
        self._settings = settings
        self._jobs = jobs
        self._base_models = base_models
        self._captioners = captioners

    def findings(self, *, with_foreign_code: bool = False, with_compiling: bool = False) -> tuple[Section, ...]:
        """Everything that can be told. `with_foreign_code`: registered trainers are tried in their environments,
        and packages on the first card; `with_compiling`: torch.compile is tried, which takes a minute."""
        looks = self._looks(with_foreign_code, with_compiling)
        return tuple(_section(title, look) for title, look in looks.items())

    def section(self, title: str, *, with_foreign_code: bool = False) -> Section:
        """One of them alone. Raises NotFoundError."""
        looks = self._looks(with_foreign_code, with_compiling=False)
        if title not in looks:
            raise NotFoundError(f"There is nothing to be looked at called {title!r}, but {', '.join(looks)}.")
        return _section(title, looks[title])

    def _looks(self, with_foreign_code: bool, with_compiling: bool) -> Mapping[str, Look]:
        """What is looked at, by its title, in the order it is told."""
        trainers = {
            f"Trainer {state.name}": partial(self._trainer, state, with_foreign_code, with_compiling)
            for state in self._trainers()
        }
        return {
            "This machine": self._machine,
            "Graphics card": self._cards,
            **trainers,
            "Queue": self._queue,
            "Settings": self._settings_findings,
            "Base models": self._base_model_findings,
            "WebUI": self._webuis,
        }

    def brief(self) -> tuple[Finding, ...]:
        """What a newcomer has to know before the first training, in tenths of a second: one finding each."""
        looks: Mapping[str, Look] = {
            "graphics card": self._cards,
            "base model": self._base_model_findings,
            "disk": partial(folder_findings, self._outputs.folder),
            "captioner": self._captioner_findings,
        }
        told = {check: _gravest(_section(check, look).findings) for check, look in looks.items()}
        return tuple(replace(finding, check=check) for check, finding in told.items())

    def webui(self) -> Section:
        """Whether previews can be rendered with the WebUI of the settings."""
        return _section("WebUI for previews", self._webui_for_previews)

    def _webui_for_previews(self) -> Iterator[Finding]:
        from train_tools.renderers.webui_http.findings import webui_findings as tried

        yield from tried(self._settings.read().webui)

    def compiling(self, engine: str) -> Finding:
        """Whether torch.compile works for a trainer, tried in its environment. Raises NotFoundError."""
        state = next((state for state in self._engines.states() if state.name == engine), None)
        if state is None:
            raise NotFoundError(f"There is no trainer {engine!r} here.")
        return dynamo_works(environment_of(state), self._outputs.cache)

    def environments(self) -> tuple[Environment, ...]:
        """The Python of each trainer, as its folder tells."""
        return tuple(environment_of(state) for state in self._trainers())

    def _trainers(self) -> tuple[EngineState, ...]:
        """Those that can be told; that the others can't be is a finding about the settings."""
        try:
            return self._engines.states()
        except TrainToolsError:
            return ()

    def _machine(self) -> Iterator[Finding]:
        yield from system_findings(Limits())
        yield from folder_findings(self._outputs.folder)
        problem = problem_of_writing(self._state_folder)
        if problem:
            yield Finding(
                check="state folder",
                level=Level.STOP,
                message=f"{self._state_folder} can't be written: {problem}.",
                cure="Check its permissions, or name another folder on a local disk in TRAIN_TOOLS_STATE.",
            )
        yield port_finding(PAGE_PORT, self._served_at())

    def _served_at(self) -> str:
        if not self._outputs.queue.exists():
            return ""
        lease = service_lease(self._jobs.queue.id)
        return (noted(lease) or "an address that it has not said yet") if held(lease) else ""

    def _is_working(self) -> bool:
        """Whether a job of this outputs folder, or of another one of this user, may be on a card."""
        try:
            if not self._outputs.queue.exists():
                return False
            return bool(self._jobs.queue.active()) or others_at_work(self._jobs.queue.id)
        except (TrainToolsError, OSError):
            return True

    def _cards(self) -> Iterator[Finding]:
        yield from card_findings(devices(), holders(), running_webuis(), working=self._is_working())
        slots = self._jobs.slots()
        names = ", ".join(slot.name for slot in slots)
        yield Finding(check="slots", level=Level.OK, message=f"The queue runs {len(slots)} at a time: {names}.")

    def _trainer(self, state: EngineState, with_foreign_code: bool, with_compiling: bool) -> Iterator[Finding]:
        commit = f" at {state.commit[:8]}" if state.commit else ""
        if state.problem:
            yield Finding(check="trainer", level=Level.STOP, message=state.problem)
            return
        yield Finding(check="trainer", level=Level.OK, message=f"{state.folder}{commit}.")
        ours = state.python is None
        if ours or with_foreign_code:
            found = devices()
            try_cards = with_foreign_code and found[0].free_bytes >= ENOUGH_TO_TRY and not self._is_working()
            yield from package_findings(environment_of(state), found, try_cards=try_cards)
        if not ours and with_foreign_code:
            yield self._scripts(state)
        yield _tokenizer(ours)
        if with_compiling and (ours or with_foreign_code):
            yield dynamo_works(environment_of(state), self._outputs.cache)

    def _scripts(self, state: EngineState) -> Finding:
        health = self._engines.check(state.name)
        if health.problem:
            return Finding(
                check="scripts",
                level=Level.STOP,
                message=f"Its scripts can't be imported: {health.problem}",
                cure=environment_of(state).mend,
            )
        names = ", ".join(state.scripts)
        return Finding(check="scripts", level=Level.OK, message=f"{names}: {health.options} options.")

    def _queue(self) -> Iterator[Finding]:
        if not self._outputs.queue.exists():
            yield Finding(check="queue", level=Level.OK, message="Nothing was queued here yet.")
            return
        state = self._jobs.state()
        told = f"{state.active} jobs run, {state.waiting} wait"
        if state.reason or state.paused:
            why = f": {state.reason}" if state.reason else ""
            cure = "`train-tools queue resume` lets it go on." if state.paused else ""
            yield Finding(
                check="queue", level=Level.WARNING, message=f"{told}; the queue is {state.word}{why}.", cure=cure
            )
        else:
            yield Finding(check="queue", level=Level.OK, message=f"{told}.")
        yield from self._worker(state.waiting + state.active)
        ended = self._jobs.queue.jobs(states=(JobState.FAILED, JobState.LOST), limit=RECENT)
        if ended:
            yield Finding(
                check="failed jobs",
                level=Level.OK,
                message=f"{len(ended)} jobs have failed, the newest is job {max(job.id for job in ended)}.",
                cure=f"`train-tools log {max(job.id for job in ended)}` says why.",
            )

    def _worker(self, wanted: int) -> Iterator[Finding]:
        if held(worker_lease(self._jobs.queue.id)):
            yield Finding(check="worker", level=Level.OK, message="A worker works the queue off.")
        elif wanted:
            yield Finding(
                check="worker",
                level=Level.WARNING,
                message="Jobs wait, and nobody works them off.",
                cure="`train-tools serve` does so as long as it runs, `train-tools work` until the queue is done.",
            )

    def _settings_findings(self) -> Iterator[Finding]:
        settings = self._settings.read()
        yield Finding(check="settings", level=Level.OK, message=f"{self._outputs.settings} can be read.")
        self._engines.states()  # raises in words when the file that names them can't be read
        for key in self._settings.unknown:
            yield Finding(
                check="settings",
                level=Level.WARNING,
                message=f"{key} in {self._outputs.settings} means nothing to this version.",
                cure="`train-tools settings` lists what there is; mend the line, or delete it.",
            )
        if settings.copies.folder and not settings.copies.place.is_dir():
            yield Finding(
                check="settings",
                level=Level.WARNING,
                message=f"The folder for copies is not there: {settings.copies.place}.",
                cure="Connect its disk, or name another with `train-tools settings copies.folder=DIR`.",
            )
        webhook = self._settings.webhook
        if webhook.shown:
            yield Finding(check="webhook", level=Level.OK, message=f"News go to {webhook.shown}")

    def _base_model_findings(self) -> Iterator[Finding]:
        listed = self._base_models.all()
        for problem in listed.problems:
            yield Finding(
                check="base models",
                level=Level.WARNING,
                message=f"The folder {problem.folder} of the settings can't be looked through: {problem.reason}.",
                cure="Connect its disk, or name others with `train-tools settings models.folders=DIR`.",
            )
        if listed.models:
            yield Finding(
                check="base models", level=Level.OK, message=f"{len(listed.models)} base models were found."
            )
        else:
            yield Finding(
                check="base models",
                level=Level.WARNING,
                message="No base model was found. The demo has one of its own.",
                cure="Name the WebUI's folder with `train-tools settings models.folders=DIR`, or give a path.",
            )

    def _captioner_findings(self) -> Iterator[Finding]:
        ready = [each.title for each in self._captioners.all() if each.ready and each.models]
        if ready:
            yield Finding(check="captioners", level=Level.OK, message=f"{', '.join(ready)}: ready.")
        else:
            yield Finding(
                check="captioners",
                level=Level.WARNING,
                message="No weights of a tagger or captioner are on this machine.",
                cure="They are fetched once you choose one on the Dataset screen and agree. Or type captions.",
            )

    def _webuis(self) -> Iterator[Finding]:
        settings = self._settings.read()
        named = [Path(folder).expanduser() for folder in settings.models.folders]
        copies = [settings.copies.place] if settings.copies.folder else []
        yield from webui_findings([*named, *copies], running_webuis())
        if settings.webui != WebuiSettings():
            for finding in self._webui_for_previews():
                yield replace(finding, level=Level.WARNING if finding.level is Level.STOP else finding.level)


def _gravest(findings: Sequence[Finding]) -> Finding:
    """The first of the worst."""
    return max(findings, key=lambda finding: list(Level).index(finding.level))


def environment_of(state: EngineState) -> Environment:
    """The Python of a trainer, as its folder tells."""
    if state.python is None:
        return Environment(
            trainer=state.name,
            python=sys.executable,
            version=python_of(None),
            packages=dict(installed_packages()),
        )
    folder = state.python.parent.parent
    return Environment(
        trainer=state.name,
        python=str(state.python),
        version=python_of(folder),
        packages=dict(installed_packages(folder)),
        mend=f"Install what fits this machine with `{state.python} -m pip install`, as the trainer's README says. "
        "Or fetch it anew with an environment of its own: `train-tools engine add NAME --ref REF`.",
    )


def _tokenizer(ours: bool) -> Finding:
    try:
        if ours:
            find_vocabulary()
        else:
            find_vocabulary(carriers=())
    except (ContractError, OSError, ValueError) as error:
        if ours:
            return Finding(check="tokenizer", level=Level.STOP, message=f"No tokenizer: {error}")
        return Finding(
            check="tokenizer",
            level=Level.WARNING,
            message="Its tokenizers are not in the cache of Hugging Face: the first training fetches them.",
            cure="Train something small once with an internet connection, or set tokenizer_cache_dir.",
        )
    return Finding(check="tokenizer", level=Level.OK, message="The tokenizer of CLIP is on this machine.")


def _section(title: str, look: Look) -> Section:
    """What was found; that it can't be found out is a finding as well."""
    found: list[Finding] = []
    try:
        found.extend(look())
    except (TrainToolsError, ContractError, OSError) as error:
        found.append(Finding(check=title.lower(), level=Level.STOP, message=str(error)))
    return Section(title=title, findings=tuple(found))
