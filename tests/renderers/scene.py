"""What the renderers' tests render: the pocket base model, small LoRA files, and requests for pictures of them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.numpy import save_file

from sd_contract.attempt import Attempt, Result, read_result
from sd_contract.events import Event, Tail
from sd_contract.tensors.tensor_files import file_sha256
from train_tools.model.checkpoint import Checkpoint
from train_tools.model.paths import VersionPaths
from train_tools.model.preview import Cell, PreviewMatrix, PreviewSettings
from train_tools.previews.matrix import BaseModelFile, LabelledCheckpoint, matrix_of
from train_tools.previews.renderer import Renderer, RenderRequest, WantedPicture

POCKET = Path(__file__).parents[2] / "projects_template" / "demo" / "pocket-sd1.safetensors"
ATTENTIONS = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn{}_to_{}"
SMALL = PreviewSettings(
    prompts=("a red circle on a white background",),
    negative_prompt="",
    weights=(0.0, 0.5, 1.0),
    seeds=(1,),
    width_px=64,
    height_px=64,
    steps=3,
    guidance=5.0,
)


@dataclass(frozen=True)
class Rendering:
    """A renderer's process that has ended."""

    code: int
    output: str
    attempt: Attempt

    @property
    def result(self) -> Result:
        result = read_result(self.attempt)
        assert result is not None, self.output
        return result

    @property
    def events(self) -> list[Event]:
        return list(Tail(self.attempt.events).events())


def pocket() -> BaseModelFile:
    return BaseModelFile(path=POCKET, sha256=file_sha256(POCKET))


def write_lora(path: Path, seed: int = 1, strength: float = 0.5, module: str = "") -> Path:
    """A LoRA of rank 2 with random weights on the attention of the pocket model's middle block."""
    random = np.random.default_rng(seed)
    names = [module] if module else [ATTENTIONS.format(1, part) for part in "qkv"]
    tensors = {}
    for name in names:
        tensors[f"{name}.lora_down.weight"] = random.normal(size=(2, 64)).astype(np.float32)
        tensors[f"{name}.lora_up.weight"] = (strength * random.normal(size=(64, 2))).astype(np.float32)
        tensors[f"{name}.alpha"] = np.array(2.0, dtype=np.float32)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path)
    return path


def checkpoint(path: Path, run: str = "run", epoch: int = 1) -> Checkpoint:
    size = path.stat().st_size if path.exists() else 0
    return Checkpoint(run=run, path=path, size_bytes=size, modified=0.0, epoch=epoch, step=epoch, final=False)


def matrix_for(
    folder: Path, files: Iterable[Path], settings: PreviewSettings = SMALL, base: BaseModelFile | None = None
) -> PreviewMatrix:
    base = base or pocket()
    rows = [
        LabelledCheckpoint(label=f"run of {file.stem}", checkpoint=checkpoint(file), base=base) for file in files
    ]
    return matrix_of(VersionPaths(folder / "version"), rows, settings, base)


def request_for(folder: Path, cells: Iterable[Cell], base: BaseModelFile | None = None) -> RenderRequest:
    wanted = (WantedPicture(picture=cell.picture, file=cell.file, checkpoint=cell.checkpoint) for cell in cells)
    return RenderRequest(base=base or pocket(), folder=folder / "version", wanted=tuple(wanted), device="cpu")


def new_attempt(folder: Path) -> Attempt:
    number = len(list(folder.glob("attempt-*"))) + 1
    attempt = Attempt(folder / f"attempt-{number}")
    attempt.folder.mkdir(parents=True)
    return attempt


def start(renderer: Renderer, request: RenderRequest, attempt: Attempt) -> subprocess.Popen[str]:
    """The renderer's process, its output in the attempt's log."""
    launch = renderer.launch(request, attempt)
    with (attempt.folder / "run.log").open("w", encoding="utf-8") as log:
        return subprocess.Popen(
            launch.command,
            cwd=launch.folder,
            env={**os.environ, **launch.environment, "OMP_NUM_THREADS": "1"},
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
        )


def ended(process: subprocess.Popen[str], attempt: Attempt) -> Rendering:
    code = process.wait()
    return Rendering(code, (attempt.folder / "run.log").read_text(encoding="utf-8"), attempt)


def render(renderer: Renderer, request: RenderRequest, folder: Path) -> Rendering:
    attempt = new_attempt(folder)
    return ended(start(renderer, request, attempt), attempt)


def spoil_request(request_file: Path) -> None:
    """Cuts the file's second half off."""
    text = request_file.read_text(encoding="utf-8")
    request_file.write_text(text[: len(text) // 2], encoding="utf-8")


def many_seeds(count: int) -> PreviewSettings:
    return replace(SMALL, weights=(1.0,), seeds=tuple(range(count)))


def told(output: str) -> list[str]:
    return [line for line in output.splitlines() if line.startswith("error: ")]


def pixels_of(file: Path) -> np.ndarray:
    with Image.open(file) as image:
        return np.asarray(image)
