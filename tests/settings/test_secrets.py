from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from train_tools.errors import OptionValueError, StorageError
from train_tools.settings.secrets import WEBHOOK_VARIABLE, Secrets, checked_address, checked_webui

URL = "https://hooks.example:8443/T0/sEcReT?token=pSsT"


@pytest.fixture
def secrets(tmp_path: Path) -> Secrets:
    return Secrets(tmp_path / "state", {})


def kept(secrets: Secrets) -> str | None:
    return secrets.webhook.url if secrets.webhook else None


def test_an_address_is_kept_where_only_this_user_can_read_it(secrets):
    assert kept(secrets) is None
    secrets.set_webhook(checked_address(f" {URL}\n"))
    assert kept(secrets) == URL
    assert [file.name for file in secrets.file.parent.iterdir()] == ["secrets.toml"]
    if os.name == "posix":
        assert stat.S_IMODE(secrets.file.stat().st_mode) == 0o600


def test_an_address_can_be_forgotten_and_other_secrets_stay(secrets):
    secrets.set_webhook(checked_address(URL))
    secrets.file.write_text(secrets.file.read_text() + 'api_key = "k"\n')
    secrets.set_webhook(None)
    assert kept(secrets) is None
    assert 'api_key = "k"' in secrets.file.read_text()


def test_the_environment_comes_first(secrets):
    secrets.set_webhook(checked_address(URL))
    told = Secrets(secrets.file.parent, {WEBHOOK_VARIABLE: "http://127.0.0.1:9/x"})
    assert kept(told) == "http://127.0.0.1:9/x"
    assert told.webhook_state.from_environment
    assert not secrets.webhook_state.from_environment


def test_an_address_shows_its_host_and_nothing_else(secrets):
    secrets.set_webhook(checked_address(URL))
    assert secrets.webhook_state.shown == "https://hooks.example:8443/..."
    for text in (str(secrets.webhook), repr(secrets.webhook), f"{secrets.webhook}"):
        assert "sEcReT" not in text
        assert "pSsT" not in text


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX's")
def test_a_file_that_others_can_read_is_not_used_and_is_written_over(secrets):
    secrets.set_webhook(checked_address(URL))
    secrets.file.chmod(0o640)
    with pytest.raises(StorageError, match="can be read by others") as error:
        _ = secrets.webhook
    assert "sEcReT" not in str(error.value)
    secrets.set_webhook(checked_address("https://new.example/a"))
    assert kept(secrets) == "https://new.example/a"


def test_a_damaged_file_is_told_without_its_content(secrets):
    secrets.set_webhook(checked_address(URL))
    secrets.file.write_text(f'webhook = "{URL}" sEcReT')
    with pytest.raises(StorageError, match="is damaged") as error:
        _ = secrets.webhook
    assert "sEcReT" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("hooks.example/sEcReT", "has to begin with http:// or https://"),
        ("ftp://hooks.example/sEcReT", "has to begin with http:// or https://"),
        ("file:///etc/sEcReT", "has to begin with http:// or https://"),
        ("javascript:sEcReT", "has to begin with"),
        ("https:///sEcReT", "names no host"),
        ("https://me:sEcReT@hooks.example/", "holds a user name"),
        ("https://hooks.example/sEc\nReT", "holds blanks or characters"),
        ("https://hooks.example/sEc ReT", "holds blanks or characters"),
        ("https://höoks.example/sEcReT", "holds blanks or characters"),
        ("https://hooks.example:99999/sEcReT", "host or port can't be read"),
        ("https://[::1/sEcReT", "host or port can't be read"),
        ("https://hooks.example/sEcReT" + "x" * 2000, "more than 2000"),
    ],
)
def test_what_is_no_address_is_refused_without_being_repeated(text, says):
    with pytest.raises(OptionValueError, match=says) as error:
        checked_address(text)
    assert "sEc" not in str(error.value)


def test_a_webuis_password_goes_to_the_host_it_was_given_for(secrets):
    assert secrets.webui_password("http://127.0.0.1:7860") == ""
    secrets.set_webui_password("pass: wörd ", "http://127.0.0.1:7860/")
    assert secrets.webui_password("http://127.0.0.1:7860") == "pass: wörd "
    assert secrets.webui_password_host == "127.0.0.1:7860"
    with pytest.raises(OptionValueError, match=r"given for '127.+', and is not sent to 'evil\.example'"):
        secrets.webui_password("https://evil.example")
    told = Secrets(secrets.file.parent, {"TRAIN_TOOLS_WEBUI_PASSWORD": "other"})
    assert told.webui_password("https://webui.example") == "other"
    secrets.set_webui_password("", "")
    assert secrets.webui_password("https://evil.example") == ""


@pytest.mark.parametrize("wrong", ["", "127.0.0.1:7860", "ftp://x", "http://u:p@x", "http://x/?a", "http://x/ y"])
def test_an_address_that_is_no_webuis_is_told(wrong):
    with pytest.raises(OptionValueError, match="The WebUI's address can't be used"):
        checked_webui(wrong)
