"""DeepDanbooru as TorchDeepDanbooru carries it: a ResNet-152 of its own kind, whose weights are named by the order
in which an export met its convolutions."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from train_tools.captioners.captioning_process.opening import Opening, torch_device
from train_tools.captioners.session import Subject
from train_tools.captioners.tags import Tag, TagKind, Thresholds, words_of
from train_tools.errors import StorageError
from train_tools.model.captioning import TagWords

if TYPE_CHECKING:
    from PIL.Image import Image

FILE = "model-resnet_custom_v3.pt"
SIDE_PX = 512
USUAL = Thresholds(general=0.5, character=0.5)
RATING = "rating:"
TAGS = "tags"
"""The one entry of the file that is no weight."""


@dataclass(frozen=True)
class Stage:
    """Blocks of one width. The first halves the picture where it has to, and has a shortcut of its own."""

    width: int
    blocks: int
    stride: int = 2
    shortcut_first: bool = True
    """Whether the export met the shortcut before the block's other convolutions, or after them."""


@dataclass(frozen=True)
class Shape:
    """`stem` channels, then the stages; a block gives four times its width."""

    stem: int
    stages: tuple[Stage, ...]
    tags: int


RESNET_CUSTOM_V3 = Shape(
    stem=64,
    stages=(
        Stage(64, 3, stride=1),
        Stage(128, 8),
        Stage(256, 20),
        Stage(256, 20, shortcut_first=False),
        Stage(512, 3),
        Stage(1024, 3),
    ),
    tags=9176,
)
EXPANSION = 4


class Bottleneck(nn.Module):
    """Three convolutions beside a shortcut. Padding is TensorFlow's: with a stride, one pixel at the far sides."""

    def __init__(self, narrow: nn.Conv2d, middle: nn.Conv2d, wide: nn.Conv2d, shortcut: nn.Conv2d | None) -> None:
        super().__init__()
        self.narrow, self.middle, self.wide, self.shortcut = narrow, middle, wide, shortcut
        self._padding = (1, 1, 1, 1) if middle.stride == (1, 1) else (0, 1, 0, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.narrow(x))
        y = F.relu(self.middle(F.pad(y, self._padding)))
        return F.relu(self.wide(y) + (x if self.shortcut is None else self.shortcut(x)))


class DeepDanbooru(nn.Module):
    """[batch, height, width, RGB from 0 to 1] -> [batch, tag] likelihoods."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self._count = 0
        self.names: list[tuple[str, nn.Conv2d]] = []
        self.stem = self._conv(3, shape.stem, 7, 2)
        channels = shape.stem
        blocks: list[Bottleneck] = []
        for stage in shape.stages:
            blocks += self._blocks(channels, stage)
            channels = stage.width * EXPANSION
        self.blocks = nn.Sequential(*blocks)
        self.head = self._conv(channels, shape.tags, 1, bias=False)

    def forward(self, pixels: Tensor) -> Tensor:
        x = F.pad(pixels.permute(0, 3, 1, 2), (2, 3, 2, 3))
        x = F.relu(self.stem(x))
        x = F.max_pool2d(F.pad(x, (0, 1, 0, 1), value=float("-inf")), 3, 2)
        x = self.head(self.blocks(x))
        return torch.sigmoid(x.mean(dim=(2, 3)))

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Takes the weights under the names they have in the file. Raises ValueError for those of another net."""
        wanted = {
            f"{name}.{part}": (conv, part)
            for name, conv in self.names
            for part, _ in conv.named_parameters(recurse=False)
        }
        if wanted.keys() != weights.keys():
            odd = sorted(wanted.keys() ^ weights.keys())
            raise ValueError(f"{len(odd)} weights are missing or too many, as {odd[0]}")
        for name, (conv, part) in wanted.items():
            if getattr(conv, part).shape != weights[name].shape:
                raise ValueError(f"{name} has the shape {tuple(weights[name].shape)}")
            setattr(conv, part, nn.Parameter(weights[name].float(), requires_grad=False))

    def _blocks(self, channels: int, stage: Stage) -> Iterator[Bottleneck]:
        for number in range(stage.blocks):
            wide, stride = stage.width * EXPANSION, 1 if number else stage.stride
            shortcut = None
            if not number and stage.shortcut_first:
                shortcut = self._conv(channels, wide, 1, stride)
            convs = (
                self._conv(wide if number else channels, stage.width, 1),
                self._conv(stage.width, stage.width, 3, stride),
                self._conv(stage.width, wide, 1),
            )
            if not number and not stage.shortcut_first:
                shortcut = self._conv(channels, wide, 1, stride)
            yield Bottleneck(*convs, shortcut)

    def _conv(self, inputs: int, outputs: int, kernel: int, stride: int = 1, *, bias: bool = True) -> nn.Conv2d:
        """The next convolution, under the name that the export gave it."""
        conv = nn.Conv2d(inputs, outputs, kernel, stride, bias=bias)
        self.names.append((f"n_Conv_{self._count}", conv))
        self._count += 1
        return conv


class DeepDanbooruTagger:
    def __init__(self, net: DeepDanbooru, tags: Sequence[str], wanted: TagWords, device: torch.device) -> None:
        self._net = net.to(device).eval()
        self._tags = tags
        self._wanted = wanted
        self._device = device

    @property
    def vocabulary(self) -> Sequence[str]:
        return self._tags

    def words(self, subject: Subject) -> tuple[str, ...]:
        pixels = pixels_of(subject.image)[None].to(self._device)
        with torch.inference_mode():
            likelihoods = self._net(pixels)[0].tolist()
        return words_of(map(_tag, self._tags, likelihoods), self._wanted, USUAL)


def pixels_of(image: Image, side_px: int = SIDE_PX) -> Tensor:
    """[side, side, RGB] from 0 to 1: fitted in, what is left at two sides filled by stretching the outermost
    pixels, as the WebUI's tagger does it."""
    import numpy as np
    from PIL import Image as Pictures

    scale = side_px / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    fitted = image.resize((width, height), Pictures.Resampling.LANCZOS)
    pixels = np.asarray(fitted, dtype=np.float32) / 255
    top, left = (side_px - height) // 2, (side_px - width) // 2
    beside = ((top, side_px - height - top), (left, side_px - width - left), (0, 0))
    return torch.from_numpy(np.pad(pixels, beside, mode="edge"))


def read_weights(file: Path) -> tuple[dict[str, Tensor], list[str]]:
    """Weights and the names of the tags. One that holds code is refused, and none of it is run: StorageError."""
    try:
        found: Any = torch.load(file, map_location="cpu", weights_only=True, mmap=False)
        tags = found.pop(TAGS)
        if not all(isinstance(tag, str) for tag in tags):
            raise ValueError("its list of tags is none")
        return found, list(tags)
    except pickle.UnpicklingError as error:
        raise StorageError(
            f"{file} holds something else than weights, which could be code, so it was not opened. Delete it and "
            "fetch it again."
        ) from error
    except (OSError, RuntimeError, ValueError, KeyError, AttributeError, TypeError, EOFError) as error:
        raise StorageError(f"{file} can't be loaded: {error}. Delete it and fetch it again.") from error


def open_deepbooru(opening: Opening, shape: Shape = RESNET_CUSTOM_V3) -> DeepDanbooruTagger:
    """Raises StorageError for a file that is not this net's."""
    file = opening.folder / FILE
    weights, tags = read_weights(file)
    with torch.device("meta"):
        net = DeepDanbooru(shape)
    try:
        net.load(weights)
    except (ValueError, AttributeError) as error:
        raise StorageError(f"{file} is no DeepDanbooru: {error}. Delete it and fetch it again.") from error
    if len(tags) > shape.tags:
        raise StorageError(f"{file} names {len(tags)} tags for {shape.tags}. Delete it and fetch it again.")
    return DeepDanbooruTagger(net, tags, opening.settings.tags, torch_device(opening.request.device))


def _tag(name: str, likelihood: float) -> Tag:
    if name.startswith(RATING):
        return Tag(name.removeprefix(RATING), likelihood, TagKind.RATING)
    return Tag(name, likelihood)
