"""The page that lists the options says what the table says."""

import re
from pathlib import Path

import sd_contract
from sd_contract.options import OPTIONS, kohya_options, supported
from sd_contract.options.groups import OPTIMIZERS
from sd_contract.options.known_optimizers import NOT_TAKEN
from sd_contract.options.table import ON_COMMAND_LINE

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


def section(title):
    """What stands below a heading of the page, up to the next one of its kind."""
    return PAGE.read_text(encoding="utf-8").split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


def named_in(text):
    return {name for name in re.findall(r"`(\w+)`", text) if name in kohya_options()}


def test_every_option_of_kohyas_is_in_the_table_or_has_its_reason_for_missing():
    missing = [name for name in kohya_options() if not supported(name) and name not in ON_COMMAND_LINE]

    assert named_in(section("Not supported")) == set(missing)
    assert all(f"`--{name}`" in section("Supported options") for name in ON_COMMAND_LINE)


def test_every_value_of_kohyas_is_in_the_table_or_has_its_reason_for_missing():
    reasons = dict(re.findall(r"^- `(\w+)`: ((?:.|\n(?!-))+)", section("Values that are not taken"), re.MULTILINE))
    for spec in OPTIONS:
        kohyas = kohya_options()[spec.name].choices if spec.name in kohya_options() else ()
        for value in set(kohyas) - set(spec.choices) if spec.choices else ():
            assert re.search(rf"\b{value}\b", reasons[spec.name]), (spec.name, value)
    assert all(supported(name) for name in reasons)


def test_nothing_is_left_open():
    both = section("Not supported") + section("Values that are not taken")

    assert re.findall(r"[^\n]*not\s+yet[^\n]*", both) == []


def test_the_page_says_which_optimizers_are_left_out_and_why():
    reasons = section("Values that are not taken")

    assert NOT_TAKEN.keys() & set(OPTIMIZERS) == set()
    assert all(name in reasons for name in NOT_TAKEN)
