"""What the file of a LoRA says of the base models it is for, and the metadata of files that are made of others."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sd_contract.base_models.model_shapes import Family, Shapes
from sd_contract.loras.names import has_names_of_sdxl, has_names_of_stability
from sd_contract.output.checkpoints import DIFFUSERS, SOFTWARE, STABILITY

Metadata = Mapping[str, str]
DYNAMIC = "Dynamic"
"""What kohya's tools write for a rank or an alpha that differs from layer to layer."""
ADAPTER = "lora_adapter_metadata"
"""Where diffusers keeps the ranks and alphas of the files it writes."""
CROSS_WIDTHS: Mapping[int, Family] = {768: "sd1", 1024: "sd2", 2048: "sdxl"}
VERSIONS: Mapping[str, Family] = {"sd_v1": "sd1", "sd_v2": "sd2", "sdxl": "sdxl"}
ARCHITECTURES: Mapping[str, Family] = {
    "stable-diffusion-v1": "sd1",
    "stable-diffusion-v2": "sd2",
    "stable-diffusion-xl": "sdxl",
}
MINIMUM = ("ss_v2", "ss_base_model_version", "ss_network_module", "ss_network_dim", "ss_network_alpha")
"""What loaders need to know; `no_metadata` leaves out the rest."""


def family_of_lora(shapes: Shapes, metadata: Metadata) -> Family | None:
    """The family of base models that a LoRA is for: by its names, its metadata, the width of the captions it
    reads; None where nothing tells."""
    if has_names_of_sdxl(shapes):
        return "sdxl"
    for key, families in (("ss_base_model_version", VERSIONS), ("modelspec.architecture", ARCHITECTURES)):
        said = metadata.get(key, "")
        for beginning, family in families.items():
            if said.startswith(beginning):
                return family
    widths = {shape[1] for name, shape in shapes.items() if _reads_captions(name) and len(shape) > 1}
    known = next((CROSS_WIDTHS[width] for width in sorted(widths) if width in CROSS_WIDTHS), None)
    return "sdxl" if known is None and has_names_of_stability(shapes) else known


def _reads_captions(name: str) -> bool:
    return ("attn2_to_k" in name or "attn2.to_k" in name) and ("lora_down" in name or "lora_A" in name)


def predicts_v(metadata: Metadata) -> bool:
    """Whether a LoRA says that it is for base models that predict velocity."""
    version = metadata.get("ss_base_model_version", "")
    return version.endswith("_v") or metadata.get("modelspec.prediction_type", "") in ("v", "v_prediction")


@dataclass(frozen=True, kw_only=True)
class Made:
    """What a tool made. `ranks` and `alphas` are those of its layers; `how` is added to the training's comment."""

    title: str
    saved_at: float
    family: Family | None
    ranks: Iterable[int]
    alphas: Iterable[float]
    v_prediction: bool = False
    merged_from: Sequence[str] = ()
    network_arguments: Mapping[str, str] | None = None
    how: str = ""
    minimum: bool = False


def lora_metadata(made: Made, source: Metadata | None = None) -> dict[str, str]:
    """The metadata of a LoRA that a tool has made. Of one `source` all that it tells is carried on; hashes are
    left to whoever writes the file."""
    kept = {
        key: value
        for key, value in (source or {}).items()
        if key.startswith(("ss_", "modelspec.")) and (not made.minimum or key in (*MINIMUM, "ss_network_args"))
    }
    told = {
        **_base_values(made, kept),
        "ss_network_module": "networks.lora",
        "ss_network_dim": _one(made.ranks),
        "ss_network_alpha": _one(map(float, made.alphas)),
    }
    if made.network_arguments is not None:
        told["ss_network_args"] = json.dumps(made.network_arguments)
    if made.how and not made.minimum:
        told["ss_training_comment"] = "; ".join(filter(None, (_comment(kept), made.how)))
    spec = {} if made.minimum else _model_spec(made, kept)
    return {**kept, **told, **spec}


def checkpoint_metadata(made: Made, source: Metadata) -> dict[str, str]:
    """The metadata of a base model that LoRAs were merged into: its own, and what came in."""
    own = {key: value for key, value in source.items() if not key.startswith(("modelspec.hash", "sshs_"))}
    if made.minimum:
        return {key: value for key, value in own.items() if not key.startswith("modelspec.")}
    return {
        **own,
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.title": made.title,
        "modelspec.date": _date(made.saved_at),
        "modelspec.merged_from": ", ".join(made.merged_from),
    }


def merged_from(paths: Iterable[Path]) -> list[str]:
    return [path.stem for path in paths]


def _base_values(made: Made, kept: Metadata) -> dict[str, str]:
    if "ss_base_model_version" in kept or made.family is None:
        return {"ss_v2": kept.get("ss_v2", "False")} if "ss_base_model_version" in kept else {}
    version = {"sd1": "sd_v1", "sd2": "sd_v2", "sdxl": "sdxl_base_v1-0"}[made.family]
    suffix = "_v" if made.v_prediction and made.family != "sdxl" else ""
    return {"ss_v2": str(made.family == "sd2"), "ss_base_model_version": version + suffix}


def _model_spec(made: Made, kept: Metadata) -> dict[str, str]:
    spec = {
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.implementation": STABILITY if made.family == "sdxl" else DIFFUSERS,
        "modelspec.implementation_version": SOFTWARE,
        "modelspec.title": made.title,
        "modelspec.date": _date(made.saved_at),
        "modelspec.prediction_type": "v" if made.v_prediction else "epsilon",
    }
    if made.family is not None and "modelspec.architecture" not in kept:
        spec["modelspec.architecture"] = f"{_architecture(made)}/lora"
    if made.merged_from:
        spec["modelspec.merged_from"] = ", ".join(made.merged_from)
    return spec


def _architecture(made: Made) -> str:
    if made.family == "sd2":
        return "stable-diffusion-v2-768-v" if made.v_prediction else "stable-diffusion-v2-512"
    return "stable-diffusion-xl-v1-base" if made.family == "sdxl" else "stable-diffusion-v1"


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).isoformat(timespec="seconds")


def _comment(kept: Metadata) -> str:
    said = kept.get("ss_training_comment", "")
    return "" if said == "None" else said


def _one(values: Iterable[int | float]) -> str:
    different = set(values)
    return str(different.pop()) if len(different) == 1 else DYNAMIC
