"""LoRA files after the training: merged, resized, extracted and converted as jobs, looked at in place."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from train_tools.app.jobs import Jobs
from train_tools.errors import AlreadyExistsError, NotFoundError, OptionValueError
from train_tools.files import storage_error, unused
from train_tools.model.job import Job
from train_tools.model.lora_tool import LoraFacts, ToolPlan, ToolWish
from train_tools.model.names import checked_name
from train_tools.model.paths import OutputsPaths
from train_tools.tools.chart import chart_of
from train_tools.tools.command_lines import ToolCall, call_for
from train_tools.tools.inspection import inspect_lora
from train_tools.tools.kind import tool_job
from train_tools.tools.sizes import about_bytes

SUFFIX = ".safetensors"


class LoraTools:
    """`start` queues; `inspect` answers at once."""

    def __init__(self, outputs: OutputsPaths, jobs: Jobs) -> None:
        self._outputs = outputs
        self._jobs = jobs

    def start(self, wish: ToolWish, output: Path, *, replace: bool = False) -> Job:
        """Queues the making of the file `output`. Raises NotFoundError when a file is missing that it is made of,
        AlreadyExistsError when `output` is there and not to be replaced, OptionValueError for a wish that makes no
        sense."""
        output = output.expanduser().absolute()
        call = _checked(call_for(wish), output)
        if output.exists() and not replace:
            raise AlreadyExistsError(
                f"{output} is there already. Choose another name, or say that it may be replaced."
            )
        job = tool_job(self._new_folder(call.name), call, output, f"{output.name}: {call.name}")
        (id_,) = self._jobs.queue.add([job])
        return self._jobs.get(id_)

    def plan(self, wish: ToolWish, output: Path) -> ToolPlan:
        """What the wish would write, by the headers of what it is made of. Raises what `start` raises, but for a
        file that is there, and CheckpointError for one that can't be read."""
        output = output.expanduser().absolute()
        _checked(call_for(wish), output)
        return ToolPlan(file=output, about_bytes=about_bytes(wish), is_there=output.exists())

    def place(self, name: str) -> Path:
        """The file of a name among the LoRAs of the outputs folder. Raises NameNotAllowedError."""
        stem = name.removesuffix(SUFFIX)
        return self._outputs.loras / f"{checked_name(stem, 'file name')}{SUFFIX}"

    def inspect(self, file: Path) -> LoraFacts:
        """What a LoRA holds. Raises CheckpointError when it is damaged or none."""
        return inspect_lora(file.expanduser().absolute())

    def chart(self, facts: LoraFacts) -> str:
        """The norms by block as an SVG picture."""
        return chart_of(facts)

    def _new_folder(self, what: str) -> str:
        """Each job has a folder of its own: several may wait."""
        folder = unused(self._outputs.tools / f"{datetime.now():%Y%m%d-%H%M%S}-{what}")
        try:
            folder.mkdir(parents=True)
        except OSError as error:
            raise storage_error(folder, error) from error
        return folder.relative_to(self._outputs.folder).as_posix()


def _checked(call: ToolCall, output: Path) -> ToolCall:
    missing = [path for path in call.inputs if not path.exists()]
    if missing:
        raise NotFoundError(f"{missing[0]} does not exist. Name files on this machine.")
    if output.suffix.lower() != SUFFIX:
        raise OptionValueError(f"{output.name} can't be written: name a file that ends in {SUFFIX}.")
    if output.resolve() in {path.resolve() for path in call.inputs}:
        raise OptionValueError(f"{output} is one of the files that are read. Choose another name.")
    return call
