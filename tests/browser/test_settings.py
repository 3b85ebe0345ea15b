from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.base_models.depot import Depot, giving
from train_tools.model.job import JobState, NewJob, Verdict

pytestmark = pytest.mark.browser

HEARD = """() => {
  window.told = [];
  window.Notification = class { constructor(title, { body }) { window.told.push([title, body]); } };
  window.Notification.permission = "granted";
}"""
"""In the browser's place: what it would show."""


def part(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=name, exact=True)


@pytest.fixture
def settings(page: Page) -> Page:
    page.get_by_role("link", name="Settings", exact=True).click()
    part(page, "Copies of checkpoints").wait_for()
    return page


def test_a_group_is_saved_or_refused_in_words_below_it(settings: Page, house, tmp_path: Path) -> None:
    copies = part(settings, "Copies of checkpoints")
    folder = copies.get_by_label("Folder for LoRAs", exact=True)
    save = copies.get_by_role("button", name="Save")
    expect(save).to_be_hidden()
    folder.fill("/no/such/folder")
    save.click()
    expect(copies.get_by_role("alert")).to_contain_text("There is no folder /no/such/folder")
    folder.fill(str(tmp_path))
    copies.get_by_label("Which of them").select_option("all")
    save.click()
    expect(copies.get_by_text("Saved.")).to_be_visible()
    kept = house.app.settings.read().copies
    assert (kept.folder, kept.checkpoints) == (str(tmp_path), "all")
    copies.get_by_role("button", name="Back to the default: the last").click()
    copies.get_by_role("button", name="Back to the default: empty").click()
    save.click()
    expect(save).to_be_hidden()
    assert house.app.settings.read().copies.folder == ""


def test_what_is_changed_elsewhere_is_shown_but_not_over_what_is_typed(settings: Page, house) -> None:
    captions = part(settings, "Captions by another program")
    captions.get_by_label("Model", exact=True).fill("mine")
    house.app.settings.change({"captions.model": "theirs", "captions.endpoint": "http://127.0.0.1:9/v1"})
    expect(captions.get_by_label("Address", exact=True)).to_have_value("http://127.0.0.1:9/v1")
    expect(captions.get_by_label("Model", exact=True)).to_have_value("mine")
    captions.get_by_role("button", name="Discard").click()
    expect(captions.get_by_label("Model", exact=True)).to_have_value("theirs")
    house.app.settings.change({"captions.model": "", "captions.endpoint": ""})


def test_a_secret_goes_in_and_never_comes_out(settings: Page, house) -> None:
    news = part(settings, "Messages")
    secret = news.get_by_label("Address of the webhook", exact=True)
    expect(secret).to_have_attribute("type", "password")
    secret.fill("https://hooks.example/sEcReT")
    secret.press("Enter")
    expect(news.get_by_text("Set: https://hooks.example/...")).to_be_visible()
    expect(secret).to_have_value("")
    assert house.app.settings.webhook.shown == "https://hooks.example/..."
    settings.reload()
    expect(news.get_by_text("Set: https://hooks.example/...")).to_be_visible()
    news.get_by_role("button", name="Forget: Address of the webhook").click()
    expect(news.get_by_text("Not set.")).to_be_visible()
    assert house.app.settings.webhook.shown == ""


def test_folders_are_picked_and_models_fetched_into_them(settings: Page, house) -> None:
    place = house.app.outputs.folder / "models of mine"
    place.mkdir()
    models = part(settings, "Base models")
    models.get_by_role("button", name="Pick: Another folder").click()
    dialog = settings.get_by_role("dialog")
    dialog.get_by_role("button", name=str(house.app.outputs.folder)).first.click()
    dialog.get_by_role("button", name="models of mine/").click()
    expect(dialog.get_by_label("Path")).to_have_value(str(place))
    dialog.get_by_role("button", name="Take it").click()
    models.get_by_role("button", name="Save").click()
    expect(models.get_by_label("Into").locator("option")).to_have_text(["Train Tools' own folder", str(place)])
    assert house.app.settings.read().models.folders == (str(place),)
    with giving(Depot(b"x" * 3000)) as depot:
        models.get_by_label("Address of the file").fill(f"{depot.address}file/a.safetensors")
        models.get_by_label("Into").select_option(str(place))
        models.get_by_role("button", name="Look").click()
        models.get_by_role("button", name="Fetch 3 kB").click()
        expect(models.get_by_role("list", name="Fetch a base model")).to_contain_text("a.safetensors")
    house.app.settings.change({"models.folders": []})


def test_the_bell_tells_what_ended_and_the_browser_shows_it_where_wanted(settings: Page, house) -> None:
    settings.evaluate(HEARD)
    part(settings, "This browser").get_by_label("Show a message on the desktop").check()
    queue = house.app.jobs.queue
    while queue.claim("cpu", "here"):  # what other tests have left
        pass
    (id_,) = queue.add([NewJob(kind="train", title="<b>rang</b>", folder="bell/rang")])
    queue.claim("cpu", "here")
    queue.finish(id_, 1, Verdict(state=JobState.FAILED, message="out of memory"))
    bell = settings.get_by_role("button", name=re.compile("ended since you looked"))
    bell.click()
    ended = settings.get_by_role("list", name="What has ended")
    expect(ended).to_contain_text("<b>rang</b>")
    expect(settings.get_by_role("button", name="What has ended")).to_be_visible()
    assert ["Failed: <b>rang</b>", "out of memory"] in settings.evaluate("window.told")
    ended.get_by_role("link", name="<b>rang</b>").click()
    expect(settings).to_have_url(re.compile("/queue"))
    expect(settings.locator(f"[data-job='{id_}']")).to_be_visible()


def test_the_doctor_is_asked_and_its_bundle_taken_along(page: Page, house) -> None:
    page.goto(f"{house.page}settings?part=health")
    health = part(page, "Health of this machine")
    expect(health).to_be_focused()
    health.get_by_role("button", name="Look at everything").click()
    expect(health.get_by_role("progressbar")).to_be_visible()
    expect(health.get_by_role("heading", name="Graphics card")).to_be_visible(timeout=120_000)
    with page.expect_download(timeout=120_000) as saved:
        health.get_by_role("link", name="Download a file for a bug report").click()
    with zipfile.ZipFile(saved.value.path()) as bundle:
        assert bundle.namelist()
    assert saved.value.suggested_filename == "train-tools-diagnostics.zip"
