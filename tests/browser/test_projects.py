from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_first_page import NASTY

pytestmark = pytest.mark.browser


def at_projects(page: Page) -> None:
    page.get_by_role("link", name="Projects", exact=True).click()


def test_the_demo_is_opened_finished_and_leads_to_its_checkpoints(page: Page, house) -> None:
    at_projects(page)
    page.get_by_role("button", name="Open the demo").click()
    expect(page).to_have_url(re.compile("/p/zorb/demo/checkpoints"))
    at_projects(page)
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="zorb"))
    expect(row.get_by_role("cell")).to_contain_text(["demo", "24", "4", "4"])
    assert house.app.contents("zorb").checkpoints == 4


def test_a_newcomer_is_told_whether_the_machine_is_ready(page: Page) -> None:
    at_projects(page)
    for check in ("Graphics card:", "Base model:", "Disk:", "Captioner:"):
        expect(page.get_by_role("listitem").filter(has_text=check)).to_be_visible()


def test_a_project_is_renamed_noted_put_away_and_brought_back(page: Page, house) -> None:
    house.app.create_project("moving")
    house.app.create_version("moving", "v1")
    at_projects(page)
    page.get_by_role("button", name="Rename moving", exact=True).click()
    page.get_by_role("textbox", name="Rename moving").fill(NASTY + " moved")
    page.keyboard.press("Enter")
    name = NASTY + " moved"
    page.get_by_role("button", name=f"Note about {name}").click()
    page.get_by_role("textbox", name=f"Note about {name}").fill("<b>not bold</b>")
    page.keyboard.press("Enter")
    expect(page.get_by_role("rowheader").filter(has_text=name)).to_contain_text("<b>not bold</b>")
    page.get_by_role("button", name=f"Put {name} away").click()
    expect(page.get_by_role("rowheader").filter(has_text=name)).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("rowheader").filter(has_text=name)).to_be_visible()
    house.app.store.discard(house.app.store.trash(name).token)


def test_a_version_is_copied_and_a_taken_name_is_refused(page: Page, house) -> None:
    house.app.create_project("copied")
    house.app.create_version("copied", "v1")
    at_projects(page)
    page.get_by_role("button", name="Copy version v1 of copied").click()
    page.get_by_role("textbox", name="Name of the copy in copied").fill("v1")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").filter(has_text="v1")).to_be_visible()
    page.get_by_role("textbox", name="Name of the copy in copied").fill("v2")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Copy version v2 of copied")).to_be_visible()
    assert set(house.app.store.open("copied").versions) == {"v1", "v2"}


def test_what_is_in_the_trash_goes_for_good_only_after_a_question(page: Page, house) -> None:
    house.app.create_project("going")
    token = house.app.store.trash("going").token
    at_projects(page)
    page.get_by_text(re.compile("^Trash: ")).click()
    delete = page.get_by_role("button", name='Delete project "going" for good')
    delete.click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    assert token in {each.token for each in house.app.store.trashed()}
    delete.click()
    page.get_by_role("dialog").get_by_role("button", name="Delete for good").click()
    expect(delete).to_have_count(0)
    assert token not in {each.token for each in house.app.store.trashed()}
