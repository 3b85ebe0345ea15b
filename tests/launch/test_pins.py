"""What constraints.txt promises."""

import re
import tomllib


def test_every_line_pins_one_exact_version(launch):
    lines = launch.shipped_pins().path.read_text(encoding="ascii").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert [pin for pin in pins if not re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", pin)] == []
    assert pins == sorted(set(pins))


def test_everything_the_project_asks_for_is_pinned(launch):
    project = tomllib.loads((launch.PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = project["dependencies"] + [
        name for extra in project["optional-dependencies"].values() for name in extra
    ]
    own_needs = ["torch", "open-clip-torch", "pip", "setuptools", "virtualenv", "uv"]
    unpinned = [
        name for name in asked + own_needs if not launch.shipped_pins().version(re.split("[^a-z0-9-]", name)[0])
    ]
    assert unpinned == []
