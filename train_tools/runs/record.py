"""run.toml: what a run is, written once before it is queued and never changed. The evidence that outlives the
queue file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from train_tools.errors import StorageError
from train_tools.files import read_toml, storage_error, write_toml
from train_tools.model.grid import Run, RunSpec
from train_tools.model.paths import RunPaths
from train_tools.model.provenance import Descent, Origin, Provenance
from train_tools.options.secrets import without_secrets

FORMAT = 2


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """A run with what was decided around it: its grid, its length, its size for time estimates."""

    run: Run
    grid: str
    steps: int
    work: float
    """Batch size x pixels x bytes of the base model: what a step's time is roughly proportional to."""
    created: datetime
    made_with: Provenance | None = None
    """None in records of format 1."""
    dataset_files: str = ""
    """The list of the dataset's files, relative to the version's folder; "" in records of format 1."""
    origin: Origin | None = None
    """The run that this one came of."""

    @property
    def label(self) -> str:
        """What makes the run differ from its neighbours, for people."""
        return f"{self.run.label}{self.origin.label if self.origin else ''}"


def write_record(paths: RunPaths, record: RunRecord) -> None:
    """Makes the run's folder with its record. One of the same run that is there already stays as it is."""
    if _is_of_the_same_run(paths, record):
        return
    try:
        paths.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(paths.folder, error) from error
    spec = record.run.spec
    write_toml(
        paths.record,
        {
            "format": FORMAT,
            "name": record.run.name,
            "fingerprint": spec.fingerprint,
            "grid": record.grid,
            "created": record.created,
            "engine": spec.engine,
            "contract": spec.contract,
            **({"seed": spec.options["seed"]} if "seed" in spec.options else {}),
            "steps": record.steps,
            "work": record.work,
            "base_model": {"sha256": spec.base_model},
            "dataset": {"sha256": spec.dataset, "files": record.dataset_files},
            **({"origin": asdict(record.origin)} if record.origin else {}),
            **({"made_with": asdict(record.made_with)} if record.made_with else {}),
            "varied": _plain(record.run.varied),
            "identity": _plain(spec.options),
            "options": _plain(record.run.options),
        },
    )


def read_record(paths: RunPaths) -> RunRecord:
    """The record in a run's folder. Raises StorageError when it is missing, damaged or newer."""
    table = read_toml(paths.record)
    try:
        if table["format"] > FORMAT:
            raise StorageError(
                f"{paths.record} was written by a newer Train Tools; use that one to open this run."
            )
        spec = RunSpec(
            options=_tuples(table["identity"]),
            dataset=table["dataset"]["sha256"],
            base_model=table["base_model"]["sha256"],
            engine=table["engine"],
            contract=table["contract"],
        )
        run = Run(
            name=paths.folder.name, spec=spec, varied=_tuples(table["varied"]), options=_tuples(table["options"])
        )
        return RunRecord(
            run=run,
            grid=table["grid"],
            steps=table["steps"],
            work=table["work"],
            created=table["created"],
            made_with=Provenance(**table["made_with"]) if "made_with" in table else None,
            dataset_files=table["dataset"].get("files", ""),
            origin=_origin(table["origin"]) if "origin" in table else None,
        )
    except KeyError as error:
        raise StorageError(f"{paths.record} is not a whole run record: {error} is missing.") from error
    except StorageError:
        raise
    except (TypeError, AttributeError, ValueError) as error:
        raise StorageError(f"{paths.record} is not a whole run record: {error}.") from error


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _is_of_the_same_run(paths: RunPaths, record: RunRecord) -> bool:
    try:
        return read_record(paths).run.spec.fingerprint == record.run.spec.fingerprint
    except StorageError:
        return False


def _origin(table: Mapping[str, Any]) -> Origin:
    return Origin(**{**table, "how": Descent(table["how"])})


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in without_secrets(values).items()
        if value is not None
    }


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
