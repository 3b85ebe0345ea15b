from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator

import psutil
import pytest

from sd_contract.attempt import Attempt
from tests.jobs import script_job as script_job_module
from tests.jobs.patience import eventually
from tests.jobs.script_job import SLOT, ScriptJob, script_job, script_worker, work
from train_tools.jobs.lease import Lease, held, job_lease, worker_lease
from train_tools.jobs.queue import Queue
from train_tools.jobs.slots import Slot
from train_tools.jobs.supervisor import STAND_BY, read_exit
from train_tools.jobs.tree import bearers
from train_tools.model.job import JobState, NewJob, Stop
from train_tools.model.paths import AttemptPaths, OutputsPaths

WRITE_TITLE = "import os; open('../order', 'a').write(os.environ['SCRIPT'] + ' ')"
STEPS = """
import os, sys, time
from pathlib import Path
from sd_contract.attempt import Attempt, Result, write_result
from sd_contract.events import *
attempt = Attempt.from_environment()
log = EventLog(attempt.events)
log.emit(AttemptStarted())
log.emit(PhaseStarted("loading"))
"""
UNTIL_STOPPED = (
    STEPS
    + """
for step in range(1, 2000):
    log.emit(StepDone(step, 2000, loss=0.5))
    if attempt.stop_requested or Path("enough").exists():
        break
    time.sleep(0.03)
outcome = "done" if Path("enough").exists() else "cancelled"
write_result(attempt, Result(outcome=outcome, step=step, total_steps=2000))
"""
)


@pytest.fixture(autouse=True)
def import_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """What tests can import, their processes can."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))


@pytest.fixture
def start_worker(outputs: OutputsPaths, queue: Queue) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts a worker as a process of its own; whatever is left is ended after the test."""
    workers: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        command = [sys.executable, script_job_module.__file__, str(outputs.folder)]
        workers.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        return workers[-1]

    yield start
    for job in queue.jobs():
        for process in bearers(f"{queue.id}/{job.id}/{job.attempt}"):
            process.kill()
    for worker in workers:
        worker.kill()
        worker.wait()


def states(queue: Queue) -> dict[str, str]:
    return {job.title: job.state.value for job in queue.jobs()}


def supervisor_of(queue: Queue, id_: int) -> psutil.Process:
    """The living supervisor of a job's first attempt, whoever started it: its trainer's parent."""
    return eventually(lambda: bearers(f"{queue.id}/{id_}/1"))[0].parent()


def paths_of(outputs: OutputsPaths, title: str, attempt: int = 1) -> AttemptPaths:
    return AttemptPaths.of(outputs.folder / "jobs" / title, attempt)


def running(queue: Queue, id_: int):
    """The job, once it has done a step."""
    return eventually(lambda: (job := queue.get(id_)).step and job)


def test_jobs_run_in_order_and_one_that_fails_does_not_stop_the_rest(outputs, queue):
    queue.add([script_job("a", WRITE_TITLE), script_job("b", WRITE_TITLE + "; raise SystemExit(7)")])
    queue.add([script_job("c", WRITE_TITLE, follow_up=WRITE_TITLE), script_job("d", WRITE_TITLE)])
    assert work(outputs)
    assert (outputs.folder / "jobs" / "order").read_text() == "a b c after c d "
    assert states(queue) == {"a": "done", "b": "failed", "c": "done", "d": "done", "after c": "done"}
    assert next(job.message for job in queue.jobs() if job.title == "b") == "exit code 7"


def test_an_awkward_title_and_folder_reach_the_job_as_they_are(outputs, queue):
    title = "it's & $HOME `x` [bold] кот 猫 🐈"
    queue.add([script_job(title, WRITE_TITLE)])
    assert work(outputs)
    assert (outputs.folder / "jobs" / "order").read_text() == f"{title} "


@pytest.mark.parametrize("bug", ["prepare", "observe", "judge"])
def test_a_bug_in_a_kind_of_job_fails_that_job_only(outputs, queue, capfd, bug):
    queue.add([script_job("a", STEPS, bug=bug), script_job("b")])
    assert work(outputs)
    assert states(queue) == {"a": "failed", "b": "done"}
    assert queue.get(1).message == f"Internal error: UnforeseenError: in {bug}"
    assert "Traceback" in capfd.readouterr().err


def test_a_bug_in_what_follows_a_job_does_not_undo_the_job(outputs, queue, capfd):
    queue.add([script_job("a", bug="follow_ups"), script_job("b")])
    assert work(outputs)
    assert states(queue) == {"a": "done", "b": "done"}
    assert "could not be queued. Internal error: UnforeseenError: in follow_ups" in queue.get(1).message


@pytest.mark.parametrize("verdict", ["running", "paused", "lost"])
def test_an_end_that_is_none_fails_the_job(outputs, queue, capfd, verdict):
    queue.add([script_job("a", verdict=verdict), script_job("b")])
    assert work(outputs)
    assert states(queue) == {"a": "failed", "b": "done"}
    assert f"can't be judged to be {verdict}" in queue.get(1).message


def test_a_job_of_a_kind_that_nobody_knows_fails_with_the_kinds_there_are(outputs, queue):
    queue.add([NewJob(kind="future", title="a", folder="jobs/a"), script_job("b")])
    assert work(outputs)
    assert states(queue) == {"a": "failed", "b": "done"}
    assert queue.get(1).message == "This version of Train Tools knows no jobs of kind 'future', only script."


def test_a_job_of_an_unknown_kind_that_was_running_fails_as_well(outputs, queue):
    queue.add([NewJob(kind="future", title="a", folder="jobs/a")])
    queue.claim("cpu", "elsewhere")
    assert work(outputs)
    assert states(queue) == {"a": "failed"}


def test_a_command_that_can_not_be_started_is_the_jobs_message(outputs, queue):
    queue.add([script_job("a", command=["/no/such/program", "x"]), script_job("b")])
    assert work(outputs)
    assert states(queue) == {"a": "failed", "b": "done"}
    assert queue.get(1).message.startswith("/no/such/program could not be started: ")


def test_an_attempt_folder_that_is_there_already_is_not_written_into(outputs, queue):
    old = paths_of(outputs, "a")
    old.output.mkdir(parents=True)
    queue.add([script_job("a")])
    assert work(outputs)
    assert states(queue) == {"a": "failed"}
    assert "Could not write 001" in queue.get(1).message
    assert not old.launch.exists()


def test_events_become_the_row(outputs, queue):
    script = STEPS + 'for step in (1, 2, 3): log.emit(StepDone(step, 3, loss=0.5 / step))\nlog.emit(Warned("odd"))'
    queue.add([script_job("a", script)])
    assert work(outputs)
    job = queue.get(1)
    assert (job.state, job.step, job.total_steps, job.loss) == (JobState.DONE, 3, 3, 0.5 / 3)
    assert job.started_at <= job.steps_started_at <= job.finished_at


def test_the_pace_begins_at_the_first_step_that_the_attempt_tells_of(outputs, queue):
    script = STEPS + "for step in (5, 6): log.emit(StepDone(step, 6))"
    queue.add([script_job("a", script)])
    assert work(outputs)
    assert (queue.get(1).first_step, queue.get(1).step) == (5, 6)


def test_two_slots_run_two_jobs_at_a_time(outputs, queue):
    wait_for_the_other = "\n".join(
        (
            "import os, time",
            "from pathlib import Path",
            "Path('../at ' + os.environ['CUDA_VISIBLE_DEVICES']).touch()",
            "while len(list(Path('..').glob('at *'))) < 2: time.sleep(0.01)",
        )
    )
    queue.add([script_job("a", wait_for_the_other), script_job("b", wait_for_the_other)])
    assert work(outputs, slots=[Slot("GPU-1"), Slot("GPU-2")])
    assert states(queue) == {"a": "done", "b": "done"}


def test_a_second_worker_on_one_folder_leaves_it_alone(outputs, queue, keep):
    queue.add([script_job("a")])
    first = keep(Lease.take(worker_lease(queue.id)))
    assert not work(outputs)
    assert states(queue) == {"a": "queued"}
    first.release()
    assert work(outputs)
    assert not held(worker_lease(queue.id))


def test_a_queue_waits_visibly_while_the_disk_is_low_and_goes_on_by_itself(outputs, queue):
    queue.add([script_job("a")])
    worker, said, waited = script_worker(outputs, queue, least_free_bytes=1 << 60), [], []
    worker.say = said.append

    def enough() -> bool:
        if queue.waits:
            waited.append(queue.waits)
            worker.least_free_bytes = 0
        return not queue.waiting()

    worker.run(until=enough)
    assert "MB are free where" in said[0]
    assert waited == [said[0]]
    assert (states(queue), queue.waits) == ({"a": "done"}, "")


def test_a_job_waits_for_a_slot_that_another_folder_uses(outputs, queue, keep, tmp_path):
    queue.add([script_job("a")])
    worker = script_worker(outputs, queue)
    taken = keep(SLOT.take(tmp_path / "other.lock"))
    worker.run(until=lambda: True)
    assert states(queue) == {"a": "queued"}
    taken.release()
    assert work(outputs)


class SlotTaker(ScriptJob):
    """Another folder's job takes the slot between the look at it and the start."""

    def __init__(self, keep: Callable[[Lease | None], Lease], lease: str) -> None:
        self._keep = keep
        self._lease = lease

    def prepare(self, job, folder, attempt):
        self._taken = self._keep(SLOT.take(folder / self._lease))
        return super().prepare(job, folder, attempt)

    def judge(self, *args):
        raise AssertionError("nothing was started, so there is nothing to judge")


def test_losing_a_slot_to_another_folder_is_no_loss(outputs, queue, keep):
    queue.add([script_job("a")])
    worker = script_worker(outputs, queue, most_losses=1)
    worker.kinds = {"script": SlotTaker(keep, "other.lock")}
    worker.run(until=lambda: queue.get(1).attempt == 1)
    assert (queue.get(1).state, queue.get(1).message) == (JobState.QUEUED, "another job has the slot")
    assert queue.losses(1) == 0


def test_a_tree_that_outlived_its_worker_is_adopted_and_runs_once(outputs, queue, start_worker):
    [id_] = queue.add([script_job("a", UNTIL_STOPPED)])
    first = start_worker()
    running(queue, id_)
    first.kill()
    first.wait()
    second = start_worker()
    at_step = queue.get(id_).step
    eventually(lambda: queue.get(id_).step > at_step)
    (outputs.folder / "jobs" / "a" / "enough").touch()
    assert second.wait(30) == 0
    assert (queue.get(id_).state, queue.get(id_).attempt) == (JobState.DONE, 1)


def test_an_end_that_no_worker_saw_is_judged_by_the_next(outputs, queue, start_worker):
    [id_] = queue.add([script_job("a", UNTIL_STOPPED, follow_up=WRITE_TITLE)])
    worker = start_worker()
    running(queue, id_)
    worker.kill()
    worker.wait()
    (outputs.folder / "jobs" / "a" / "enough").touch()
    eventually(lambda: read_exit(paths_of(outputs, "a")))
    eventually(lambda: not held(job_lease(queue.id, id_)))
    assert queue.get(id_).state is JobState.RUNNING
    assert work(outputs)
    assert states(queue) == {"a": "done", "after a": "done"}
    assert queue.get(id_).attempt == 1


def test_a_trainer_that_outlived_worker_and_supervisor_is_waited_for(outputs, queue, start_worker):
    [id_] = queue.add([script_job("a", UNTIL_STOPPED)])
    first = start_worker()
    running(queue, id_)
    first.kill()
    first.wait()
    supervisor_of(queue, id_).kill()
    second = start_worker()
    at_step = queue.get(id_).step
    eventually(lambda: queue.get(id_).step > at_step)
    (outputs.folder / "jobs" / "a" / "enough").touch()
    assert second.wait(30) == 0
    assert (queue.get(id_).state, queue.get(id_).attempt) == (JobState.DONE, 1)
    assert read_exit(paths_of(outputs, "a")) is None


def test_a_job_whose_processes_were_all_killed_is_tried_again(outputs, queue):
    script = "import os, signal\nfrom pathlib import Path\nagain = Path('again').exists(); Path('again').touch()\n"
    script += "again or os.kill(os.getpid(), signal.SIGKILL)"
    queue.add([script_job("a", script)])
    assert work(outputs)
    assert (states(queue), queue.get(1).attempt, queue.losses(1)) == ({"a": "done"}, 2, 1)


def test_a_job_that_always_vanishes_is_failed_in_the_end(outputs, queue):
    queue.add([script_job("a", "import os; os.abort()"), script_job("b")])
    assert work(outputs, most_losses=3)
    assert states(queue) == {"a": "failed", "b": "done"}
    assert queue.get(1).attempt == 3
    assert "It ended 3 times without saying why" in queue.get(1).message
    assert "ended by signal 6" in queue.get(1).message


def test_a_job_that_was_claimed_by_a_worker_that_died_before_starting_it_is_tried_again(outputs, queue):
    queue.add([script_job("a")])
    queue.claim("cpu", "here")
    assert work(outputs)
    assert (states(queue), queue.get(1).attempt) == ({"a": "done"}, 2)


def test_a_cancelled_job_ends_after_its_step_and_stays_cancelled(outputs, queue, start_worker):
    [id_] = queue.add([script_job("a", UNTIL_STOPPED)])
    worker = start_worker()
    running(queue, id_)
    queue.cancel(id_)
    assert worker.wait(30) == 0
    assert (queue.get(id_).state, queue.get(id_).attempt) == (JobState.CANCELLED, 1)
    assert Attempt(paths_of(outputs, "a").folder).stop_requested


def test_a_system_that_shuts_down_ends_no_job_for_good(outputs, queue, start_worker):
    [id_] = queue.add([script_job("a", UNTIL_STOPPED)])
    worker = start_worker()
    running(queue, id_)
    worker.kill()
    Attempt(paths_of(outputs, "a").folder).request_stop()
    eventually(lambda: paths_of(outputs, "a").exit.exists())
    (outputs.folder / "jobs" / "a" / "enough").touch()
    assert work(outputs)
    assert (states(queue), queue.get(id_).attempt) == ({"a": "done"}, 2)


def test_a_job_that_does_not_listen_is_ended_all_the_same(outputs, queue, start_worker):
    [id_] = queue.add([script_job("a", STEPS + "log.emit(StepDone(1, 2))\n" + "time.sleep(60)", grace_s=0.0)])
    worker = start_worker()
    running(queue, id_)
    queue.cancel(id_)
    assert worker.wait(30) == 0
    assert queue.get(id_).state is JobState.CANCELLED


def test_ctrl_c_puts_the_job_back_and_the_next_worker_ends_it(outputs, queue, start_worker):
    id_, _ = queue.add([script_job("a", UNTIL_STOPPED), script_job("b")])
    worker = start_worker()
    running(queue, id_)
    worker.send_signal(signal.SIGINT)
    assert worker.wait(30) != 0
    assert states(queue) == {"a": "queued", "b": "queued"}
    assert queue.losses(id_) == 0
    (outputs.folder / "jobs" / "a" / "enough").touch()
    assert work(outputs)
    assert states(queue) == {"a": "done", "b": "done"}
    assert queue.get(id_).attempt == 2


def test_a_cancelled_job_stays_cancelled_when_its_worker_is_stopped_meanwhile(outputs, queue, start_worker):
    [id_] = queue.add([script_job("a", UNTIL_STOPPED)])
    worker = start_worker()
    running(queue, id_)
    worker.send_signal(signal.SIGSTOP)
    queue.cancel(id_)
    worker.send_signal(signal.SIGINT)
    worker.send_signal(signal.SIGCONT)
    worker.wait(30)
    assert queue.get(id_).state is JobState.CANCELLED


def test_a_second_ctrl_c_leaves_the_job_to_the_next_worker(outputs, queue, start_worker):
    forever_once = "if not Path('again').exists(): Path('again').touch(); time.sleep(60)"
    [id_] = queue.add([script_job("a", STEPS + "log.emit(StepDone(1, 2))\n" + forever_once)])
    worker = start_worker()
    running(queue, id_)
    worker.send_signal(signal.SIGINT)
    eventually(lambda: queue.get(id_).wish is not None)
    worker.send_signal(signal.SIGINT)
    assert worker.wait(30) != 0
    assert queue.get(id_).state is JobState.RUNNING
    [trainer] = bearers(f"{queue.id}/{id_}/1")
    trainer.kill()
    assert work(outputs, most_losses=1)
    assert (queue.get(id_).state, queue.get(id_).attempt) == (JobState.DONE, 2)


def test_a_paused_job_stops_after_its_step_and_waits_until_it_is_resumed(outputs, queue, start_worker):
    [id_, _] = queue.add([script_job("a", UNTIL_STOPPED), script_job("b")])
    worker = start_worker()
    running(queue, id_)
    queue.pause(id_)
    assert worker.wait(30) == 0
    paused = queue.get(id_)
    assert states(queue) == {"a": "paused", "b": "done"}
    assert paused.message == f"Paused after step {paused.step} of 2000."
    assert (queue.losses(id_), paused.exit_code) == (0, 0)
    queue.resume(id_)
    (outputs.folder / "jobs" / "a" / "enough").touch()
    assert work(outputs)
    assert (states(queue)["a"], queue.get(id_).attempt) == ("done", 2)


DEAF = STEPS + "log.emit(StepDone(1, 2))\n" + "time.sleep(60)"


@pytest.mark.parametrize(("ask", "end"), [("cancel", "cancelled"), ("pause", "paused"), ("interrupt", "queued")])
def test_a_job_can_be_ended_at_once_whatever_becomes_of_it(outputs, queue, start_worker, ask, end):
    [id_] = queue.add([script_job("a", DEAF)])
    worker = start_worker()
    running(queue, id_)
    queue.pause_all()
    getattr(queue, ask)(id_, Stop.NOW)
    stopped = eventually(lambda: not (job := queue.get(id_)).state.active and job)
    assert (stopped.state, stopped.message) == (end, "Stopped at once: what was saved last is kept.")
    assert stopped.exit_code == -signal.SIGKILL
    assert bearers(f"{queue.id}/{id_}/1") == []
    assert (stopped.wish, stopped.stop, queue.losses(id_)) == (None, None, 0)
    worker.kill()


def test_a_stop_after_the_epoch_is_passed_on_and_can_be_hurried(outputs, queue, start_worker):
    [id_] = queue.add([script_job("a", DEAF)])
    worker = start_worker()
    running(queue, id_)
    attempt = Attempt(paths_of(outputs, "a").folder)
    queue.cancel(id_, Stop.EPOCH)
    assert eventually(lambda: attempt.stop_mode) == "epoch"
    assert queue.cancel(id_, Stop.NOW).stop is Stop.NOW
    assert queue.cancel(id_, Stop.STEP).stop is Stop.NOW
    assert worker.wait(30) == 0
    assert (queue.get(id_).state, attempt.stop_mode) == (JobState.CANCELLED, "now")


def test_a_trainer_without_a_supervisor_is_ended_at_once_all_the_same(outputs, queue, start_worker):
    [id_] = queue.add([script_job("a", DEAF)])
    first = start_worker()
    running(queue, id_)
    first.kill()
    first.wait()
    supervisor_of(queue, id_).kill()
    queue.cancel(id_, Stop.NOW)
    assert work(outputs)
    assert (queue.get(id_).state, queue.get(id_).exit_code) == (JobState.CANCELLED, None)


def test_a_paused_queue_starts_nothing_and_says_why(outputs, queue):
    queue.add([script_job("a")])
    queue.pause_all("too warm")
    worker, waited = script_worker(outputs, queue), []

    def resumed() -> bool:
        if queue.waits:
            waited.append(queue.waits)
            queue.resume_all()
        return not queue.waiting()

    worker.run(until=resumed)
    assert waited == ["The queue is paused (too warm): `train-tools queue resume` lets it go on."]
    assert states(queue) == {"a": "done"}


def test_what_waits_for_its_time_is_started_when_it_has_come(outputs, queue):
    [id_] = queue.add([script_job("a")])
    queue.schedule(id_, 4102444800.0)
    worker, waited = script_worker(outputs, queue), []

    def come() -> bool:
        if queue.waits:
            waited.append(queue.waits)
            queue.schedule(id_, 5.0)
        return not queue.waiting()

    worker.run(until=come)
    assert waited[0].startswith("What waits is to start later, the first at 2")
    assert states(queue) == {"a": "done"}


def test_a_folder_that_was_deleted_fails_its_job_and_does_not_come_back(outputs, queue):
    queue.add([script_job("a", bug="prepare"), script_job("b")])
    assert work(outputs)
    assert states(queue) == {"a": "failed", "b": "done"}
    assert not (outputs.folder / "jobs" / "a").exists()


def standing_by(outputs: OutputsPaths) -> list[psutil.Process]:
    """Supervisors that wait for an attempt."""
    return [
        process
        for process in psutil.process_iter()
        if STAND_BY in (words := command_of(process)) and str(outputs.folder) in words and process.is_running()
    ]


def command_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def test_a_supervisor_stands_by_while_jobs_wait_and_goes_with_its_worker(outputs, queue, start_worker):
    ids = queue.add([script_job("a", UNTIL_STOPPED), script_job("b", UNTIL_STOPPED), script_job("c")])
    worker = start_worker()
    running(queue, ids[0])
    [first] = eventually(lambda: [each for each in standing_by(outputs) if each != supervisor_of(queue, ids[0])])
    for title in "ab":
        (outputs.folder / "jobs" / title).mkdir(exist_ok=True)
    (outputs.folder / "jobs" / "a" / "enough").touch()
    running(queue, ids[1])
    assert supervisor_of(queue, ids[1]) == first
    worker.kill()
    worker.wait()
    eventually(lambda: standing_by(outputs) == [first])
    (outputs.folder / "jobs" / "b" / "enough").touch()
    assert work(outputs)
    assert set(states(queue).values()) == {"done"}
    eventually(lambda: not standing_by(outputs))


def test_a_supervisor_that_was_killed_while_it_stood_by_is_replaced(outputs, queue, start_worker):
    ids = queue.add([script_job("a", UNTIL_STOPPED), script_job("b")])
    worker = start_worker()
    running(queue, ids[0])
    [spare] = eventually(lambda: [each for each in standing_by(outputs) if each != supervisor_of(queue, ids[0])])
    spare.kill()
    (outputs.folder / "jobs" / "a" / "enough").touch()
    assert worker.wait(30) == 0
    assert states(queue) == {"a": "done", "b": "done"}
    assert [queue.losses(id_) for id_ in ids] == [0, 0]


def test_a_supervisor_that_is_halted_delays_its_job_and_loses_nothing(outputs, queue, start_worker):
    [id_, _] = queue.add([script_job("a", UNTIL_STOPPED), script_job("b")])
    worker = start_worker()
    running(queue, id_)
    supervisor = supervisor_of(queue, id_)
    supervisor.send_signal(signal.SIGSTOP)
    (outputs.folder / "jobs" / "a" / "enough").touch()
    eventually(lambda: Attempt(paths_of(outputs, "a").folder).result.exists())
    eventually(lambda: not bearers(f"{queue.id}/{id_}/1"))
    assert states(queue) == {"a": "running", "b": "queued"}
    supervisor.send_signal(signal.SIGCONT)
    assert worker.wait(30) == 0
    assert states(queue) == {"a": "done", "b": "done"}
    assert queue.get(id_).attempt == 1


def test_a_queue_that_another_program_keeps_locked_is_waited_for(outputs, queue):
    queue.add([script_job("a")])
    locked = sqlite3.connect(outputs.queue, isolation_level=None)
    impatient = Queue(outputs.queue, patience_s=0.05)
    worker, said = script_worker(outputs, impatient), []

    def unlock(reason: str) -> None:
        said.append(reason)
        if locked.in_transaction:
            locked.execute("rollback")

    worker.say = unlock
    locked.execute("begin immediate")
    worker.run(until=lambda: not queue.waiting())
    assert "database is locked. Another program holds it" in said[0]
    assert states(queue) == {"a": "done"}
    impatient.close()
    locked.close()
