from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.base_models.conftest import POCKET
from tests.base_models.depot import Depot, giving, trusting
from tests.jobs.patience import eventually
from train_tools.base_models.downloads import Downloads
from train_tools.base_models.web import Web, checked_address, tokens_of_environment
from train_tools.errors import (
    AlreadyExistsError,
    ConfirmationWantedError,
    DownloadError,
    InUseError,
    NameNotAllowedError,
    NotFoundError,
    NotNowError,
    OptionValueError,
)
from train_tools.model.download import Offer

CONTENT = POCKET.read_bytes()
NAME = "зорб model.safetensors"


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAIN_TOOLS_STATE", str(tmp_path / "state"))
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


@pytest.fixture
def depot() -> Iterator[Depot]:
    with giving(Depot(CONTENT)) as depot:
        yield depot


@pytest.fixture
def downloads() -> Downloads:
    return Downloads(Web(trusting(), tokens={}))


def address(depot: Depot) -> str:
    return f"{depot.address}file/{NAME}?token=sEcReT"


def looked(downloads: Downloads, depot: Depot, folder: Path) -> Offer:
    return downloads.look(address(depot), folder)


def there(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_look_says_what_it_is_and_fetches_next_to_nothing(downloads, depot, folder):
    offer = looked(downloads, depot, folder)
    host = depot.address.removeprefix("http://").rstrip("/")
    assert (offer.host, offer.sent_by, offer.name) == (host, host, NAME)
    assert (offer.size_bytes, offer.can_resume, offer.here_bytes) == (len(CONTENT), True, 0)
    assert offer.free_bytes > 0
    assert [wanted for _, wanted, _ in depot.asked] == ["bytes=0-0"]
    assert there(folder) == set()


def test_what_was_agreed_to_is_fetched_whole(downloads, depot, folder):
    told: list[tuple[int, int]] = []
    offer = looked(downloads, depot, folder)
    digest = hashlib.sha256(CONTENT).hexdigest()
    path = downloads.fetch(
        address(depot), offer, sha256=digest.upper(), progress=lambda *counts: told.append(counts)
    )
    assert path == folder / NAME
    assert path.read_bytes() == CONTENT
    assert there(folder) == {NAME}
    assert (told[0], told[-1]) == ((0, len(CONTENT)), (len(CONTENT), len(CONTENT)))
    assert told == sorted(told)


def test_a_connection_that_breaks_off_is_gone_on_with(downloads, depot, folder):
    offer = looked(downloads, depot, folder)
    depot.break_after = [1_000_000, 3_000_000]
    path = downloads.fetch(address(depot), offer)
    assert path.read_bytes() == CONTENT
    ranges = [wanted for _, wanted, _ in depot.asked[1:]]
    assert ranges == ["", "bytes=1000000-", "bytes=4000000-"]


def test_one_that_was_stopped_goes_on_the_next_time(downloads, depot, folder):
    pieces = iter([False, False, False, True])
    offer = looked(downloads, depot, folder)
    assert downloads.fetch(address(depot), offer, stopped=lambda: next(pieces)) is None
    assert there(folder) == {f"{NAME}.part", f"{NAME}.part.json"}
    assert "sEcReT" not in (folder / f"{NAME}.part.json").read_text()
    again = looked(downloads, depot, folder)
    assert again.here_bytes == (folder / f"{NAME}.part").stat().st_size == 3 << 20
    assert downloads.fetch(address(depot), again).read_bytes() == CONTENT
    assert depot.asked[-1][1] == f"bytes={3 << 20}-"


def test_the_rest_of_another_file_is_never_put_behind_it(downloads, depot, folder):
    stops = iter([False, True])
    downloads.fetch(address(depot), looked(downloads, depot, folder), stopped=lambda: next(stops))
    depot.etag = '"two"'
    depot.content = CONTENT[:-8] + bytes(8)
    offer = looked(downloads, depot, folder)
    assert offer.here_bytes == 0
    assert downloads.fetch(address(depot), offer).read_bytes() == depot.content
    assert depot.asked[-1][1] == ""


@pytest.mark.parametrize("change", [{"etag": '"two"'}, {"content": CONTENT + b"x"}])
def test_another_file_than_was_agreed_to_is_asked_about_anew(downloads, depot, folder, change):
    offer = looked(downloads, depot, folder)
    for name, value in change.items():
        setattr(depot, name, value)
    with pytest.raises(ConfirmationWantedError, match="offers another file now"):
        downloads.fetch(address(depot), offer)
    assert not (folder / NAME).exists()


def test_a_server_without_parts_gives_the_whole_or_nothing(downloads, depot, folder):
    depot.ranges = False
    offer = looked(downloads, depot, folder)
    assert not offer.can_resume
    depot.break_after = [1000] * 3
    with pytest.raises(DownloadError, match=r"broke off after 1,000 .* begin anew"):
        downloads.fetch(address(depot), offer)
    depot.break_after = []
    assert downloads.fetch(address(depot), offer).read_bytes() == CONTENT


def test_a_server_that_sends_nothing_any_more_is_given_up(downloads, depot, folder):
    offer = looked(downloads, depot, folder)
    depot.break_after = [5000, 0, 0]
    with pytest.raises(DownloadError, match=r"broke off after 5,000 .* Ask again to go on"):
        downloads.fetch(address(depot), offer)
    assert (folder / f"{NAME}.part").stat().st_size == 5000


def test_a_wrong_checksum_keeps_nothing(downloads, depot, folder):
    offer = looked(downloads, depot, folder)
    with pytest.raises(DownloadError, match="sha256 is not 000"):
        downloads.fetch(address(depot), offer, sha256="0" * 64)
    assert there(folder) == set()
    with pytest.raises(OptionValueError, match="no sha256"):
        downloads.fetch(address(depot), offer, sha256="abc")


def test_what_is_no_model_file_keeps_nothing(downloads, depot, folder):
    depot.content = b"<html>log in first</html>" * 100
    with pytest.raises(DownloadError, match=r"no whole \.safetensors file"):
        downloads.fetch(address(depot), looked(downloads, depot, folder))
    assert there(folder) == set()


def test_what_is_there_is_never_replaced(downloads, depot, folder):
    offer = looked(downloads, depot, folder)
    (folder / NAME).write_text("mine")
    with pytest.raises(AlreadyExistsError, match="is there already"):
        downloads.fetch(address(depot), offer)
    (folder / NAME).unlink()

    def meanwhile(done: int, total: int) -> None:
        (folder / NAME).write_text("mine")

    with pytest.raises(AlreadyExistsError, match="nothing was replaced"):
        downloads.fetch(address(depot), offer, progress=meanwhile)
    assert (folder / NAME).read_text() == "mine"


def test_two_at_once_do_not_write_into_one_file(downloads, depot, folder):
    offer = looked(downloads, depot, folder)
    depot.held.clear()
    first = threading.Thread(target=downloads.fetch, args=(address(depot), offer))
    first.start()
    eventually((folder / f"{NAME}.part.json").exists)
    with pytest.raises(InUseError, match="is being fetched into"):
        downloads.fetch(address(depot), offer)
    depot.held.set()
    first.join()
    assert (folder / NAME).read_bytes() == CONTENT


def test_a_disk_without_room_is_told_before_anything_comes(downloads, depot, folder):
    offer = replace(looked(downloads, depot, folder), size_bytes=10**18)
    with pytest.raises(NotNowError, match="more bytes, and"):
        downloads.fetch(address(depot), offer)
    with pytest.raises(NotFoundError, match="no folder"):
        downloads.look(address(depot), folder / "gone")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"status": 403}, "wants to know who asks"),
        ({"status": 401}, "HF_TOKEN"),
        ({"status": 404}, "answers 404"),
        ({"status": 500}, "answers 500"),
        ({"headers": {"Content-Type": "text/html; charset=utf-8"}}, "web page"),
        ({"says_size": False, "ranges": False}, "how large"),
        ({"content": b""}, "how large"),
    ],
)
def test_what_is_no_offer_is_told_without_the_address(downloads, depot, folder, change, says):
    for name, value in change.items():
        setattr(depot, name, value)
    with pytest.raises(DownloadError, match=says) as error:
        looked(downloads, depot, folder)
    assert "sEcReT" not in str(error.value)


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ({"Content-Disposition": 'attachment; filename="real name.safetensors"'}, "real name.safetensors"),
        ({"Content-Disposition": "attachment; filename*=UTF-8''%D0%BA.safetensors"}, "к.safetensors"),
        ({"Content-Disposition": 'attachment; filename="../../up.safetensors"'}, "up.safetensors"),
        ({"Content-Disposition": r'attachment; filename="C:\\x\\up.safetensors"'}, "up.safetensors"),
        ({"Content-Disposition": "nonsense;;"}, NAME),
    ],
)
def test_the_name_is_the_servers_without_folders(downloads, depot, folder, headers, name):
    depot.headers = headers
    assert looked(downloads, depot, folder).name == name


@pytest.mark.parametrize("name", ["a.ckpt", "a.safetensors.exe", "a"])
def test_other_files_than_safetensors_are_refused(downloads, depot, folder, name):
    with pytest.raises(DownloadError, match=r"no \.safetensors file"):
        downloads.look(f"{depot.address}file/{name}", folder)
    assert downloads.look(f"{depot.address}file/{name}", folder, "b.safetensors").name == "b.safetensors"
    with pytest.raises(NameNotAllowedError):
        downloads.look(f"{depot.address}file/{name}", folder, "../b.safetensors")


def test_one_that_leads_elsewhere_says_who_sends_it(downloads, depot, folder):
    with giving(Depot(CONTENT), tls=True) as sender:
        depot.redirect = f"{sender.address}file/signed?secret=sEcReT"
        offer = downloads.look(f"{depot.address}moved/{NAME}", folder)
        assert offer.host == depot.address.split("/")[2]
        assert offer.sent_by == sender.address.split("/")[2]
        assert offer.name == NAME
        assert downloads.fetch(f"{depot.address}moved/{NAME}", offer).read_bytes() == CONTENT


def test_one_that_leads_to_somebody_else_than_before_is_asked_about_anew(downloads, depot, folder):
    with giving(Depot(CONTENT), tls=True) as first, giving(Depot(CONTENT), tls=True) as second:
        depot.redirect = f"{first.address}file/x"
        offer = downloads.look(f"{depot.address}moved/{NAME}", folder)
        depot.redirect = f"{second.address}file/x"
        with pytest.raises(ConfirmationWantedError, match="that was agreed to"):
            downloads.fetch(f"{depot.address}moved/{NAME}", offer)


@pytest.mark.parametrize("target", ["http://127.0.0.1:1/x", "file:///etc/passwd", "ftp://a/b", "", "/moved/again"])
def test_a_redirect_to_anything_but_https_is_not_followed(downloads, depot, folder, target):
    depot.redirect = target
    with pytest.raises(DownloadError, match="not https"):
        downloads.look(f"{depot.address}moved/{NAME}", folder)
    assert len(depot.asked) == 1


def test_redirects_end(downloads, depot, folder):
    with giving(Depot(CONTENT), tls=True) as circle:
        circle.redirect = f"{circle.address}moved/again"
        depot.redirect = circle.redirect
        with pytest.raises(DownloadError, match="more than 5 times"):
            downloads.look(f"{depot.address}moved/{NAME}", folder)


def test_a_certificate_that_nobody_trusts_is_no_sender(folder):
    with giving(Depot(CONTENT), tls=True) as sender, pytest.raises(DownloadError, match="can't be reached"):
        Downloads(Web(tokens={})).look(f"{sender.address}file/{NAME}", folder)


def test_a_token_goes_to_its_host_alone_and_only_by_https(folder):
    downloads = Downloads(Web(trusting(), tokens={"127.0.0.1": "tOkEn", "localhost": "other"}))
    with giving(Depot(CONTENT), tls=True) as asked, giving(Depot(CONTENT), tls=True) as sender:
        asked.redirect = f"{sender.address}file/x"
        downloads.look(f"{asked.address}moved/{NAME}", folder)
        assert [token for _, _, token in asked.asked] == ["Bearer tOkEn"]
        assert [token for _, _, token in sender.asked] == [""]
    with giving(Depot(CONTENT)) as plain:
        downloads.look(f"{plain.address}file/{NAME}", folder)
        assert [token for _, _, token in plain.asked] == [""]


def test_tokens_are_those_of_the_environment():
    assert tokens_of_environment({"HF_TOKEN": " a ", "CIVITAI_TOKEN": ""}) == {"huggingface.co": "a"}


def test_nobody_there_is_told(downloads, folder):
    with giving(Depot(CONTENT)) as depot:
        gone = depot.address
    with pytest.raises(DownloadError, match="can't be reached"):
        downloads.look(f"{gone}file/{NAME}", folder)


@pytest.mark.parametrize(
    "text",
    [
        "file:///etc/passwd",
        "ftp://example.org/x",
        "example.org/x.safetensors",
        "https:///x",
        "https://me:sEcReT@example.org/x",
        "https://example.org:99999/x",
        "https://[::1/x",
        "https://example.org/" + "sEcReT" * 1000,
        "",
    ],
)
def test_what_is_no_address_is_refused_without_being_repeated(text):
    with pytest.raises(DownloadError) as error:
        checked_address(text)
    assert "sEcReT" not in str(error.value)


def test_an_address_may_hold_any_letters():
    assert checked_address(" https://example.org/к a.safetensors?x=%20 ") == (
        "https://example.org/%D0%BA%20a.safetensors?x=%20"
    )


def test_a_note_that_is_broken_makes_it_begin_anew(downloads, depot, folder):
    stops = iter([False, True])
    downloads.fetch(address(depot), looked(downloads, depot, folder), stopped=lambda: next(stops))
    for text in ("{", json.dumps([1]), ""):
        (folder / f"{NAME}.part.json").write_text(text)
        assert looked(downloads, depot, folder).here_bytes == 0
    assert downloads.fetch(address(depot), looked(downloads, depot, folder)).read_bytes() == CONTENT
