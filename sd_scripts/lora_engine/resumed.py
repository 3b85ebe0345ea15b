"""The state that a job goes on from, read and checked without torch."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from sd_contract.errors import StateError
from sd_contract.options import OPTIONS, Settings
from sd_contract.output.states import StateManifest, verify_state
from sd_contract.steps import StepPlan


@dataclass(frozen=True)
class ResumedState:
    """A verified state that a job goes on from."""

    folder: Path
    manifest: StateManifest


def resumed_state(settings: Settings, plan: StepPlan) -> ResumedState | None:
    """The state that `resume` names. StateError when it is damaged, or when it leaves nothing to train."""
    if not settings.state.resume:
        return None
    folder = Path(settings.state.resume)
    manifest = verify_state(folder)
    if manifest.step >= plan.total_steps:
        raise StateError(
            f"state {folder} is at step {manifest.step}, and the run has {plan.total_steps} steps: nothing is "
            "left to train. Set max_train_steps or max_train_epochs higher."
        )
    return ResumedState(folder, manifest)


def chosen_seed(settings: Settings, resumed: ResumedState | None) -> int:
    """The seed of the settings, else that of the resumed run, else a drawn one."""
    if settings.training.seed is not None:
        return settings.training.seed
    return resumed.manifest.seed if resumed else secrets.randbelow(2**31)


def changed_options(settings: Settings, manifest: StateManifest) -> list[str]:
    """A warning when a run goes on with other options than it began with."""
    now = json.loads(json.dumps(settings.values()))
    decisive = [spec.name for spec in OPTIONS if spec.group not in ("output", "state", "logging")]
    before = {**now, **manifest.options}
    changed = [f"{name} was {before[name]}, is {now[name]}" for name in decisive if before[name] != now[name]]
    return [f"the run goes on with other options than it began with: {'; '.join(changed)}"] if changed else []
