"""A run's record as it is when it is queued."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from train_tools.model.grid import Run, RunSpec
from train_tools.model.provenance import Descent, Origin, Provenance
from train_tools.runs.record import RunRecord

OPTIONS = {
    "pretrained_model_name_or_path": "/models/it's [v1].safetensors",
    "network_dim": 8,
    "network_alpha": 8.0,
    "learning_rate": 1e-06,
    "text_encoder_lr": (5e-05, 0.1 + 0.2),
    "optimizer_args": (),
    "shuffle_caption": True,
    "training_comment": 'кот 猫 🐈 "quoted" \\ back\n[table]',
}

MADE_WITH = Provenance(
    train_tools="0.1.0",
    python="3.11.7",
    engine_commit="c" * 40,
    engine_sha256="e" * 64,
    packages={"torch": "2.13.0+cpu", "numpy": "2.4.6"},
)
ORIGIN = Origin(how=Descent.CLONE, run="base-net-4-89abcdef")


def record(name: str = "base-net-8-0123abcd", dataset: str = "d" * 64, **facts: Any) -> RunRecord:
    spec = RunSpec(
        options={key: value for key, value in OPTIONS.items() if key not in ("training_comment",)},
        dataset=dataset,
        base_model="b" * 64,
        engine="bundled",
        contract=1,
    )
    run = Run(name=name, spec=spec, varied={"network_dim": 8, "learning_rate": 1e-06}, options=OPTIONS)
    made = RunRecord(
        run=run,
        grid="grid-001",
        steps=120,
        work=1.5e12,
        created=datetime(2026, 1, 31, 12, tzinfo=UTC),
        made_with=MADE_WITH,
        dataset_files=f"dataset/manifests/{dataset[:12]}.json",
        origin=ORIGIN,
    )
    return replace(made, **facts)
