from __future__ import annotations

from dataclasses import replace

import pytest

from tests.runs.records import MADE_WITH, OPTIONS, record
from train_tools.model.difference import Change
from train_tools.model.paths import AttemptPaths, RunPaths
from train_tools.model.provenance import Gpu, Machine
from train_tools.runs.differences import RunFacts, difference_of, surroundings_changed
from train_tools.runs.machine import write_machine
from train_tools.runs.record import RunRecord, write_record

HERE = Machine(slot="cpu", system="Linux 6.1", architecture="x86_64", processors=8, threads=4, made_with=MADE_WITH)


def with_options(**options: object) -> RunRecord:
    made = record()
    return replace(made, run=replace(made.run, options={**OPTIONS, **options}))


def evidence(record: RunRecord, machine: Machine | None = None) -> RunFacts:
    return RunFacts(record=record, machine=machine)


def told(changes: tuple[Change, ...]) -> list[tuple[str, str, str]]:
    return [(change.what, change.before, change.after) for change in changes]


def test_a_run_does_not_differ_from_itself():
    found = difference_of(evidence(record(), HERE), evidence(record(), HERE))
    assert not any(found.sections.values())
    assert found.notes == ()


def test_options_are_compared_by_value_with_defaults_filled_in():
    changed = with_options(
        network_dim=16, text_encoder_lr=(1e-4,), seed=7, max_train_epochs=None, gradient_accumulation_steps=1
    )
    found = difference_of(evidence(record()), evidence(changed))
    assert told(found.options) == [
        ("network_dim", "8", "16"),
        ("seed", "not set", "7"),
        ("text_encoder_lr", "5e-05 0.30000000000000004", "0.0001"),
    ]


def test_a_default_that_is_not_given_is_told_as_such():
    found = difference_of(evidence(record()), evidence(with_options(train_batch_size=4)))
    assert told(found.options) == [("train_batch_size", "1 (default)", "4")]


def test_an_option_that_nobody_here_knows_is_compared_too():
    found = difference_of(evidence(record()), evidence(with_options(of_another_trainer=3)))
    assert told(found.options) == [("of_another_trainer", "not set", "3")]


def test_a_base_model_counts_by_what_is_in_it():
    moved = with_options(pretrained_model_name_or_path="/elsewhere/x.safetensors")
    assert difference_of(evidence(record()), evidence(moved)).options == ()
    other = replace(moved, run=replace(moved.run, spec=replace(moved.run.spec, base_model="c" * 64)))
    [change] = difference_of(evidence(record()), evidence(other)).options
    assert (change.what, change.after) == (
        "pretrained_model_name_or_path",
        f"/elsewhere/x.safetensors ({'c' * 12})",
    )


def test_code_and_packages_are_compared():
    newer = replace(
        MADE_WITH, python="3.12.1", engine_sha256="f" * 64, packages={"torch": "2.14.0", "xformers": "0.1"}
    )
    found = difference_of(evidence(record()), evidence(record(made_with=newer)))
    assert told(found.code) == [
        ("Python", "3.11.7", "3.12.1"),
        ("trainer's code", f"sha256 {'e' * 12}, commit {'c' * 12}", f"sha256 {'f' * 12}, commit {'c' * 12}"),
    ]
    assert told(found.packages) == [
        ("numpy", "2.4.6", ""),
        ("torch", "2.13.0+cpu", "2.14.0"),
        ("xformers", "", "0.1"),
    ]


def test_a_commit_alone_is_no_change_of_the_code():
    """Commits touch other things too; the hash is of the trainer's own files."""
    later = replace(MADE_WITH, engine_commit="d" * 40)
    assert difference_of(evidence(record()), evidence(record(made_with=later))).code == ()


def test_what_the_newest_attempt_had_outweighs_what_was_there_when_it_was_queued():
    updated = replace(HERE, made_with=replace(MADE_WITH, packages={"torch": "2.14.0"}))
    found = difference_of(evidence(record(), HERE), evidence(record(), updated))
    assert ("torch", "2.13.0+cpu", "2.14.0") in told(found.packages)


def test_machines_are_compared_by_what_may_change_a_result():
    gpu = replace(HERE, slot="GPU-1", threads=1, gpu=Gpu(name="NVIDIA H200", driver="570.1", memory_mib=143771))
    found = difference_of(evidence(record(), HERE), evidence(record(), gpu))
    assert told(found.machine) == [
        ("card", "", "NVIDIA H200"),
        ("device", "cpu", "gpu"),
        ("driver", "", "570.1"),
        ("threads", "4", "1"),
    ]
    same_card = replace(gpu, slot="GPU-2")
    assert difference_of(evidence(record(), gpu), evidence(record(), same_card)).machine == ()


def test_records_of_the_first_format_say_what_is_not_known():
    old = record(made_with=None, dataset="e" * 64)
    found = difference_of(evidence(record()), evidence(old))
    assert (found.code, found.packages) == ((), ())
    assert [note.partition(" is")[0] for note in found.notes] == [
        "what base-net-8-0123abcd was made with",
        "the datasets differ, but which files",
    ]


def test_surroundings_are_compared_with_those_of_now():
    run = evidence(record(), HERE)
    assert surroundings_changed(run, 1, MADE_WITH).surroundings == ()
    now = replace(MADE_WITH, packages={**MADE_WITH.packages, "torch": "2.14.0"})
    assert told(surroundings_changed(run, 2, now).surroundings) == [
        ("contract", "1", "2"),
        ("torch", "2.13.0+cpu", "2.14.0"),
    ]


@pytest.mark.parametrize("attempts", [0, 1, 3])
def test_evidence_is_that_of_the_newest_attempt_that_wrote_some(run: RunPaths, attempts: int):
    write_record(run, record())
    for number in range(1, attempts + 1):
        paths = AttemptPaths.of(run.folder, number)
        paths.folder.mkdir(parents=True)
        if number < 3:
            write_machine(paths, replace(HERE, threads=number))
    found = RunFacts.of(run)
    assert found.record == record()
    assert (found.machine.threads if found.machine else 0) == min(attempts, 2)
