"""The options of the bundled engine as JSON: what may stand in run folders, grid files and scripts of users.

`python -m tests.contract.bundled_options > tests/golden/bundled_options.json` records them anew.
"""

from __future__ import annotations

import json
import sys

from train_tools.options.bundled import bundled_options


def listed() -> list[list[object]]:
    """Name, type, default, choices, smallest value, mark, whether a user may set it and whether it counts."""
    return [
        [
            option.name,
            option.spec.type,
            list(option.spec.default) if isinstance(option.spec.default, tuple) else option.spec.default,
            list(option.spec.choices),
            option.spec.minimum,
            option.danger.value,
            not option.refusal,
            option.decides_result,
        ]
        for option in bundled_options().values()
    ]


def written() -> str:
    """One line an option, so that a change reads well."""
    lines = ",\n ".join(json.dumps(entry, ensure_ascii=False) for entry in listed())
    return f"[{lines}]\n"


if __name__ == "__main__":
    sys.stdout.write(written())
