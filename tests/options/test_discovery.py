from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.jobs.patience import eventually
from tests.options.answers import NEWEST, answers
from train_tools.errors import EngineNotUsableError
from train_tools.options.discovery import Way, asked, discovered

SCRIPT = """
import argparse
import enum
import torch
import torch.nn as nn
import numpy as np
from packaging import version
from accelerate.utils import set_seed
from library import train_util

VERSION_OK = torch.__version__ >= "2.0" and version.parse(torch.__version__) < version.parse("3")
SCALE = np.pi * 2 ** 0.5 / (1 + np.float32(3))
SIZES = [int(number) for number in np.arange(3)]
if torch.cuda.is_available():
    raise SystemExit("there is no card here")

class Net(nn.Module):
    dtype: torch.dtype = torch.float32

    @torch.no_grad()
    def forward(self, x: "torch.Tensor | None" = None) -> torch.Tensor:
        with torch.autocast("cuda"):
            return self.layer(x)

class Both(Net, torch.utils.data.Dataset):
    pass

@torch.jit.script
def double(x):
    return 2 * x

class Kind(enum.Enum):
    ONE = 1

def setup_parser():
    parser = argparse.ArgumentParser()
    train_util.add_options(parser)
    parser.add_argument("--kind", choices=[None, "a"], default=None, help="kind / 種類")
    return parser
"""
LIBRARY = """
import torch
from transformers import CLIPTextModel

def int_or_float(value):
    return float(value) if "." in value else int(value)

def add_options(parser):
    parser.add_argument("--network_dim", type=int, default=4)
    parser.add_argument("--lr_warmup_steps", type=int_or_float, default=0)
    parser.add_argument("--text_encoder_lr", type=float, nargs="*")
    parser.add_argument("--v2", action="store_true")
    parser.add_argument("--device", default=torch.device("cpu"))
"""


@pytest.fixture
def checkout(tmp_path: Path, awkward_name: str) -> Path:
    folder = tmp_path / awkward_name
    (folder / "library").mkdir(parents=True)
    (folder / "train_network.py").write_text(SCRIPT, encoding="utf-8")
    (folder / "library" / "__init__.py").touch()
    (folder / "library" / "train_util.py").write_text(LIBRARY, encoding="utf-8")
    return folder


def plain(folder: Path, text: str) -> Path:
    (folder / "train_network.py").write_text(text, encoding="utf-8")
    return folder


def by_stubs(folder: Path, time_limit_s: float = 60.0):
    return asked(folder, "train_network", Way.STUBS, sys.executable, time_limit_s)


def test_a_script_is_asked_without_what_it_imports(checkout):
    found = {option.name: option for option in by_stubs(checkout)}
    assert {name: (option.type, option.nargs, option.default) for name, option in found.items()} == {
        "network_dim": ("int", None, 4),
        "lr_warmup_steps": ("int_or_float", None, 0),
        "text_encoder_lr": ("float", "*", None),
        "v2": ("", 0, False),
        "device": ("", None, found["device"].default),
        "kind": ("", None, None),
    }
    assert found["kind"].choices == (None, "a")
    assert found["kind"].help == "kind / 種類"
    assert isinstance(found["device"].default, str)


def test_nothing_is_left_in_the_checkout(checkout):
    before = sorted(checkout.rglob("*"))
    by_stubs(checkout)
    assert sorted(checkout.rglob("*")) == before


def test_its_own_environment_answers_the_same_where_everything_is_installed(tmp_path):
    folder = plain(
        tmp_path,
        "import argparse, PIL\n"
        "def setup_parser():\n"
        "    parser = argparse.ArgumentParser()\n"
        "    parser.add_argument('--seed', type=int)\n"
        "    return parser\n",
    )
    assert asked(folder, "train_network", Way.OWN, sys.executable) == by_stubs(folder)


def test_in_its_own_environment_no_file_of_ours_is_taken_for_a_module_of_pythons(tmp_path):
    """NumPy needs `secrets`, and there is a file of that name beside the program that asks."""
    folder = plain(
        tmp_path,
        "import argparse\n"
        "from secrets import token_hex\n"
        "def setup_parser():\n"
        "    parser = argparse.ArgumentParser()\n"
        "    parser.add_argument('--seed', type=int, default=len(token_hex(4)))\n"
        "    return parser\n",
    )
    [seed] = asked(folder, "train_network", Way.OWN, sys.executable)
    assert seed.default == 8


def test_in_its_own_environment_what_is_missing_is_told(checkout):
    (checkout / "train_network.py").write_text("import no_such_package_anywhere\n", encoding="utf-8")
    with pytest.raises(EngineNotUsableError, match="No module named 'no_such_package_anywhere'"):
        asked(checkout, "train_network", Way.OWN, sys.executable)


def test_a_checkout_that_lacks_a_file_of_its_own_is_told(checkout):
    (checkout / "library" / "train_util.py").unlink()
    with pytest.raises(EngineNotUsableError, match=r"does not say which options it has .* train_util"):
        by_stubs(checkout)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "has no attribute 'setup_parser'"),
        ("def setup_parser(): return None", "AttributeError"),
        ("syntax error", "SyntaxError"),
        ("import sys; sys.exit(0)", r"exit code 0.: it prints nothing"),
        ("import os; os._exit(3)", r"exit code 3"),
        ("raise RuntimeError('кот')", "кот"),
    ],
)
def test_a_script_that_does_not_answer_is_told(tmp_path, text, told):
    with pytest.raises(EngineNotUsableError, match=told):
        by_stubs(plain(tmp_path, text))


def test_a_script_that_never_ends_is_ended_with_its_children(tmp_path):
    folder = plain(
        tmp_path,
        "import pathlib, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "pathlib.Path(__file__).with_name('child').write_text(str(child.pid))\n"
        "time.sleep(60)\n",
    )
    with pytest.raises(EngineNotUsableError, match="did not say within 5 s"):
        by_stubs(folder, time_limit_s=5)
    import psutil

    pid = int((tmp_path / "child").read_text())
    eventually(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)


def test_a_python_that_is_not_there_is_told(tmp_path):
    with pytest.raises(EngineNotUsableError, match="could not be started"):
        asked(plain(tmp_path, ""), "train_network", Way.OWN, str(tmp_path / "no-python"))


def test_no_secret_of_the_environment_reaches_the_script(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "s3cret")
    folder = plain(tmp_path, "import os, sys\nsys.exit(os.environ.get('WANDB_API_KEY', 'nothing known'))")
    with pytest.raises(EngineNotUsableError, match="nothing known"):
        by_stubs(folder)


def test_what_was_answered_is_remembered_by_the_checkouts_content(checkout, tmp_path):
    first = discovered(checkout, "train_network", "content 1", tmp_path / "cache")
    (checkout / "train_network.py").write_text("broken", encoding="utf-8")
    assert discovered(checkout, "train_network", "content 1", tmp_path / "cache") == first
    with pytest.raises(EngineNotUsableError):
        discovered(checkout, "train_network", "content 2", tmp_path / "cache")


def test_a_damaged_memory_is_asked_for_again(checkout, tmp_path):
    first = discovered(checkout, "train_network", "content", tmp_path / "cache")
    [memory] = (tmp_path / "cache" / "options").iterdir()
    memory.write_text('{"options": [{"name": 1}]}', encoding="utf-8")
    assert discovered(checkout, "train_network", "content", tmp_path / "cache") == first


def test_the_recorded_answers_are_whole():
    assert {script: len(options) for script, options in answers(NEWEST).items()} == {
        "train_network": 193,
        "sdxl_train_network": 196,
        "flux_train_network": 215,
        "sd3_train_network": 218,
        "lumina_train_network": 213,
        "hunyuan_image_train_network": 214,
        "anima_train_network": 220,
    }
