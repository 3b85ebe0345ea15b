"""The troubles that trainings have, and the signs they are known by: of the bundled trainer, of kohya's scripts,
of PyTorch, drivers and systems. A new one is one entry; where several fit a line, the first counts."""

from __future__ import annotations

import signal
from dataclasses import dataclass

from sd_contract.attempt import Cause
from train_tools.model.failure import NextStep

RETRY, LESS_MEMORY, SUGGEST, CLONE = (
    NextStep.RETRY,
    NextStep.LESS_MEMORY,
    NextStep.SUGGEST,
    NextStep.CLONE,
)


def numbers(*names: str) -> tuple[int, ...]:
    """What this system calls the signals; Windows has only some."""
    return tuple(int(getattr(signal, name)) for name in names if hasattr(signal, name))


def ntstatus(code: int) -> tuple[int, int]:
    """A code of Windows as programs see it: unsigned, and signed."""
    return code, code - 2**32


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """One thing that goes wrong. `{: name}` in the words is ": " and what the group `name` of a sign found, or
    nothing."""

    name: str
    happened: str
    advice: str
    next_steps: tuple[NextStep, ...] = (RETRY,)
    signs: tuple[str, ...] = ()
    """Regular expressions, one of which a line of the log has to match; case does not matter."""
    cause: Cause = ""
    from_outside: bool = False
    """Its signals come from outside: whatever the log says was before."""
    signals: tuple[int, ...] = ()
    codes: tuple[int, ...] = ()


TROUBLES: tuple[Trouble, ...] = (
    Trouble(
        name="out of GPU memory",
        happened="The memory of the graphics card ran out.",
        advice="End other programs that use the card (a WebUI keeps its model there), or take less: batch "
        "size 1, gradient checkpointing, an 8-bit optimizer, a smaller rank or resolution.",
        next_steps=(LESS_MEMORY, RETRY),
        signs=(
            r"(CUDA|HIP|MPS backend) out of memory",
            r"torch\.(cuda\.)?OutOfMemoryError",
            r"CUDA error: out of memory",
            r"CUBLAS_STATUS_ALLOC_FAILED",
            r"cudaErrorMemoryAllocation",
            r"out of memory.* of the GPU's",
        ),
    ),
    Trouble(
        name="out of memory",
        happened="The computer's main memory ran out.",
        advice="Close other programs, allow more swap (on Windows a larger paging file), or take less: batch "
        "size 1, gradient checkpointing, a smaller rank or resolution.",
        next_steps=(LESS_MEMORY, RETRY),
        signs=(
            r"DefaultCPUAllocator",
            r"can't allocate memory",
            r"Cannot allocate memory",
            r"not enough memory: you tried",
            r"^MemoryError",
            r"Unable to allocate .* for an array",
            r"std::bad_alloc",
            r"WinError 1455|paging file is too small",
        ),
        cause="out of memory",
        codes=ntstatus(0xC0000017),
    ),
    Trouble(
        name="killed",
        happened="The system killed the trainer without a warning (signal 9), which it does when main memory "
        "runs out.",
        advice="Close other programs, allow more swap or raise the memory limit of the container or WSL, or "
        "train with less memory.",
        next_steps=(RETRY, LESS_MEMORY),
        signs=(r"died with <Signals\.SIGKILL", r"^Killed$", r"oom-kill"),
        from_outside=True,
        signals=numbers("SIGKILL"),
    ),
    Trouble(
        name="not a number",
        happened="The loss became no number: the training fell apart.",
        advice="Divide the learning rate by 10; check v_parameterization; with fp16, try bf16 or no mixed "
        "precision, and give SDXL a VAE that does not overflow.",
        next_steps=(SUGGEST, CLONE),
        signs=(r"NaN detected in latents", r"\b(avr_)?loss\s*[=:]\s*nan\b"),
        cause="not a number",
    ),
    Trouble(
        name="bitsandbytes",
        happened="The 8-bit optimizer needs the package bitsandbytes and an NVIDIA GPU, and one of them is "
        "missing.",
        advice="Use optimizer_type=AdamW, or install the GPU packages with `python launch.py`.",
        next_steps=(CLONE, RETRY),
        signs=(
            r"bitsandbytes.*(without GPU|CUDA Setup failed|not compiled)",
            r"CUDA Setup failed despite GPU",
            r"libbitsandbytes_cpu|cget_col_row_stats|cget_managed_ptr",
            r"No bitsandbytes|needs the package bitsandbytes|No module named '?bitsandbytes",
            r"8bit\"? needs an NVIDIA GPU",
            r"8bit.*(bitsandbytes|is missing|not installed)",
        ),
    ),
    Trouble(
        name="xformers",
        happened="The package xformers is missing, or does not work with this card.",
        advice="Take the option xformers out: PyTorch's own attention is as fast on most cards.",
        next_steps=(CLONE,),
        signs=(
            r"No xformers|No module named '?xformers",
            r"xformers is not installed|xformers needs an NVIDIA GPU",
            r"No operator found for .?memory_efficient_attention",
            r"xformers.*(can't load C\+\+/CUDA|not available)",
        ),
    ),
    Trouble(
        name="module missing",
        happened="A Python package is missing or broken{: module}.",
        advice="Run `python launch.py` again: it installs what is missing, and nothing else.",
        signs=(
            r"(ModuleNotFoundError: )?No module named '?(?P<module>[\w.]+)",
            r"ImportError: cannot import name .* from '(?P<module>[\w.]+)",
            r"ImportError: .*requires the (?P<module>\w+)",
            r"ImportError: DLL load failed while importing (?P<module>\w+)",
        ),
    ),
    Trouble(
        name="driver too old",
        happened="The driver of the graphics card is too old for the installed PyTorch.",
        advice="Install a newer driver and start the computer anew; or let `python launch.py` install a "
        "PyTorch for this driver.",
        signs=(
            r"driver on your system is too old",
            r"CUDA driver version is insufficient",
            r"forward compatibility was attempted",
            r"unsupported (PTX|toolchain)",
        ),
    ),
    Trouble(
        name="GPU not supported",
        happened="The installed PyTorch was not made for this graphics card.",
        advice="Let `python launch.py` install a PyTorch build for it: newer cards need a newer one, very old "
        "cards an older one.",
        signs=(r"no kernel image is available", r"not compatible with the current PyTorch installation"),
    ),
    Trouble(
        name="no CUDA",
        happened="PyTorch finds no NVIDIA graphics card that it can use.",
        advice="Check that `nvidia-smi` lists the card. If it does, the PyTorch here was made for CPUs: run "
        "`python launch.py` again. In a container, pass the card on to it.",
        signs=(
            r"Torch not compiled with CUDA enabled",
            r"No CUDA GPUs are available",
            r"Found no NVIDIA driver",
            r"no CUDA-capable device",
            r"CUDA (is|was) not available",
            r"needs an NVIDIA GPU",
        ),
    ),
    Trouble(
        name="shared memory",
        happened="The memory that processes share is too small for the data loader's workers.",
        advice="Set max_data_loader_n_workers=0, or give the container more of it (docker: --shm-size=8g).",
        next_steps=(CLONE, RETRY),
        signs=(r"insufficient shared memory|unable to (open|write to) shared memory", r"signal: Bus error"),
        signals=numbers("SIGBUS"),
    ),
    Trouble(
        name="GPU error",
        happened="The graphics card or its driver failed in the middle of the work.",
        advice="Try again. If it comes back: take back overclocking, look at the card's temperature, start "
        "the computer anew, try another driver.",
        signs=(
            r"CUDA error: ",
            r"unspecified launch failure|illegal memory access|device-side assert",
            r"CUDNN_STATUS_(?!NOT_SUPPORTED)|CUBLAS_STATUS_",
            r"GPU is lost|fallen off the bus|\bXid\b",
        ),
    ),
    Trouble(
        name="disk full",
        happened="The disk is full.",
        advice="Free some space (old checkpoints take most), save fewer checkpoints, or choose another disk "
        "with --outputs. What was finished is kept; try again then.",
        signs=(
            r"No space left on device|Errno 28\b|code: 28\b",
            r"Disk quota exceeded|Errno 122\b",
            r"StorageFull|The disk is full",
            r"not enough space on the disk|WinError 112\b",
        ),
    ),
    Trouble(
        name="tokenizer missing",
        happened="The trainer wants a tokenizer or another file of Hugging Face, which is not on this computer.",
        advice="Let it be downloaded once with an internet connection, or set tokenizer_cache_dir to a folder "
        "that has it.",
        next_steps=(RETRY, CLONE),
        signs=(
            r"Can't load (the )?(tokenizer|config|configuration|model) for",
            r"couldn't connect to 'https://huggingface\.co",
            r"LocalEntryNotFoundError|OfflineModeIsEnabled|outgoing traffic has been disabled",
            r"huggingface\.co.*(Max retries exceeded|Temporary failure|Name or service)",
        ),
    ),
    Trouble(
        name="unreadable image",
        happened="An image can't be read{: file}.",
        advice="Replace or remove it (the log names it), prepare the dataset again and submit the grid again.",
        next_steps=(CLONE,),
        signs=(
            r"cannot identify image file (<[^>]*)?'?(?P<file>[^'>]+)",
            r"Error loading file: (?P<file>.+)",
            r"^(error: )?image (?P<file>.+?\.\w{2,5})(: | can't be read)",
            r"image file is truncated|broken data stream|DecompressionBomb|broken PNG",
            r"failed to get image size|ZeroDivisionError",
        ),
    ),
    Trouble(
        name="unreadable caption",
        happened="A caption can't be read{: file}.",
        advice="Save it as UTF-8 text, or delete it, then submit the grid again.",
        next_steps=(CLONE,),
        signs=(
            r"caption file (?P<file>.+?) can't be read",
            r"caption file is empty.*: (?P<file>.+)",
            r"UnicodeDecodeError",
        ),
    ),
    Trouble(
        name="wrong model family",
        happened="The base model is not of the family that this training is for.",
        advice="Choose another base model, or take out options that are for another family (v2, "
        "v_parameterization, clip_skip); LoRAs, inpainting models and refiners can't be trained on.",
        next_steps=(CLONE,),
        signs=(
            r"Error\(s\) in loading state_dict for (UNet|CLIP|AutoencoderKL)",
            r"size mismatch for .*(attn|proj|conv)",
            r"mat1 and mat2 shapes cannot be multiplied",
            r"KeyError: 'conditioner\.",
            r"model, which .* does not train|are those of an? .* model",
            r"base model: .* (is a LoRA file|is an SDXL refiner|of an unknown family|inpainting models do)",
        ),
    ),
    Trouble(
        name="dataset empty",
        happened="There is nothing to train on: no images were found.",
        advice="Add pictures and prepare the dataset, then submit the grid again.",
        next_steps=(),
        signs=(
            r"No data found\. Please verify",
            r"holds no images|no training images|no images are named|holds no <repeats>_<class>",
        ),
    ),
    Trouble(
        name="dataset changed",
        happened="The dataset was changed while the run waited, so it would no longer be the run that was "
        "asked for.",
        advice="Submit the grid again, or clone this run: both take the dataset as it is now.",
        next_steps=(CLONE,),
        signs=(r"dataset was changed after this run was queued",),
    ),
    Trouble(
        name="damaged file",
        happened="A model file is damaged or was not copied whole.",
        advice="Copy or download it again; its size should be that of the original.",
        signs=(
            r"HeaderTooLarge|HeaderTooSmall|InvalidHeader|(Metadata)?Incomplete(Buffer|Metadata)",
            r"PytorchStreamReader failed|invalid load key",
            r"is cut short|is damaged|has bytes too many|is no safetensors file",
            r"SafetensorError",
        ),
    ),
    Trouble(
        name="no permission",
        happened="A file or folder may not be read or written.",
        advice="Check its permissions, close programs that hold it open, or choose another folder with --outputs.",
        signs=(
            r"PermissionError|Permission denied|Errno 13\b|WinError (5|32)\b",
            r"Read-only file system|can't be written",
        ),
    ),
    Trouble(
        name="file missing",
        happened="A file is not where it was{: file}.",
        advice="Put it back, or choose another; a disk that was not connected counts too.",
        next_steps=(RETRY, CLONE),
        signs=(
            r"No such file or directory: b?'(?P<file>[^']+)'",
            r"(?P<file>\S.*\.\w{2,12}) does not exist",
            r"(?P<file>\S+) .*neither a valid local path nor a valid repo id",
            r"FileNotFoundError|WinError [23]\b",
        ),
    ),
    Trouble(
        name="port taken",
        happened="A network port that the trainer wants is taken by another program.",
        advice="Wait until the other training has ended, or give accelerate another --main_process_port.",
        signs=(r"Address already in use|EADDRINUSE|errno:? 98\b|WinError 10048",),
    ),
    Trouble(
        name="too many open files",
        happened="The system allows fewer open files than the data loader wants.",
        advice="Set max_data_loader_n_workers=0, or raise the limit (`ulimit -n`).",
        next_steps=(CLONE, RETRY),
        signs=(r"Too many open files|Errno 24\b",),
    ),
    Trouble(
        name="option refused",
        happened="The trainer does not take an option as it is set.",
        advice="Clone the run with another value for what the log names.",
        next_steps=(CLONE,),
        signs=(
            r"unrecognized arguments|error: argument|invalid choice",
            r"Invalid user config|MultipleInvalid|TomlDecodeError|TOMLDecodeError",
        ),
    ),
    Trouble(
        name="interrupted",
        happened="It was ended from outside: by a person, a logout, or the computer shutting down.",
        advice="Nothing is wrong with the run. Try again: it goes on from the newest saved state.",
        signs=(r"^KeyboardInterrupt", r"died with <Signals\.SIG(TERM|INT|HUP)"),
        from_outside=True,
        signals=numbers("SIGTERM", "SIGINT", "SIGHUP"),
        codes=(*ntstatus(0xC000013A), *ntstatus(0x40010004)),
    ),
    Trouble(
        name="crashed",
        happened="The trainer crashed inside compiled code, without a word from Python.",
        advice="Try again. If it comes back: update the driver, take out xformers and torch_compile, and let "
        "`python launch.py` set the packages up anew.",
        next_steps=(RETRY, CLONE),
        signs=(
            r"Segmentation fault|core dumped|Illegal instruction",
            r"died with <Signals\.SIG(SEGV|ABRT|ILL|FPE|BUS)",
        ),
        signals=numbers("SIGSEGV", "SIGABRT", "SIGILL", "SIGFPE"),
        codes=(*ntstatus(0xC0000005), *ntstatus(0xC0000409), *ntstatus(0xC000001D)),
    ),
    Trouble(
        name="not started",
        happened="The trainer could not be started at all.",
        advice="Run `python launch.py` again: the Python or the scripts it starts are missing.",
        signs=(r"could not be started",),
        codes=(126, 127, 9009),
    ),
    Trouble(
        name="no result",
        happened="The trainer ended as if all were well, but left no result and no final checkpoint.",
        advice="Read the log: most often no image was found, or an option made it stop early.",
        next_steps=(RETRY, CLONE),
        codes=(0,),
    ),
)
