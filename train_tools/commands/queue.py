"""Commands about the queue: work it off, look at it, change what waits and runs."""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from train_tools.commands.border import AsJson, JobNumber, the_app, told
from train_tools.commands.machine import ask_for_shutdown, revoke_shutdown
from train_tools.model.job import Job, Stop

if TYPE_CHECKING:
    from train_tools.app import App

commands = typer.Typer()
whole = typer.Typer(
    help="Pause and resume the queue as a whole, and say how long it will take.", no_args_is_help=True
)
commands.add_typer(whole, name="queue")

JobNumbers = Annotated[list[int], typer.Argument(metavar="JOB...", help="The jobs' numbers.")]
Now = Annotated[bool, typer.Option("--now", help="End it at once: what was saved last is kept.")]
AfterEpoch = Annotated[bool, typer.Option("--after-epoch", help="Let it end its epoch first.")]
CpuSlots = Annotated[
    int | None,
    typer.Option(
        "--cpu-slots", help="Jobs at a time on the CPU, where there is no GPU. Also TRAIN_TOOLS_CPU_SLOTS."
    ),
]
ENDS = {Stop.NOW: "ends at once", Stop.STEP: "ends after its current step", Stop.EPOCH: "ends after its epoch"}


@commands.command()
@told
def work(
    stay: Annotated[bool, typer.Option("--stay", help="Wait for more when the queue is empty.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
    then_shut_down: Annotated[
        bool, typer.Option("--then-shut-down", help="Shut this machine down when the queue is done.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask whether that is meant.")] = False,
    cpu_slots: CpuSlots = None,
) -> None:
    """Train and render what is queued, in order. May be stopped and started at any time."""
    app = the_app()
    app.jobs.cpu_slots = cpu_slots
    app.jobs.slots()  # before anything is drawn: they may be none that this machine has
    if then_shut_down:
        ask_for_shutdown(app, yes)
    try:
        work_until(app, lambda: not stay and not app.jobs.queue.waiting(), quiet)
    except KeyboardInterrupt:
        revoke_shutdown(app)
        raise


@commands.command("jobs")
@told
def list_jobs(
    limit: Annotated[int, typer.Option(help="How many at most.")] = 50,
    offset: Annotated[int, typer.Option(help="How many to pass over first.")] = 0,
    as_json: AsJson = False,
) -> None:
    """What runs, waits and is done."""
    from train_tools.terminal import print_jobs, print_json, print_queue, say

    app = the_app()
    found = app.jobs.all(limit, offset)
    if as_json:
        print_json(found)
    elif found:
        print_jobs(found, time.time())
        print_queue(app.jobs.state())
        failed = [str(job.id) for job in found if job.state == "failed"]
        if failed:
            say(f"`train-tools log {failed[0]}` says what happened to job {failed[0]}, and what to do.")
    else:
        say("No jobs yet. `train-tools submit PROJECT VERSION` queues some.")


@whole.command()
@told
def status(as_json: AsJson = False) -> None:
    """Whether the queue goes on, what it waits for, and how long it will take."""
    from train_tools.terminal import print_json, print_queue

    state = the_app().jobs.state()
    if as_json:
        print_json(state)
    else:
        print_queue(state)


@whole.command("pause")
@told
def pause_queue(
    reason: Annotated[str, typer.Argument(help="Why, for whoever wonders.")] = "",
    running: Annotated[
        bool, typer.Option("--running", help="Stop what runs after its step, too; it goes on from there later.")
    ] = False,
) -> None:
    """Start nothing more until `train-tools queue resume`; what runs goes on."""
    from train_tools.terminal import print_queue

    print_queue(the_app().jobs.pause_all(reason, running_too=running))


@whole.command("resume")
@told
def resume_queue() -> None:
    """Let a paused queue go on."""
    from train_tools.terminal import print_queue

    print_queue(the_app().jobs.resume_all())


@commands.command()
@told
def cancel(jobs: JobNumbers, now: Now = False, after_epoch: AfterEpoch = False) -> None:
    """Take jobs out of the queue; a running one saves and ends after its current step."""
    app, stop = the_app(), _stop(now, after_epoch)
    _each(jobs, lambda job: app.jobs.cancel(job, stop), lambda job: ENDS[job.stop or stop])


@commands.command()
@told
def pause(jobs: JobNumbers, now: Now = False, after_epoch: AfterEpoch = False) -> None:
    """Pass jobs over until they are resumed; a running one ends after its current step and goes on from there."""
    app, stop = the_app(), _stop(now, after_epoch)
    _each(jobs, lambda job: app.jobs.pause(job, stop), lambda job: ENDS[job.stop or stop])


@commands.command()
@told
def resume(jobs: JobNumbers) -> None:
    """Put paused jobs back at their places."""
    _each(jobs, the_app().jobs.resume, lambda job: "comes back to its place")


@commands.command()
@told
def retry(jobs: JobNumbers) -> None:
    """Queue finished jobs again."""
    _each(jobs, the_app().jobs.retry)


@commands.command()
@told
def delete(jobs: JobNumbers) -> None:
    """Take jobs that wait or have ended off the list. Their files stay."""
    from train_tools.terminal import say

    app = the_app()
    for job in jobs:
        title = app.jobs.get(job).title
        app.jobs.forget(job)
        say(f"{title}: off the list.")


@commands.command()
@told
def move(
    job: JobNumber,
    to: Annotated[int | None, typer.Option("--to", min=1, help="The place: 1 is the next to start.")] = None,
    before: Annotated[int | None, typer.Option("--before", help="The number of the job to go before.")] = None,
) -> None:
    """Give a waiting job another place in the queue; without one, the last."""
    from train_tools.errors import OptionValueError

    if to is not None and before is not None:
        raise OptionValueError("--to and --before say two places: give one of them.")
    app = the_app()
    _each([job], lambda number: app.jobs.move(number, before=before, place=to))


@commands.command()
@told
def priority(
    job: JobNumber, number: Annotated[int, typer.Argument(metavar="N", help="Higher goes first; 0 is usual.")]
) -> None:
    """Let a job go before those of a lower priority. Put -- before a negative number."""
    app = the_app()
    _each([job], lambda one: app.jobs.prioritise(one, number))


@commands.command()
@told
def schedule(
    job: JobNumber,
    when: Annotated[
        str, typer.Argument(metavar="WHEN", help="23:30, 2026-10-15 23:30, +90m, +2h; now = in turn.")
    ],
) -> None:
    """Let a waiting job start at a time at the earliest."""
    from train_tools.commands.moments import moment

    app, not_before = the_app(), moment(when, datetime.now())
    _each([job], lambda number: app.jobs.schedule(number, not_before))


@commands.command()
@told
def log(job: JobNumber, lines: Annotated[int, typer.Option(help="How many lines at most.")] = 40) -> None:
    """The end of a job's log; for a failed one also what happened, and what to do, on stderr."""
    from train_tools.terminal import print_failure

    app = the_app()
    sys.stdout.write(app.jobs.log(job, lines) + "\n")
    sys.stdout.flush()
    if app.jobs.get(job).state == "failed":
        print_failure(app.runs.failure(job))


def work_off(app: App, project: str, version: str, grid: str, quiet: bool = False) -> bool:
    """Works until the grid's runs and all that follows them have ended. True when one failed that was no news."""
    jobs = functools.partial(app.grids.jobs, project, version, grid)
    work_until(app, lambda: all(job.state.finished for job in jobs()), quiet)
    return any(job.state == "failed" and "news" not in job.subject for job in jobs())


def work_until(app: App, until: Callable[[], bool], quiet: bool) -> None:
    """Works here, or watches the worker that has this outputs folder already."""
    from train_tools.terminal import LiveJobs

    if quiet:
        while not app.jobs.worker().run(until) and not until():
            time.sleep(1.0)
        return
    with LiveJobs(app) as live:
        told_once = False
        while not app.jobs.worker(live.say).run(until) and not until():
            if not told_once:
                live.say("Another worker is at it already; this only watches. Ctrl-C leaves it alone.")
            told_once = True
            time.sleep(1.0)


def _stop(now: bool, after_epoch: bool) -> Stop:
    from train_tools.errors import OptionValueError

    if now and after_epoch:
        raise OptionValueError(
            "--now and --after-epoch can't both be: give one of them, or none for after the step."
        )
    return Stop.NOW if now else Stop.EPOCH if after_epoch else Stop.STEP


def _each(numbers: list[int], action: Callable[[int], Job], while_active: Callable[[Job], str] = str) -> None:
    """Does something to jobs, one after the other, and says what became of each."""
    from train_tools.terminal import job_sentence, say

    for number in numbers:
        job = action(number)
        say(f"{job.title}: {while_active(job) if job.state.active else job_sentence(job)}.")
