"""A run of several stages, read and checked without torch: which stages it has, which of them are done."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lora_engine.job import Job, Part, read_material, sample_prompts
from lora_engine.prospects import refuse_unwritable_name, replaced_files
from lora_engine.resumed import ResumedState, changed_options, chosen_seed
from sd_contract.curves import CurveFiles
from sd_contract.errors import StateError
from sd_contract.modes import in_mode
from sd_contract.options import Settings, read_settings
from sd_contract.options.groups import MULTI_STAGE
from sd_contract.output.states import verify_state
from sd_contract.stages import Division, Stage, Stages, stages_of
from sd_contract.suitability import idle_options


@dataclass(frozen=True, kw_only=True)
class StagedJob:
    """Everything that decides a run of several stages. `jobs` are those of all stages; the first `done` of them an
    earlier attempt has finished."""

    settings: Settings
    seed: int
    output_folder: Path
    division: Division
    jobs: tuple[Job, ...]
    done: int
    total_steps: int
    warnings: tuple[str, ...]
    session_id: int
    started_at: float
    resumed: ResumedState | None = None

    def steps_before(self, number: int) -> int:
        """Steps that the stages before that one have."""
        return sum(job.plan.total_steps for job in self.jobs[:number])


def read_staged_job(arguments: Sequence[str]) -> StagedJob:
    """The run that a command line describes, of any family. Looks and raises as `read_job` does; after the base
    model come the concepts."""
    settings = in_mode(read_settings(arguments), (MULTI_STAGE,))
    material = read_material(settings)
    found = stages_of(settings, material.datasets, material.validation)
    resumed = _resumed(settings)
    manifest = resumed.manifest if resumed else None
    seed = chosen_seed(settings, resumed)
    session_id = manifest.session_id if manifest else secrets.randbits(32)
    started_at = manifest.started_at if manifest else time.time()
    prompts = sample_prompts(settings, material.base)
    own = manifest.checkpoints if manifest else ()
    warnings = [*material.warnings]
    for stage in found.stages:
        refuse_unwritable_name(material.output_folder, stage.settings)
        warnings += replaced_files(material.output_folder, stage.settings, stage.plan, own)
    validates = bool(material.validation)
    warnings += idle_options(settings, steps=found.total_steps, epochs=found.epochs, validates=validates)
    warnings += changed_options(settings, manifest) if manifest else ()
    return StagedJob(
        settings=settings,
        seed=seed,
        output_folder=material.output_folder,
        division=found.division,
        jobs=tuple(
            Job(
                settings=stage.settings,
                seed=seed + stage.number,
                output_folder=material.output_folder,
                datasets=stage.datasets,
                validation=stage.validation,
                base=material.base,
                plan=stage.plan,
                warnings=(),
                sample_prompts=prompts,
                curves=_curves_of(stage, material.curves),
                part=Part(
                    name=stage.name,
                    stages=len(found.stages),
                    keywords=stage.keywords,
                    session_id=session_id,
                    started_at=started_at,
                ),
            )
            for stage in found.stages
        ),
        done=_stages_done(found, resumed),
        total_steps=found.total_steps,
        warnings=tuple(warnings),
        session_id=session_id,
        started_at=started_at,
        resumed=resumed,
    )


def _resumed(settings: Settings) -> ResumedState | None:
    """The state that `resume` names. StateError when it is damaged, or of a run of one stage."""
    if not settings.state.resume:
        return None
    folder = Path(settings.state.resume)
    manifest = verify_state(folder)
    if manifest.options.get("mode") != MULTI_STAGE:
        raise StateError(f"state {folder} is of another kind of training. Go on with the script it was made by.")
    return ResumedState(folder, manifest)


def _stages_done(found: Stages, resumed: ResumedState | None) -> int:
    if resumed is None:
        return 0
    step = resumed.manifest.step
    ends = [found.steps_before(number) for number in range(1, len(found.stages) + 1)]
    if step == ends[-1]:
        raise StateError(f"state {resumed.folder} is that of the end: nothing is left to train.")
    if step not in ends:
        raise StateError(
            f"state {resumed.folder} is at step {step}, where no stage ends now: images, captions or options are "
            "others than they were. Put them back, or begin anew."
        )
    return ends.index(step) + 1


def _curves_of(stage: Stage, curves: CurveFiles | None) -> CurveFiles | None:
    """A folder for each stage, since each counts its steps from 1."""
    return replace(curves, folder=curves.folder / stage.name) if curves else None
