from typing import get_args

from sd_contract.events import Event, EventLog, PhaseStarted, StepDone, Tail, Warned, from_line, to_line


def test_every_event_reads_back_as_it_was_written():
    examples = [StepDone(step=1, total_steps=2, loss=0.5), PhaseStarted("кэш"), Warned('a "quote"\nand a line')]

    assert [from_line(to_line(event)) for event in examples] == examples
    assert len(get_args(Event)) == 8


def test_an_event_of_a_newer_version_is_skipped():
    assert from_line('{"type": "Teleported", "to": 1}') is None
    assert from_line('{"type": "Warned", "message": "x", "colour": 3}') == Warned("x")
    assert from_line('{"type": "Warned"') is None


def test_a_half_written_last_line_waits_for_its_newline(tmp_path):
    log, tail = EventLog(tmp_path / "events.jsonl"), Tail(tmp_path / "events.jsonl")
    log.emit(Warned("one"))
    whole = to_line(Warned("two"))
    with (tmp_path / "events.jsonl").open("a", encoding="utf-8") as file:
        file.write(whole[:10])

    assert list(tail.events()) == [Warned("one")]
    with (tmp_path / "events.jsonl").open("a", encoding="utf-8") as file:
        file.write(whole[10:] + "\n")
    assert list(tail.events()) == [Warned("two")]
    log.close()


def test_a_file_that_is_not_there_yet_has_no_events(tmp_path):
    assert list(Tail(tmp_path / "none").events()) == []
