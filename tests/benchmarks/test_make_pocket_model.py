import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.make_pocket_model import main

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "make_pocket_model.py"
SHIPPED = Path(__file__).parents[2] / "projects_template" / "demo" / "pocket-sd1.safetensors"


def test_the_shipped_model_obeys_most_prompts(tmp_path):
    main(["--measure", str(SHIPPED), "--prompts", "20", "--json", str(tmp_path / "measured.json")])

    accuracy = json.loads((tmp_path / "measured.json").read_text())["accuracy"]
    assert accuracy["pictures"] == 20
    assert accuracy["all"] >= 0.8
    assert accuracy["colour"] >= 0.95


def test_a_random_model_obeys_none(tmp_path, capsys):
    main(["--random", "--out", str(tmp_path / "r.safetensors"), "--width", "8"])
    main(["--measure", str(tmp_path / "r.safetensors"), "--prompts", "5", "--json", str(tmp_path / "r.json")])

    assert json.loads((tmp_path / "r.json").read_text())["accuracy"]["all"] == 0
    assert "cpu_ms_a_picture" in capsys.readouterr().out


def test_it_starts_by_its_path_from_any_folder(tmp_path):
    subprocess.run([sys.executable, str(SCRIPT), "--dataset", "pictures"], cwd=tmp_path, check=True)

    assert (tmp_path / "pictures" / "zorb-24.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "nothing to do"),
        (["--random", "--out", "r.safetensors", "--width", "12"], "width 12: must be a multiple of 8"),
        (["--measure", "missing.safetensors"], "missing.safetensors does not exist"),
    ],
)
def test_mistakes_are_told_in_a_sentence(arguments, words, capsys):
    with pytest.raises(SystemExit):
        main(arguments)
    assert words in capsys.readouterr().err
