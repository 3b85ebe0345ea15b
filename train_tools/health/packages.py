"""Whether the packages of a trainer's environment work, and were made for the cards and the driver of this
machine. They are imported in processes of that environment, never here."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from train_tools.health.answers import Answer, answer_of
from train_tools.model.device import Device, DeviceKind
from train_tools.model.finding import Finding, Level
from train_tools.options.secrets import without_secrets

PROCESS = Path(__file__).with_name("packages_process.py")
MARK = "train-tools answers: "
TIME_LIMIT_S = 180.0
"""The first import of torch from a slow disk takes minutes."""
NOT_HANDED_ON = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "__PYVENV_LAUNCHER__")
"""Variables by which one Python's packages would leak into another's."""
DRIVER_FOR_CUDA: Mapping[int, int] = {11: 450, 12: 525, 13: 580}
"""The oldest driver that a build for this CUDA runs with (NVIDIA's table of minor version compatibility)."""
NEEDED = ("torch", "accelerate", "safetensors", "transformers")


@dataclass(frozen=True, kw_only=True)
class Environment:
    """The Python of a trainer, and what its folder says is installed."""

    trainer: str
    python: str
    version: str = ""
    packages: Mapping[str, str] = field(default_factory=dict)
    mend: str = "Run `python launch.py setup`: it installs the packages that fit this machine."
    """How its packages are put right."""


def package_findings(
    environment: Environment, devices: Sequence[Device], *, try_cards: bool, time_limit_s: float = TIME_LIMIT_S
) -> Iterator[Finding]:
    """`try_cards`: calculates on the first card as well, which takes some hundred MB of it for a moment."""
    cards = [device for device in devices if device.kind is DeviceKind.CUDA]
    yield _python_finding(environment)
    missing = [name for name in NEEDED if name not in environment.packages]
    if missing:
        yield Finding(
            check="packages",
            level=Level.STOP,
            message=f"Not installed for {environment.trainer}: {', '.join(missing)}.",
            cure=environment.mend,
        )
    if "torch" in environment.packages:
        said = asked(environment, "torch", try_card=try_cards and bool(cards), time_limit_s=time_limit_s)
        torch = tuple(_torch_findings(environment, said, cards))
        yield from torch
        try_cards = try_cards and all(finding.level is not Level.STOP for finding in torch)
    for name, look in (("bitsandbytes", _bitsandbytes_finding), ("xformers", _xformers_finding)):
        if name in environment.packages:
            said = asked(environment, name, try_card=try_cards and bool(cards), time_limit_s=time_limit_s)
            yield look(environment, said, bool(cards))
        else:
            yield look(environment, None, bool(cards))


def asked(environment: Environment, package: str, *, try_card: bool, time_limit_s: float) -> Mapping[str, Any]:
    """What the package says in its own environment; `problem` where it can't be imported."""
    command = [environment.python, "-B", str(PROCESS), package, *(("card",) if try_card else ())]
    return told_by(answer_of(command, time_limit_s, clean_environment()))


def told_by(answer: Answer) -> Mapping[str, Any]:
    """The JSON in what a process printed, which packages may have printed into as well."""
    marked = [line for line in answer.out.splitlines() if line.startswith(MARK)]
    try:
        said = json.loads(marked[-1].removeprefix(MARK))
        if isinstance(said, dict):
            return said
    except (IndexError, ValueError):
        pass
    words = answer.err.strip().splitlines()
    how = answer.problem or f"ended with code {answer.code}" + (f": {words[-1].strip()}" if words else "")
    return {"problem": f"Its Python {how}"}


def clean_environment() -> dict[str, str]:
    """The variables of this process for one that imports packages: no secrets, nothing of another Python."""
    kept = {name: value for name, value in os.environ.items() if name not in NOT_HANDED_ON}
    return {**without_secrets(kept), "PYTHONUTF8": "1", "HF_HUB_OFFLINE": "1"}


def supports(architectures: Sequence[str], capability: tuple[int, int]) -> bool:
    """Whether a build of PyTorch for these architectures (`sm_86`, `compute_90` ...) runs on a card: code runs on
    cards of its generation that are not older, an intermediate form (`compute_`) on all newer ones, and what ends
    in `a` on exactly that one."""
    return any(_fits(architecture, capability) for architecture in architectures)


def _fits(architecture: str, capability: tuple[int, int]) -> bool:
    said = re.fullmatch(r"(sm|compute)_(\d+)(\d)([af]?)", architecture)
    if not said:
        return False
    made_for = (int(said[2]), int(said[3]))
    if said[4] == "a":
        return made_for == capability
    return made_for <= capability and (said[1] == "compute" or made_for[0] == capability[0])


def _python_finding(environment: Environment) -> Finding:
    packages = ", ".join(f"{name} {version}" for name, version in environment.packages.items())
    return Finding(
        check="python",
        level=Level.OK,
        message=f"Python {environment.version or 'of unknown version'}: {packages or 'no known packages'}.",
    )


def _torch_findings(
    environment: Environment, said: Mapping[str, Any], cards: Sequence[Device]
) -> Iterator[Finding]:
    if "version" not in said:
        yield _torch(Level.STOP, f"PyTorch does not work: {said.get('problem', '')}.", environment.mend)
        return
    build = (
        f"CUDA {said['cuda']}" if said["cuda"] else f"ROCm {said['hip']}" if said["hip"] else "processors alone"
    )
    name = f"PyTorch {said['version']}, made for {build}"
    if not cards:
        yield _torch(Level.OK, f"{name}.")
        return
    problems = tuple(_build_problems(environment, name, said, cards))
    yield from problems
    if not problems:
        tried = ", and was tried on the first card" if said.get("tried") else ""
        yield _torch(Level.OK, f"{name}: it fits the card and its driver{tried}.")


def _build_problems(
    environment: Environment, name: str, said: Mapping[str, Any], cards: Sequence[Device]
) -> Iterator[Finding]:
    if not said["cuda"]:
        yield _torch(
            Level.STOP, f"{name}, can't use the {cards[0].name}: trainings would be slow.", environment.mend
        )
        return
    wanted = DRIVER_FOR_CUDA.get(int(said["cuda"].partition(".")[0]), 0)
    drivers = [int(card.driver.partition(".")[0]) for card in cards if card.driver[:1].isdecimal()]
    if drivers and min(drivers) < wanted:
        yield _torch(
            Level.STOP,
            f"{name}, needs a driver from {wanted} on; this machine has {cards[0].driver}.",
            f"Install a newer driver and start the computer anew. Or keep it: {environment.mend}",
        )
    for card in cards:
        if card.capability is not None and not supports(said["architectures"], card.capability):
            yield _torch(
                Level.STOP,
                f"{name}, was not made for the {card.name} (sm_{card.capability[0]}{card.capability[1]}): it "
                f"knows {', '.join(said['architectures'])}.",
                environment.mend,
            )


def _torch(level: Level, message: str, cure: str = "") -> Finding:
    return Finding(check="torch", level=level, message=message, cure=cure)


def _bitsandbytes_finding(environment: Environment, said: Mapping[str, Any] | None, cards: bool) -> Finding:
    if not cards:
        return _optional("bitsandbytes", Level.OK, "8-bit optimizers need an NVIDIA card; there is none.")
    if said is None:
        return _optional(
            "bitsandbytes",
            Level.WARNING,
            "bitsandbytes is not installed: there are no 8-bit optimizers.",
            f"{environment.mend} Or train with optimizer_type=AdamW.",
        )
    return _told(environment, "bitsandbytes", said, "Or train with optimizer_type=AdamW, which needs more memory.")


def _xformers_finding(environment: Environment, said: Mapping[str, Any] | None, cards: bool) -> Finding:
    if said is None or not cards:
        return _optional("xformers", Level.OK, "xformers is not used: PyTorch's own attention (sdpa) is as fast.")
    return _told(environment, "xformers", said, "Or use PyTorch's own attention: leave the option xformers out.")


def _told(environment: Environment, name: str, said: Mapping[str, Any], way_round: str) -> Finding:
    if "version" not in said or said.get("tried") is False:
        problem = said.get("problem") or "it calculates wrongly on the first card"
        return _optional(
            name, Level.WARNING, f"{name} does not work: {problem}.", f"{environment.mend} {way_round}"
        )
    tried = "works on the first card" if said.get("tried") else "can be imported; it was not tried on a card"
    return _optional(name, Level.OK, f"{name} {said['version']} {tried}.")


def _optional(check: str, level: Level, message: str, cure: str = "") -> Finding:
    return Finding(check=check, level=level, message=message, cure=cure)
