"""The page that lists the options says what the table says."""

import re
from pathlib import Path

import sd_contract
from sd_contract.options import OPTIONS, kohya_options, supported
from sd_contract.options.groups import OPTIMIZERS

PAGE = Path(sd_contract.__file__).parent.parent / "README.md"


def row(spec):
    default = "" if spec.default in (None, ()) else f"`{str(spec.default).lower()}`"
    if isinstance(spec.default, str):
        default = f"`{spec.default}`"
    choices = f" ({', '.join(map(str, spec.choices))})" if len(spec.choices) > 1 else ""
    return f"| `{spec.name}` | {default} | {spec.help}{choices} |"


def test_the_page_lists_every_option_in_the_tables_words():
    lines = PAGE.read_text(encoding="utf-8").splitlines()

    assert [line for line in lines if line.startswith("| `")] == [row(spec) for spec in OPTIONS]


def test_what_the_page_calls_not_supported_is_not_supported():
    section = PAGE.read_text(encoding="utf-8").split("## Not supported", 1)[1]
    listed = {name for name in re.findall(r"`(\w+)`", section) if name in kohya_options()}

    assert {"dataset_class", "validation_split"} <= listed
    assert [name for name in listed if supported(name)] == []


def test_the_page_says_which_optimizer_is_left_out_and_why():
    assert "- optimizer `DAdaptAdan`: the package's step is not that" in PAGE.read_text(encoding="utf-8")
    assert "DAdaptAdan" not in OPTIMIZERS
