"""The command lines of the LoRA tools: kohya's flags, and a few more. Without torch, so that a word that is wrong
is told at once."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path

from lora_engine.output.reporting import Reporter
from lora_engine.session import carry_out
from sd_contract.attempt import Outcome
from sd_contract.errors import OptionError

PRECISIONS = ("float", "fp16", "bf16")
METHODS = ("sv_ratio", "sv_fro", "sv_cumulative")
SCHEMES = ("kohya", "kohya-diffusers", "peft")


def carry_out_tool(name: str, arguments: Sequence[str]) -> int:
    """Runs a tool on its command line and returns the exit code."""

    def run(words: Sequence[str], reporter: Reporter) -> Outcome:
        asked = PARSERS[name]().parse_args(words)
        if name in CHECKS:
            CHECKS[name](asked)
        getattr(import_module("lora_engine.tools.actions"), ACTIONS[name])(asked, reporter)
        return "done"

    return carry_out(run, arguments)


def _merge(about: str = "Merges LoRAs into one, or into a base model.") -> ArgumentParser:
    parser = _saving(ArgumentParser(description=about))
    _models(parser)
    parser.add_argument("--v2", action="store_true", help="accepted; the files tell the family")
    parser.add_argument(
        "--sd_model", type=Path, help="base model to merge into; without it the LoRAs are made one"
    )
    parser.add_argument("--concat", action="store_true", help="ranks add up instead of the weights")
    parser.add_argument("--shuffle", action="store_true", help="another order of the ranks; it changes no image")
    parser.add_argument(
        "--exact", action="store_true", help="ratios and alphas count as when both are used together"
    )
    return parser


def _svd_merge() -> ArgumentParser:
    parser = _saving(ArgumentParser(description="Merges LoRAs into one of a rank, by singular values."))
    _models(parser)
    _ranks(parser)
    parser.add_argument("--device", default="cpu", help="where it is worked out, as cuda")
    parser.add_argument(
        "--clamp_quantile",
        type=float,
        default=0.99,
        help="larger numbers are cut; 1 cuts none and changes no strength",
    )
    return parser


def _resize() -> ArgumentParser:
    parser = _saving(ArgumentParser(description="Makes the rank of a LoRA smaller; its strength stays."))
    parser.add_argument("--model", type=Path, help="the LoRA")
    _ranks(parser)
    parser.add_argument("--device", default="cpu", help="where it is worked out, as cuda")
    parser.add_argument("--verbose", action="store_true", help="tell what is kept of each layer")
    parser.add_argument(
        "--dynamic_method", choices=METHODS, help="each layer gets the rank that it needs by this rule"
    )
    parser.add_argument("--dynamic_param", type=float, help="what that rule aims at")
    return parser


def _extract() -> ArgumentParser:
    parser = _saving(
        ArgumentParser(description="Makes a LoRA of what sets a tuned model apart from its original.")
    )
    parser.add_argument("--v2", action="store_true", help="accepted; the files tell the family")
    parser.add_argument("--sdxl", action="store_true", help="accepted; the files tell the family")
    parser.add_argument("--v_parameterization", action="store_true", help="say that it is for v-prediction models")
    parser.add_argument("--load_precision", choices=PRECISIONS, help="number format that the models are read in")
    parser.add_argument("--model_org", type=Path, help="the original model")
    parser.add_argument("--model_tuned", type=Path, help="the tuned model")
    parser.add_argument("--dim", type=int, default=4, help="rank")
    parser.add_argument(
        "--conv_dim", type=int, help="rank of wide convolutions; residual blocks are left out without"
    )
    parser.add_argument("--device", default="cpu", help="where it is worked out, as cuda")
    parser.add_argument("--clamp_quantile", type=float, default=0.99, help="larger numbers are cut; 1 cuts none")
    parser.add_argument("--min_diff", type=float, default=0.01, help="text encoders that differ less are left out")
    parser.add_argument("--load_original_model_to", help="accepted; tensors are read one at a time")
    parser.add_argument("--load_tuned_model_to", help="accepted; tensors are read one at a time")
    return parser


def _check() -> ArgumentParser:
    parser = ArgumentParser(description="Lists the tensors of a LoRA: name,shape,mean of |x|,smallest |x|.")
    parser.add_argument("file", type=Path)
    parser.add_argument("-s", "--show_all_keys", action="store_true", help="alphas and other tensors too")
    return parser


def _convert() -> ArgumentParser:
    parser = _saving(ArgumentParser(description="Gives the layers of a LoRA the names of other programs."))
    parser.add_argument("--model", type=Path, help="the LoRA, a .pt of old too")
    parser.add_argument("--to", choices=SCHEMES, default="kohya", help="whose names")
    return parser


def _saving(parser: ArgumentParser) -> ArgumentParser:
    parser.add_argument("--save_to", type=Path, help="the .safetensors file to write")
    parser.add_argument("--save_precision", choices=PRECISIONS, help="number format of the file")
    parser.add_argument("--no_metadata", action="store_true", help="only the metadata that loaders need")
    return parser


def _models(parser: ArgumentParser) -> None:
    parser.add_argument("--models", type=Path, nargs="*", default=[], help="the LoRAs")
    parser.add_argument(
        "--ratios", type=float, nargs="*", default=[], help="how strongly each is merged; 1 without"
    )
    parser.add_argument("--lbws", nargs="*", default=[], help="block weights of each, as JSON lists of numbers")
    parser.add_argument(
        "--precision", choices=PRECISIONS, default="float", help="number format it is worked out in"
    )


def _ranks(parser: ArgumentParser) -> None:
    parser.add_argument("--new_rank", type=int, default=4, help="rank; with a rule the largest")
    parser.add_argument("--new_conv_rank", type=int, help="rank of convolutions; without it new_rank")


def _check_merge(asked: Namespace) -> None:
    _needs(asked, "models", "save_to")
    for name in ("ratios", "lbws"):
        given = getattr(asked, name)
        if given and len(given) != len(asked.models):
            raise OptionError(
                f"--{name}: {len(given)} for {len(asked.models)} models. Give one for each of --models, or none."
            )
    _within(asked, "clamp_quantile", 0, 1)
    _check_ranks(asked)


def _check_resize(asked: Namespace) -> None:
    _needs(asked, "model", "save_to")
    _check_ranks(asked)
    if asked.dynamic_method and asked.dynamic_param is None:
        raise OptionError("--dynamic_method needs --dynamic_param: 20 is usual of sv_ratio, 0.9 of the others.")
    if asked.dynamic_method == "sv_ratio" and asked.dynamic_param < 1:
        raise OptionError(f"--dynamic_param {asked.dynamic_param}: of sv_ratio it is at least 1; 20 is usual.")
    if asked.dynamic_method in ("sv_fro", "sv_cumulative"):
        _within(asked, "dynamic_param", 0, 1)


def _check_extract(asked: Namespace) -> None:
    _needs(asked, "model_org", "model_tuned", "save_to")
    _within(asked, "clamp_quantile", 0, 1)
    _at_least_one(asked, "dim", "conv_dim")


def _check_convert(asked: Namespace) -> None:
    _needs(asked, "model", "save_to")


def _check_ranks(asked: Namespace) -> None:
    _at_least_one(asked, "new_rank", "new_conv_rank")


def _needs(asked: Namespace, *names: str) -> None:
    for name in names:
        if not getattr(asked, name):
            raise OptionError(f"--{name} is missing: {MISSING[name]}.")


def _within(asked: Namespace, name: str, least: float, most: float) -> None:
    value = getattr(asked, name, None)
    if value is not None and not least < value <= most:
        raise OptionError(f"--{name} {value}: it lies above {least} and is at most {most}.")


def _at_least_one(asked: Namespace, *names: str) -> None:
    for name in names:
        value = getattr(asked, name, None)
        if value is not None and value < 1:
            raise OptionError(f"--{name} {value}: a rank is at least 1.")


MISSING = {
    "models": "name the LoRA files that are to be merged",
    "model": "name the LoRA file",
    "model_org": "name the original base model",
    "model_tuned": "name the tuned base model",
    "save_to": "name the .safetensors file to write",
}
PARSERS: Mapping[str, Callable[[], ArgumentParser]] = {
    "merge_lora": _merge,
    "sdxl_merge_lora": _merge,
    "svd_merge_lora": _svd_merge,
    "resize_lora": _resize,
    "extract_lora_from_models": _extract,
    "check_lora_weights": _check,
    "convert_lora": _convert,
}
"""The scripts in `networks/` by name."""
CHECKS: Mapping[str, Callable[[Namespace], None]] = {
    "merge_lora": _check_merge,
    "sdxl_merge_lora": _check_merge,
    "svd_merge_lora": _check_merge,
    "resize_lora": _check_resize,
    "extract_lora_from_models": _check_extract,
    "convert_lora": _check_convert,
}
ACTIONS: Mapping[str, str] = {
    "merge_lora": "merge",
    "sdxl_merge_lora": "merge",
    "svd_merge_lora": "svd_merge",
    "resize_lora": "resize",
    "extract_lora_from_models": "extract",
    "check_lora_weights": "check",
    "convert_lora": "convert",
}
"""What each does, by the function's name in `actions`, which imports torch."""
