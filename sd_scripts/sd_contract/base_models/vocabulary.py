"""Where the CLIP vocabulary is found, so that captions can be turned into tokens without the network.

In order: the folder that the user named, the model's own folder, the Hugging Face cache on this machine,
the data file of an installed distribution that carries it (read, never imported)."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from sd_contract.errors import BaseModelError

HUB_NAME = "openai/clip-vit-large-patch14"
CARRIERS = ("open_clip_torch", "clip-anytorch")
DATA_FILE = "bpe_simple_vocab_16e6.txt.gz"
SIZE = 49_408
START, END = "<|startoftext|>", "<|endoftext|>"


@dataclass(frozen=True)
class Vocabulary:
    """Token ids by token, and the pairs that byte-pair encoding merges, in order."""

    ids: dict[str, int]
    merges: tuple[tuple[str, str], ...]


def find_vocabulary(
    tokenizer_cache_dir: Path | None = None,
    model_folder: Path | None = None,
    *,
    environment: Mapping[str, str] = os.environ,
    carriers: Sequence[str] = CARRIERS,
) -> Vocabulary:
    """The first vocabulary found. BaseModelError lists where it was looked for when there is none."""
    named = list(_named_folders(tokenizer_cache_dir))
    folders = [*named, *_model_folders(model_folder), *_hub_folders(environment)]
    for folder in folders:
        if (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
            return read_folder(folder)
        if folder in named and (folder / DATA_FILE).is_file():
            return read_data_file(folder / DATA_FILE)
    for carrier in carriers:
        if (path := _data_file(carrier)) is not None:
            return read_data_file(path)
    looked = ", ".join(str(folder) for folder in folders)
    raise BaseModelError(
        f"the CLIP vocabulary was not found: no vocab.json and merges.txt in {looked}; no installed "
        f"{' or '.join(CARRIERS)}. Run `pip install --no-deps open_clip_torch`, or name the folder of a CLIP "
        "tokenizer "
        "with --tokenizer_cache_dir."
    )


def read_folder(folder: Path) -> Vocabulary:
    """The vocabulary of a tokenizer folder as transformers writes it."""
    ids = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    lines = (folder / "merges.txt").read_text(encoding="utf-8").splitlines()
    return Vocabulary(ids, _pairs(line for line in lines if line and not line.startswith("#version")))


def read_data_file(path: Path) -> Vocabulary:
    """The vocabulary from OpenAI's list of merges: bytes, bytes that end a word, merged pairs, two marks."""
    lines = gzip.decompress(path.read_bytes()).decode("utf-8").split("\n")
    symbols = byte_symbols()
    merges = _pairs(lines[1 : SIZE - 2 * len(symbols) - 2 + 1])
    tokens = [*symbols, *(f"{symbol}</w>" for symbol in symbols), *map("".join, merges), START, END]
    return Vocabulary({token: number for number, token in enumerate(tokens)}, merges)


def byte_symbols() -> list[str]:
    """A printable character for each byte, in CLIP's order: printable Latin-1 as itself, the rest from
    U+0100 on."""
    printable = [
        *range(ord("!"), ord("~") + 1),
        *range(ord("¡"), ord("¬") + 1),
        *range(ord("®"), ord("ÿ") + 1),
    ]
    others = len(set(range(256)) - set(printable))
    return [*map(chr, printable), *(chr(256 + number) for number in range(others))]


def _pairs(lines: Iterator[str] | list[str]) -> tuple[tuple[str, str], ...]:
    pairs = []
    for line in lines:
        first, second = line.split()
        pairs.append((first, second))
    return tuple(pairs)


def _named_folders(folder: Path | None) -> Iterator[Path]:
    """The folder itself, and kohya's cache layout inside it."""
    if folder is not None:
        yield from (folder, folder / HUB_NAME.replace("/", "_"))


def _model_folders(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        yield from (folder / "tokenizer", folder)


def _hub_folders(environment: Mapping[str, str]) -> Iterator[Path]:
    home = Path(environment.get("HF_HOME", Path.home() / ".cache" / "huggingface"))
    hub = Path(environment.get("HF_HUB_CACHE", home / "hub"))
    yield from sorted((hub / f"models--{HUB_NAME.replace('/', '--')}" / "snapshots").glob("*"))


def _data_file(carrier: str) -> Path | None:
    try:
        files = distribution(carrier).files or []
    except PackageNotFoundError:
        return None
    located = (Path(str(file.locate())) for file in files if file.name == DATA_FILE)
    return next((path for path in located if path.is_file()), None)
