"""audit.html in a real browser: decisions are made, saved, and read back."""

import os

import datasets
import numpy as np
import pytest

from grefel_train.audit.decisions import Decision, read_decisions
from grefel_train.audit.duplicates import Pair
from grefel_train.audit.images import joined
from grefel_train.audit.page import most_of_each_kind, write_page
from grefel_train.audit.suspects import Suspect
from tests.helpers.face_tables import faces
from tests.helpers.page_driver import ANSWER_MILLISECONDS, browser, find_chromium

CHROMIUM = find_chromium()
REQUIRED = bool(os.environ.get("GREFEL_REQUIRE_BROWSER"))
CLASSES = ('<b>"quoted"</b>', "=formula", "plain")
FILES = ["<script>alert(1)</script>.png", "=1+1.png", 'a"b,c.png', "d.png"]


def images():
    feature = datasets.ClassLabel(names=list(CLASSES))
    return joined("mine & yours", {"train": faces([0, 1, 2, 2], feature, name=FILES)}, CLASSES)


def suspect(position: int, kind: str, proposed: int = 1) -> Suspect:
    return Suspect(position, kind, proposed, 0.9 - 0.1 * position, np.array([0.1, 0.7, 0.2]), "Because.")


def test_a_page_shows_some_of_each_kind():
    suspects = [suspect(i, "label") for i in range(4)] + [suspect(i, "copy") for i in range(4, 6)]
    assert most_of_each_kind(suspects, 3) == [0, 4, 1]
    assert sorted(most_of_each_kind(suspects, 9)) == [0, 1, 2, 3, 4, 5]


@pytest.mark.skipif(CHROMIUM is None and not REQUIRED, reason="no Chromium is installed")
def test_decisions_made_on_the_page_are_those_that_are_read(tmp_path):
    found = images()
    suspects = [suspect(0, "label"), suspect(1, "label", 2), suspect(2, "copy"), suspect(3, "no face")]
    write_page(tmp_path / "audit.html", found, suspects, [Pair(2, 3, "near")], most=4)
    text = (tmp_path / "audit.html").read_text()
    assert "<script>alert" not in text and "<b>&#34;" not in text and "http" not in text
    with browser(CHROMIUM) as chromium:
        page = chromium.new_page()
        page.set_default_timeout(ANSWER_MILLISECONDS)
        messages, asked = [], []
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.on("dialog", lambda dialog: messages.append(dialog.message))
        page.on("request", lambda request: asked.append(request.url.partition(":")[0]))
        page.goto((tmp_path / "audit.html").as_uri())
        assert page.locator("article").count() == 4
        assert page.locator("h1").text_content() == "Labels of mine & yours, audited"
        assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
        first, second, third, fourth = (page.locator("article").nth(i) for i in range(4))
        assert first.locator("p.name").text_content().startswith("<script>")
        assert first.locator("option:checked").text_content() == "=formula"  # what is proposed
        first.get_by_text("change to").click()
        second.locator("select").select_option("plain")  # which is a decision to change
        fourth.get_by_text("leave out").click()
        assert page.locator("#count").text_content() == "3 of 4 to be changed"
        with page.expect_download() as download:
            page.locator("#save").click()
        download.value.save_as(tmp_path / "decisions.csv")
        assert download.value.suggested_filename == "decisions.csv"
    assert read_decisions(tmp_path / "decisions.csv", found) == [Decision(0, 1), Decision(1, 2), Decision(3, None)]
    assert messages == [] and set(asked) <= {"file", "data", "blob"}
