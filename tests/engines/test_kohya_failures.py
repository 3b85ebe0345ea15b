"""The failures of kohya's scripts that say something, one row each with what was recorded of 48d368fa: the message
that a user gets names the trouble and keeps the script's own last words. Those that say nothing are refused before
the start, or found by the final file that isn't there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from train_tools.engines.kohya.verdict import why
from train_tools.failures.diagnosis import Evidence, diagnose
from train_tools.runs.engine import Exit

FINAL = "кот.safetensors"
BEGINNING = "10:00:00 INFO     Loading settings from /runs/it's [a] run/config.toml...  train_util.py:4745\n"
TRACEBACK = """Traceback (most recent call last):
  File "/checkout/train_network.py", line 1871, in <module>
    trainer.train(args)
{raised}
"""
LAUNCHER = """Traceback (most recent call last):
  File "/venv/lib/python3.11/site-packages/accelerate/commands/launch.py", line 816, in simple_launcher
    raise subprocess.CalledProcessError(returncode=process.returncode, cmd=cmd)
subprocess.CalledProcessError: Command '['/venv/bin/python', 'train_network.py', '--config_file', 'c.toml']' {end}
"""


@dataclass(frozen=True, kw_only=True)
class Row:
    said: str = ""
    """Lines before the traceback."""
    raised: str = ""
    """The traceback's last lines; none where the script prints no traceback."""
    code: int = 1
    name: str
    """Of the diagnosis."""
    last_words: str
    """What the user's message keeps of the script's."""

    @property
    def log(self) -> str:
        return BEGINNING + self.said + (TRACEBACK.format(raised=self.raised) if self.raised else "")


LOUD = {
    "misspelt flag on the command line": Row(
        said="usage: train_network.py [-h] [--console_log_level {DEBUG,INFO,WARNING,ERROR,CRITICAL}]\n"
        "train_network.py: error: unrecognized arguments: --network_dimm 8\n",
        code=2,
        name="option refused",
        last_words="error: unrecognized arguments: --network_dimm 8",
    ),
    "bad choice on the command line": Row(
        said="train_network.py: error: argument --save_precision: invalid choice: 'float8' (choose from None,"
        " 'float', 'fp16', 'bf16')\n",
        code=2,
        name="option refused",
        last_words="argument --save_precision: invalid choice: 'float8'",
    ),
    "bad number on the command line": Row(
        said="train_network.py: error: argument --network_dim: invalid int value: 'eight'\n",
        code=2,
        name="option refused",
        last_words="invalid int value: 'eight'",
    ),
    "config file missing": Row(
        said="                    INFO     /runs/a/config.toml not found.      train_util.py:4741\n",
        name="file missing",
        last_words="/runs/a/config.toml not found.",
    ),
    "error in the TOML": Row(
        raised="toml.decoder.TomlDecodeError: Found invalid character in key name: ':'. (line 3 column 5 char 40)",
        name="option refused",
        last_words="Found invalid character in key name",
    ),
    "section header twice": Row(
        raised="toml.decoder.TomlDecodeError: What? network already exists?{'network_dim': 8} (line 9 column 1)",
        name="option refused",
        last_words="network already exists?",
    ),
    "array of two types": Row(
        raised="toml.decoder.TomlDecodeError: Not a homogeneous array (line 1 column 1 char 0)",
        name="option refused",
        last_words="Not a homogeneous array",
    ),
    "resolution as a number": Row(
        raised="AttributeError: 'int' object has no attribute 'split'",
        name="option of another type",
        last_words="'int' object has no attribute 'split'",
    ),
    "error in the dataset file": Row(
        said="                    ERROR    Invalid user config / ユーザ設定の形式が正しくない\n",
        raised="voluptuous.error.MultipleInvalid: extra keys not allowed @ "
        "data['datasets'][0]['subsets'][0]['num_repeat']",
        name="option refused",
        last_words="extra keys not allowed @ data['datasets'][0]['subsets'][0]['num_repeat']",
    ),
    "empty caption file": Row(
        raised="AssertionError: caption file is empty / キャプションファイルが空です: /d/1_a/it's [b] 猫.txt",
        name="unreadable caption",
        last_words="/d/1_a/it's [b] 猫.txt",
    ),
    "file that is no image": Row(
        said="                    WARNING  failed to get image size: /d/1_a/garbage.png, error: cannot"
        " identify image file '/d/1_a/garbage.png'  train_util.py:1489\n",
        raised="ZeroDivisionError: division by zero",
        name="image without a size",
        last_words="ZeroDivisionError: division by zero",
    ),
    "image thinner than a step of the buckets": Row(
        raised="ZeroDivisionError: float division by zero",
        name="image without a size",
        last_words="ZeroDivisionError",
    ),
    "base model does not exist": Row(
        raised='ValueError: The provided pretrained_model_name_or_path "/models/gone.safetensors" is neither'
        " a valid local path nor a valid repo id. Please check the parameter.",
        name="file missing",
        last_words="neither a valid local path nor a valid repo id",
    ),
    "v2 on an SD1 model": Row(
        raised="RuntimeError: Error(s) in loading state_dict for UNet2DConditionModel:\n"
        "\tsize mismatch for down_blocks.0.attentions.0.proj_in.weight: copying a param with shape"
        " torch.Size([320, 320, 1, 1]) from checkpoint, the shape in current model is torch.Size([320, 320]).",
        name="wrong model family",
        last_words="Error(s) in loading state_dict for UNet2DConditionModel",
    ),
    "network_module missing": Row(
        raised="AttributeError: 'NoneType' object has no attribute 'startswith'",
        name="option of another type",
        last_words="'NoneType' object has no attribute 'startswith'",
    ),
    "truncated image": Row(
        said="                    ERROR    Error loading file: /d/1_a/cut.png      train_util.py:2960\n",
        raised="OSError: image file is truncated (13 bytes not processed)",
        name="unreadable image",
        last_words="image file is truncated",
    ),
    "number as text": Row(
        raised="TypeError: can't multiply sequence by non-int of type 'float'",
        name="option of another type",
        last_words="can't multiply sequence by non-int of type 'float'",
    ),
    "image of another size without buckets": Row(
        raised="AssertionError: image too large, but cropping and bucketing are disabled / 画像サイズが大きいので"
        "face_crop_aug_rangeかrandom_crop、またはbucketを有効にしてください: /d/1_a/large.png",
        name="image of another size",
        last_words="/d/1_a/large.png",
    ),
    "output_dir missing": Row(
        said="steps: 100%|██████████| 6/6 [01:46<00:00, 26.53s/it, avr_loss=1.23]\n",
        raised="TypeError: expected str, bytes or os.PathLike object, not NoneType",
        name="option of another type",
        last_words="not NoneType",
    ),
    "main memory exhausted": Row(
        raised="RuntimeError: [enforce fail at alloc_cpu.cpp:114] . DefaultCPUAllocator: can't allocate memory:"
        " you tried to allocate 9437184 bytes. Error code 12 (Cannot allocate memory)",
        name="out of memory",
        last_words="you tried to allocate 9437184 bytes",
    ),
    "GPU memory exhausted": Row(
        raised="torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total"
        " capacity of 7.79 GiB of which 5.19 MiB is free.",
        name="out of GPU memory",
        last_words="CUDA out of memory. Tried to allocate 20.00 MiB.",
    ),
}


@pytest.mark.parametrize("row", LOUD.values(), ids=LOUD)
def test_what_a_script_fails_with_is_told_in_our_words_and_its_own(row: Row, tmp_path: Path):
    log = tmp_path / "run.log"
    log.write_text(row.log, encoding="utf-8")
    found = diagnose(Evidence(log=row.log, exit_=Exit(code=row.code)))
    assert found.name == row.name
    message = why(FINAL, row.code, log)
    assert message.startswith(found.happened)
    assert row.last_words in message


@pytest.mark.parametrize("row", LOUD.values(), ids=LOUD)
def test_a_launcher_that_makes_1_of_every_exit_code_hides_nothing(row: Row):
    """Whoever starts the pasted command with accelerate has its traceback behind the script's."""
    log = row.log + LAUNCHER.format(end=f"returned non-zero exit status {row.code}.")
    assert diagnose(Evidence(log=log, exit_=Exit(code=1))).name == row.name


@pytest.mark.parametrize(
    ("log", "code"),
    [("", -9), ("", 137), (LAUNCHER.format(end="died with <Signals.SIGKILL: 9>."), 1)],
    ids=["seen by its parent", "seen by a shell", "seen by the launcher"],
)
def test_a_script_that_was_killed_is_known_by_its_signal_alone(log, code):
    assert diagnose(Evidence(log=BEGINNING + log, exit_=Exit(code=code))).name == "killed"


def test_no_images_and_exit_code_0_are_a_failure_in_words(tmp_path):
    log = tmp_path / "run.log"
    log.write_text(
        BEGINNING + "                    WARNING  ignore subset with image_dir='/d/1_a': no images found\n"
        "                    ERROR    No data found. Please verify arguments (train_data_dir must be the parent of"
        " folders with images) / 画像がありません。引数指定を確認してください  train_network.py:577\n",
        encoding="utf-8",
    )
    message = why(FINAL, 0, log)
    assert message.startswith(f"The trainer ended as if all were well, but {FINAL} is not there.")
    assert "no images were found" in message
    assert "No data found." in message
