"""Commands that look at captions: `dataset tags check`, `tokens`, `prune`, and the trigger words they are held
to."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from train_tools.commands.border import AsJson, ProjectName, VersionName, the_app, told
from train_tools.commands.captions import Most, Where, edit_captions, selected

if TYPE_CHECKING:
    from train_tools.model.captions import Trigger

commands = typer.Typer()


@commands.command()
@told
def check(project: ProjectName, version: VersionName, where: Where = "", as_json: AsJson = False) -> None:
    """Say what to look at: missing captions, trigger words, style, length, spelling."""
    from train_tools.terminal import print_json, say

    found = the_app().captions.check(project, version, selected(where))
    if as_json:
        print_json(found)
        return
    style = f"; most captions are {found.style}" if found.style else ""
    say(f"{found.images} images, {found.without_file} without a caption{style}.")
    if found.coverage is not None:
        say(f"Trigger: {found.coverage:.0%} of the captions obey; keep_tokens = {found.trigger_words}.")
    for problem in found.problems:
        say(problem.sentence, "yellow")
        if 0 < len(problem.images) < found.images:
            more = f" and {len(problem.images) - 5} more" if len(problem.images) > 5 else ""
            say(f"  {', '.join(problem.images[:5])}{more}")


@commands.command()
@told
def tokens(
    project: ProjectName, version: VersionName, where: Where = "", limit: Most = 10, as_json: AsJson = False
) -> None:
    """Count the captions' tokens, the longest first, and show what no training reads."""
    from train_tools.terminal import print_json, print_table, say

    report = the_app().captions.tokens(project, version, selected(where))
    if as_json:
        print_json(report)
        return
    rows = [(count.image, str(count.tokens), count.cut) for count in report.counts[:limit]]
    print_table(("image", "tokens", "beyond 225"), rows)
    over = ", ".join(f"{count} over {length}" for length, count in report.over.items() if count)
    say(f"The longest has {report.longest} tokens{f' ({over})' if over else ''}.")
    say(f"max_token_length = {report.max_token_length} holds them" + (", cut." if report.over[225] else "."))


@commands.command()
@told
def prune(
    project: ProjectName,
    version: VersionName,
    share: Annotated[float, typer.Option(min=0.01, max=1.0, help="In at least so many captions.")] = 0.8,
    where: Where = "",
    as_json: AsJson = False,
) -> None:
    """List tags that are nearly always there: those that say what is to be learnt are best taken out."""
    from train_tools.terminal import print_json, print_table, say

    found = the_app().captions.prune_proposals(project, version, selected(where), share)
    if as_json:
        print_json(found)
        return
    rows = [(each.tag, f"{each.share:.0%}", "usually kept" if each.keep else "") for each in found]
    print_table(("tag", "of the captions", ""), rows)
    say(
        "Take out what the LoRA is to own: `train-tools dataset tags remove PROJECT VERSION TAGS`. Leave what "
        "prompts are to ask for."
    )


@commands.command()
@told
def trigger(
    project: ProjectName,
    version: VersionName,
    words: Annotated[
        str | None, typer.Argument(metavar="WORDS", help="Tags with commas; {class} is the folder's class.")
    ] = None,
    policy: Annotated[
        str | None, typer.Option(help="none, prefix (in front of every caption) or class_only (in none).")
    ] = None,
    of_class: Annotated[
        list[str] | None, typer.Option("--class", metavar="CLASS=WORDS", help="Other words for a folder's class.")
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Make the captions obey; that can be undone.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show or set the trigger words, and make the captions obey."""
    from train_tools.terminal import print_json, say

    captions = the_app().captions
    kept = captions.trigger(project, version)
    if words is not None or policy is not None or of_class:
        kept = _changed(kept, words, policy, of_class or [])
        captions.set_trigger(project, version, kept)
    if apply:
        edit_captions(project, version, selected(""), False, as_json, kind="trigger")
    elif as_json:
        print_json(kept)
    else:
        say(f"Policy: {kept.policy}. Words: {kept.words or 'none'}.")
        for class_name, others in kept.classes.items():
            say(f"  {class_name}: {others}")


def _changed(kept: Trigger, words: str | None, policy: str | None, of_class: list[str]) -> Trigger:
    """The trigger with what was given changed. Words without a policy are meant to stand in front."""
    from train_tools.errors import OptionValueError
    from train_tools.model.captions import TriggerPolicy

    classes = dict(kept.classes)
    for given in of_class:
        name, equals, others = given.partition("=")
        if not name or not equals:
            raise OptionValueError(f"{given!r} is not CLASS=WORDS, as 'red dress=alice, red dress'.")
        classes[name] = others
        if not others:
            del classes[name]
    if policy is None and kept.policy == TriggerPolicy.NONE:
        policy = TriggerPolicy.PREFIX
    words = kept.words if words is None else words
    return replace(kept, policy=policy or kept.policy, words=words, classes=classes)
