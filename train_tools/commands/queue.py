"""Commands about the queue: work it off, look at it, change what waits and runs."""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from train_tools.commands.border import AsJson, JobNumber, the_app, told
from train_tools.commands.machine import ask_for_shutdown, revoke_shutdown

if TYPE_CHECKING:
    from train_tools.app import App

commands = typer.Typer()


@commands.command()
@told
def work(
    stay: Annotated[bool, typer.Option("--stay", help="Wait for more when the queue is empty.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
    then_shut_down: Annotated[
        bool, typer.Option("--then-shut-down", help="Shut this machine down when the queue is done.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask whether that is meant.")] = False,
) -> None:
    """Train and render what is queued, in order. May be stopped and started at any time."""
    app = the_app()
    if then_shut_down:
        ask_for_shutdown(app, yes)
    try:
        work_until(app, lambda: not stay and not app.jobs.queue.waiting(), quiet)
    except KeyboardInterrupt:
        revoke_shutdown(app)
        raise


@commands.command("jobs")
@told
def list_jobs(limit: Annotated[int, typer.Option(help="How many at most.")] = 50, as_json: AsJson = False) -> None:
    """What runs, waits and is done."""
    from train_tools.terminal import print_jobs, print_json, say

    found = the_app().jobs.all(limit)
    if as_json:
        print_json(found)
    elif found:
        print_jobs(found, time.time())
    else:
        say("No jobs yet. `train-tools submit PROJECT VERSION` queues some.")


@commands.command()
@told
def cancel(job: JobNumber) -> None:
    """Take a job out of the queue; a running one saves and ends after its current step."""
    from train_tools.terminal import say

    cancelled = the_app().jobs.cancel(job)
    say(f"{cancelled.title}: {'ends after its current step' if cancelled.state.active else cancelled.state}.")


@commands.command()
@told
def retry(job: JobNumber) -> None:
    """Queue a finished job again."""
    from train_tools.terminal import say

    say(f"{the_app().jobs.retry(job).title}: queued again.")


@commands.command()
@told
def log(job: JobNumber, lines: Annotated[int, typer.Option(help="How many lines at most.")] = 40) -> None:
    """The end of a job's log."""
    sys.stdout.write(the_app().jobs.log(job, lines) + "\n")


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
