from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from tests.test_cli import POCKET, Say, command_line

CAT = ("it's [a] cat 猫", "v1")
FOREIGN = Path(__file__).parents[1] / "configs" / "foreign"


@pytest.fixture(scope="module")
def say(tmp_path_factory: pytest.TempPathFactory) -> Say:
    say = command_line(tmp_path_factory.mktemp("configs"))
    say("project", "create", CAT[0])
    say("version", "create", *CAT)
    return say


def test_a_file_is_shown_and_changes_nothing(say):
    shown = say("config", "import", FOREIGN / "kohya_ss.json")
    assert "Settings of kohya_ss" in shown.out
    assert all(word in shown.out for word in ("wholly_new_key", "max_train_epochs = 12", "made_up=1", "refused"))
    assert "LyCORIS_preset" not in shown.out
    assert "hf_hidden" not in shown.out
    assert "LyCORIS_preset" in say("config", "import", FOREIGN / "kohya_ss.json", "--all").out


def test_a_file_is_taken_over_and_exported_again(say, tmp_path):
    taken = say("config", "import", FOREIGN / "train_train.json", *CAT, "--json").json
    assert taken["change"]["after"]["network_dim"] == 16
    assert taken["config"]["format"] == "TrainTrain"
    target = tmp_path / "out.toml"
    said = say("config", "export", *CAT, "--set", f'pretrained_model_name_or_path="{POCKET}"', "--to", target)
    assert "Written" in said.out
    table = tomllib.loads(target.read_text(encoding="utf-8"))
    assert (table["network_dim"], table["resolution"]) == (16, "512,768")
    again = say("config", "export", *CAT, "--to", target)
    assert (again.code, "is there already" in again.err) == (1, True)


def test_several_runs_want_a_folder(say, tmp_path):
    said = say("config", "export", *CAT, "--set", "network_dim=4,8")
    assert (said.code, "--to DIR" in said.err) == (1, True)
    assert say("config", "export", *CAT, "--set", "network_dim=4,8", "--to", tmp_path / "new").code == 0
    assert len(list((tmp_path / "new").glob("*.toml"))) == 2
    one = say("config", "export", *CAT, "--set", "network_dim=4")
    assert tomllib.loads(one.out)["network_dim"] == 4


def test_what_can_not_be_read_is_told(say, tmp_path):
    (tmp_path / "x.json").write_text(json.dumps({"a": 1}))
    for words, says in (
        (("import", tmp_path / "x.json"), "holds no settings"),
        (("import", tmp_path / "gone.json"), "no file"),
        (("import", FOREIGN / "kohya_ss.json", CAT[0]), "A version of"),
        (("like", FOREIGN / "kohya_ss.json"), "no .safetensors file"),
        (("like", POCKET), "tells nothing of its training"),
    ):
        said = say("config", *words)
        assert (said.code, says in said.err) == (1, True), said.err
