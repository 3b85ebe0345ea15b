from __future__ import annotations

import re
import signal
import string
import subprocess
import sys

import pytest

from sd_contract.attempt import Result
from train_tools.failures.diagnosis import UNKNOWN, Evidence, diagnose, signal_of
from train_tools.failures.signs import TROUBLES
from train_tools.jobs.kind import Exit

LAUNCHER = """Traceback (most recent call last):
  File "/venv/lib/accelerate/commands/launch.py", line 1199, in simple_launcher
    raise subprocess.CalledProcessError(returncode=process.returncode, cmd=cmd)
subprocess.CalledProcessError: Command '['/venv/bin/python', '/a/CUDA out of memory/train.py']' {end}
"""
WRITTEN = [
    ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB.", "out of GPU memory"),
    ("RuntimeError: CUDA error: out of memory", "out of GPU memory"),
    ("RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`", "out of GPU memory"),
    ("[enforce fail at alloc_cpu.cpp:114] err == 0. DefaultCPUAllocator: can't allocate memory", "out of memory"),
    ("numpy._ArrayMemoryError: Unable to allocate 1.2 GiB for an array with shape (9, 9)", "out of memory"),
    ("OSError: [WinError 1455] The paging file is too small for this operation", "out of memory"),
    ("RuntimeError: NaN detected in latents: /data/a.png", "not a number"),
    ("steps:  10%|#  | 1/10 [00:01<00:09,  1.0s/it, avr_loss=nan]", "not a number"),
    ("ImportError: No bitsandbytes / bitsandbytesがインストールされていないようです", "bitsandbytes"),
    ("AttributeError: 'NoneType' object has no attribute 'cget_managed_ptr'", "bitsandbytes"),
    ('error: optimizer_type = "AdamW8bit" needs an NVIDIA GPU, and none was found. Use "AdamW".', "bitsandbytes"),
    ("ImportError: No xformers / xformersがインストールされていないようです", "xformers"),
    ("ModuleNotFoundError: No module named 'xformers'", "xformers"),
    ("NotImplementedError: No operator found for `memory_efficient_attention_forward`", "xformers"),
    ("ModuleNotFoundError: No module named 'voluptuous'", "module missing"),
    ("ImportError: cannot import name 'x' from 'diffusers.utils' (/a/b.py)", "module missing"),
    ("RuntimeError: The NVIDIA driver on your system is too old (found version 11040).", "driver too old"),
    ("AssertionError: Torch not compiled with CUDA enabled", "no CUDA"),
    ("RuntimeError: No CUDA GPUs are available", "no CUDA"),
    ("RuntimeError: Found no NVIDIA driver on your system.", "no CUDA"),
    ("RuntimeError: CUDA error: no kernel image is available for execution on the device", "GPU not supported"),
    ("RuntimeError: CUDA error: an illegal memory access was encountered", "GPU error"),
    ("RuntimeError: cuDNN error: CUDNN_STATUS_EXECUTION_FAILED", "GPU error"),
    ("RuntimeError: DataLoader worker (pid 7) is killed by signal: Bus error. It is possible", "shared memory"),
    ("OSError: [Errno 28] No space left on device: '/out/cat.safetensors'", "disk full"),
    ("SafetensorError: Error while serializing: IoError(Os { code: 28, kind: StorageFull })", "disk full"),
    ("OSError: [Errno 122] Disk quota exceeded", "disk full"),
    ("OSError: Can't load tokenizer for 'openai/clip-vit-large-patch14'.", "tokenizer missing"),
    ("OSError: We couldn't connect to 'https://huggingface.co' to load this file", "tokenizer missing"),
    ("PIL.UnidentifiedImageError: cannot identify image file '/data/a.png'", "unreadable image"),
    ("OSError: image file is truncated (3 bytes not processed)", "unreadable image"),
    ("AssertionError: caption file is empty / キャプションファイルが空です: /data/a.txt", "unreadable caption"),
    ("UnicodeDecodeError: 'utf-8' codec can't decode byte 0xff in position 0", "unreadable caption"),
    ("RuntimeError: Error(s) in loading state_dict for UNet2DConditionModel:", "wrong model family"),
    ("error: base model: /m/x.safetensors is a LoRA file. Choose another.", "wrong model family"),
    ("ERROR    No data found. Please verify arguments (train_data_dir must be the parent", "dataset empty"),
    ("safetensors_rust.SafetensorError: Error while deserializing header: HeaderTooLarge", "damaged file"),
    ("_pickle.UnpicklingError: invalid load key, '<'.", "damaged file"),
    ("PermissionError: [Errno 13] Permission denied: '/out'", "no permission"),
    ("FileNotFoundError: [Errno 2] No such file or directory: '/m/vae.pt'", "file missing"),
    ("OSError: [Errno 98] Address already in use", "port taken"),
    ("RuntimeError: The server socket has failed to listen: errno: 98 - EADDRINUSE", "port taken"),
    ("OSError: [Errno 24] Too many open files", "too many open files"),
    ("train_network.py: error: unrecognized arguments: --network_dimm 8", "option refused"),
    ("voluptuous.error.MultipleInvalid: extra keys not allowed @ data['datasets'][0]", "option refused"),
    ("KeyboardInterrupt", "interrupted"),
    ("Fatal Python error: Segmentation fault", "crashed"),
]


def named(**evidence: object) -> str:
    return diagnose(Evidence(**evidence)).name


@pytest.mark.parametrize(("line", "name"), WRITTEN)
def test_a_line_in_the_log_says_what_happened(line, name):
    """The launcher's own traceback comes behind it, as it does behind every failure."""
    log = f"loading\n{line}\n" + LAUNCHER.format(end="returned non-zero exit status 1.")
    assert named(log=log, exit_=Exit(code=1)) == name


def test_the_last_line_that_says_something_counts():
    log = "A matching Triton is not available: No module named 'triton'\nsteps: 5\nCUDA out of memory.\nbye\n"
    assert named(log=log) == "out of GPU memory"


def test_a_launchers_command_says_nothing():
    assert named(log=LAUNCHER.format(end="returned non-zero exit status 1."), exit_=Exit(code=1)) == UNKNOWN


def test_a_killed_child_is_known_by_its_launchers_last_words():
    assert named(log=LAUNCHER.format(end="died with <Signals.SIGKILL: 9>."), exit_=Exit(code=1)) == "killed"


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (-9, "killed"),
        (137, "killed"),
        (-15, "interrupted"),
        (143, "interrupted"),
        (130, "interrupted"),
        (-11, "crashed"),
        (0xC0000005, "crashed"),
        (0xC0000005 - 2**32, "crashed"),
        (127, "not started"),
        (0, "no result"),
        (1, UNKNOWN),
        (None, UNKNOWN),
    ],
)
def test_without_words_the_exit_code_says_what_happened(code, name):
    assert named(log="steps: 7\n", exit_=Exit(code=code)) == name


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals that end a process")
@pytest.mark.parametrize(("number", "name"), [(signal.SIGKILL, "killed"), (signal.SIGSEGV, "crashed")])
def test_a_process_that_a_signal_ends_has_such_a_code(number, name):
    kill_me = f"import os; os.kill(os.getpid(), {int(number)})"
    code = subprocess.call([sys.executable, "-c", kill_me], stderr=subprocess.DEVNULL)
    assert named(exit_=Exit(code=code)) == name
    assert signal_of(code) == signal_of(128 + number) == number


def test_the_trainers_own_word_and_cause_outweigh_its_log():
    word = Result(outcome="failed", step=3, total_steps=9, message="disk: No space left on device")
    assert named(log="CUDA out of memory", result=word) == "disk full"
    nan = Result(outcome="failed", step=3, total_steps=9, message="the loss is no number", cause="not a number")
    assert named(log="CUDA out of memory", result=nan) == "not a number"


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ("out of memory while training: 2.0 GiB more were needed, 1 GiB of the GPU's 8 GiB were free.", "GPU "),
        ("out of memory while loading: 9.0 MiB more were needed.", ""),
    ],
)
def test_which_memory_ran_out_is_told(message, name):
    word = Result(outcome="failed", step=0, total_steps=9, message=message, cause="out of memory")
    assert named(result=word) == f"out of {name}memory"


def test_an_end_from_outside_outweighs_what_the_log_warned_of_before():
    log = "UserWarning: A matching Triton is not available\nModuleNotFoundError: No module named 'triton'\n"
    assert named(log=log, exit_=Exit(code=-9)) == "killed"
    assert named(log=log, exit_=Exit(code=-6)) == "module missing"


def test_what_was_found_wrong_with_a_result_counts_when_the_trainer_thought_that_it_was_done():
    done = Result(outcome="done", step=9, total_steps=9)
    message = "/out/cat.safetensors is cut short: 9 bytes instead of 99. Copy or download it again."
    assert named(log="saved", exit_=Exit(code=0), result=done, message=message) == "damaged file"


def test_a_complaint_of_the_queue_counts_where_the_log_says_nothing():
    message = "Could not write cat.safetensors in /out. The disk is full: free some space, then start again."
    assert named(log="steps: 9\n", exit_=Exit(code=0), message=message) == "disk full"


@pytest.mark.parametrize(
    "line",
    [
        "image sizes: 512x512",
        "INFO     20 image files found in /data/10_cat",
        "loading image sizes. 100%|####| 4/4 [00:00<00:00]",
        "loss=0.0123, avr_loss=0.0456",
        "keep image names: no",
    ],
)
def test_what_a_sound_log_says_is_no_sign(line):
    assert named(log=f"{line}\n", exit_=Exit(code=1)) == UNKNOWN


def test_a_word_that_is_not_known_is_told_as_it_is():
    word = Result(outcome="failed", step=3, total_steps=9, message="unlucky")
    told = diagnose(Evidence(log="CUDA out of memory", result=word))
    assert (told.name, told.happened) == (UNKNOWN, "unlucky")


def test_a_job_that_was_never_started_is_judged_by_its_message():
    sentence = "The dataset was changed after this run was queued, so it would no longer be the run."
    assert named(message=sentence) == "dataset changed"
    assert diagnose(Evidence(message="No trainer is installed.")).happened == "No trainer is installed."


def test_a_message_made_of_the_other_signs_is_no_sign_itself():
    message = "It ended 5 times without saying why (killed from outside, or out of memory?). CUDA out of memory."
    assert named(message=message, exit_=Exit(code=-15)) == "interrupted"


def test_what_is_missing_is_named():
    missing = diagnose(Evidence(log="ModuleNotFoundError: No module named 'voluptuous'"))
    assert "missing or broken: voluptuous." in missing.happened
    image = diagnose(Evidence(log="PIL.UnidentifiedImageError: cannot identify image file '/d/кот [1].png'"))
    assert image.happened == "An image can't be read: /d/кот [1].png."
    assert diagnose(Evidence(log="ZeroDivisionError: division by zero")).happened == "An image can't be read."


def test_nothing_at_all_is_still_told():
    told = diagnose(Evidence())
    assert "nobody saw its end" in told.happened
    assert told.next_steps


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.name)
def test_each_trouble_is_told_in_sentences_and_has_signs(trouble):
    for text in (trouble.happened, trouble.advice):
        assert text[0] in string.ascii_uppercase and text.endswith(".")
    assert trouble.signs or trouble.codes or trouble.signals
    gaps = set(re.findall(r"\{\W*(\w+)\}", trouble.happened + trouble.advice))
    groups = {name for sign in trouble.signs for name in re.compile(sign).groupindex}
    assert gaps == groups
    assert not re.search(r"[{}]", diagnose(Evidence(exit_=Exit(code=(trouble.codes or (1,))[0]))).sentence)


def test_names_are_told_apart():
    assert len({trouble.name for trouble in TROUBLES}) == len(TROUBLES)
