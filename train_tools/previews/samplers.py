"""The samplers previews may ask for, under one name each. Renderers know how to run them."""

from __future__ import annotations

from collections.abc import Mapping

from train_tools.errors import OptionValueError

SAMPLERS: Mapping[str, str] = {
    "ddim": "DDIM",
    "euler": "Euler",
    "euler_a": "Euler a",
    "dpmpp_2m": "DPM++ 2M",
}
"""Name in settings and files: name on screens and in infotexts."""


def sampler_named(text: str) -> str:
    """The sampler's one name, from that name or its label in any spelling: "DPM++ 2M" is dpmpp_2m."""
    wanted = _squeezed(text)
    for name, label in SAMPLERS.items():
        if wanted in (_squeezed(name), _squeezed(label)):
            return name
    raise OptionValueError(f"Sampler {text!r} is not known. Choose one of: {', '.join(SAMPLERS)}.")


def _squeezed(text: str) -> str:
    return text.lower().replace("_", "").replace(" ", "")
