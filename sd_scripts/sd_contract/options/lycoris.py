"""What `network_args` say of a network of LyCORIS beside ranks, dropout and LoRA+: the method and its shape."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from sd_contract.errors import OptionError

ALGORITHMS: Mapping[str, str] = {
    **dict.fromkeys(("locon", "lora"), "locon"),
    **{name: name for name in ("loha", "lokr", "full", "ia3", "glora", "diag-oft", "boft", "dylora")},
}
"""Names of methods, and what each is called here."""
WITHOUT_RANK = frozenset({"full", "ia3"})
"""Methods to which a rank and an alpha mean nothing."""
ORTHOGONAL = ("diag-oft", "boft")
ONLY_OF: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("dora_wd", "use_tucker"), ("locon", "loha", "lokr")),
    **dict.fromkeys(("use_scalar", "rs_lora"), ("locon", "loha", "lokr", "glora")),
    **dict.fromkeys(("factor", "decompose_both", "full_matrix", "unbalanced_factorization"), ("lokr",)),
    **dict.fromkeys(("constraint", "rescaled"), ORTHOGONAL),
    "block_size": ("dylora",),
    "train_on_input": ("ia3",),
}
"""Arguments that mean something to some methods alone."""


@dataclass(frozen=True, kw_only=True)
class Lycoris:
    """How the layers of a network of LyCORIS are changed. Names and defaults are those of `lycoris.kohya`, except
    that `wd_on_output` is False; `train_on_input` only presets know."""

    algo: str = "locon"
    preset: str = "full"
    """A name, or a TOML file."""
    use_tucker: bool = False
    """Convolutions with a kernel of their own between the two matrices."""
    use_scalar: bool = False
    """A factor that learns instead of a matrix that begins with 0."""
    block_size: int = 4
    """Ranks that DyLoRA trains at a time."""
    train_norm: bool = False
    constraint: float = 0.0
    rescaled: bool = False
    dora_wd: bool = False
    wd_on_output: bool = False
    """Along which side DoRA measures lengths. LyCORIS measures along the output; A1111 knows the input alone."""
    full_matrix: bool = False
    bypass_mode: bool = False
    """Taken and without effect: outputs are added to where that gives the same as adding to weights."""
    rs_lora: bool = False
    factor: int = -1
    decompose_both: bool = False
    unbalanced_factorization: bool = False
    train_on_input: bool = False

    def __post_init__(self) -> None:
        if self.algo not in ALGORITHMS:
            raise OptionError(f'network_args: "algo={self.algo}" can\'t be used. {_near(self.algo)}')
        object.__setattr__(self, "algo", ALGORITHMS[self.algo])
        for name, algorithms in ONLY_OF.items():
            if getattr(self, name) != getattr(Lycoris, name) and self.algo not in algorithms:
                raise OptionError(
                    f"network_args: {name} means nothing to algo={self.algo}, only to {_listed(algorithms)}. "
                    "Remove it, or choose another algo."
                )
        if self.wd_on_output and not self.dora_wd:
            raise OptionError("network_args: wd_on_output has no effect without dora_wd=True. Set it too.")
        if self.decompose_both and self.full_matrix:
            raise OptionError(
                "network_args: decompose_both makes both matrices of LoKr small, full_matrix keeps both whole. "
                "Remove one of them."
            )


def _near(name: str) -> str:
    if name in ("dora", "doha", "dokr"):
        return "DoRA is dora_wd=True beside algo=locon, loha or lokr."
    near = difflib.get_close_matches(name, ALGORITHMS, n=1)
    return f"Did you mean {near[0]!r}?" if near else f"There are {', '.join(ALGORITHMS)}."


def _listed(names: tuple[str, ...]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
