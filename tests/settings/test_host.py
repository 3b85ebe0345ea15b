import json
from pathlib import Path

import pytest

from train_tools.model.host import HostWebui
from train_tools.settings.host import HOST_VARIABLE, host_webui

TOLD = {
    "format": 1,
    "bridge": "http://127.0.0.1:7860/train-tools-bridge",
    "token": "secret",
    "models": ["/webui/models/Stable-diffusion"],
    "vaes": [],
    "loras": "/webui/models/Lora",
}


def test_what_the_webui_says_is_read_each_time(tmp_path: Path) -> None:
    file = tmp_path / "a.host"
    assert host_webui({HOST_VARIABLE: str(file)}) is None
    file.write_text(json.dumps(TOLD))
    assert host_webui({HOST_VARIABLE: str(file)}) == HostWebui(
        bridge="http://127.0.0.1:7860/train-tools-bridge",
        token="secret",
        models=(Path("/webui/models/Stable-diffusion"),),
        vaes=(),
        loras=Path("/webui/models/Lora"),
    )
    assert "secret" not in repr(host_webui({HOST_VARIABLE: str(file)}))


@pytest.mark.parametrize("text", ["", "[]", "null", json.dumps({**TOLD, "format": 2}), json.dumps({"format": 1})])
def test_what_can_not_be_read_is_as_if_we_stood_alone(tmp_path: Path, text: str) -> None:
    file = tmp_path / "a.host"
    file.write_text(text)
    assert host_webui({HOST_VARIABLE: str(file)}) is None
    assert host_webui({}) is None
