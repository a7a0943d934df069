"""The page in a real browser over real agents: what a user sees and says there is what the command line sees."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from admin_client.cli import run as smarter
from tests.fakes.browsing import Served, browser, log_in, picture_folder, served
from tests.fakes.scenes import encoded, scene
from tests.fakes.sites import SOURCE, Sites, sites, until

pytestmark = pytest.mark.timeout(400)
"""Deltas are made, on whatever machine this is."""

HOSTILE = (
    b"<img src=x onerror=alert(1)>.jpg",
    b"'\"><script>alert(2)<\\script>.jpg",
    "\u202egnp.jpg".encode(),
    b"line\nbreak {{ 7 * 7 }}.jpg",
    b"\xff\xfe.jpg",
)


@contextmanager
def settled(*trips: int) -> Iterator[tuple[Sites, Served]]:
    """Two sites with a group for each seed, all delivered, and the page."""
    with sites() as at:
        for seed in trips:
            folder, shot = at.library / f"trip-{seed}", scene(seed, (1200, 900))
            folder.mkdir()
            (folder / "original.jpg").write_bytes(encoded(shot, quality=93))
            (folder / "crop.jpg").write_bytes(encoded(shot.crop((150, 100, 1100, 800))))
            (folder / "small.jpg").write_bytes(encoded(shot.resize((600, 450))))
            (folder / "turned.jpg").write_bytes(encoded(shot.transpose(Image.Transpose.ROTATE_270)))
        at.dest()
        with served("--source", f"unix:{at.folder / f'{SOURCE}.sock'}", *at.asks_dest) as page:
            at.source()

            def is_settled() -> bool:
                counted = at.source_status().get("pictures", {})
                return counted.get("pictures") == 4 * len(trips) and at.caught_up()

            until(is_settled, "everything is delivered", seconds=200)
            yield at, page


def shown(at: Sites, which: str) -> Any:
    """What `smarter groups show --json` says."""
    out = io.StringIO()
    with redirect_stdout(out):
        assert smarter(["groups", "show", "--source", f"unix:{at.folder / f'{SOURCE}.sock'}", which, "--json"]) == 0
    return json.loads(out.getvalue())


def path_of(group: dict[str, Any]) -> str:
    """What stands for a group."""
    return str(group["representative"]["paths"][0]["path"])


def kept(tab: Page, name: str) -> None:
    """Keeps what the tab shows, where `make screenshots` wants it."""
    all_shown = "[...document.images].every((image) => image.complete && image.naturalWidth >= 100)"
    until(lambda: tab.evaluate(all_shown), "all thumbnails are shown", seconds=60)
    if (folder := picture_folder()) is not None:
        shot = Image.open(io.BytesIO(tab.screenshot()))
        shot.convert("RGB").quantize(96, dither=Image.Dither.NONE).save(folder / f"{name}.png", optimize=True)


def test_a_user_pins_another_representative() -> None:
    """By mouse and by keys; the command line has it at once."""
    with settled(1, 2) as (at, page), browser() as tab:
        log_in(tab, page)
        expect(tab.get_by_role("heading", name="Group", exact=False)).to_have_count(3)
        expect(tab.locator(".stands img").first).to_have_attribute("alt", "library/trip-1/original.jpg, stands for the group")
        kept(tab, "groups")

        tab.get_by_role("link", name="Group 1").click()
        crop = tab.get_by_role("listitem", name="library/trip-1/crop.jpg")
        expect(crop).to_contain_text("cropped to 6")
        expect(tab.get_by_role("listitem", name="library/trip-1/small.jpg")).to_contain_text("resized to 50 %")
        expect(tab.get_by_role("listitem", name="library/trip-1/turned.jpg")).to_contain_text("the same at a glance")
        expect(crop.locator(".state")).to_have_text("exact")
        expect(crop).to_contain_text("saved: a delta of")
        kept(tab, "group")
        crop.get_by_role("button", name="Pin").click()
        expect(tab.get_by_role("status").first).to_contain_text("stands for the group now")
        assert path_of(shown(at, "1")) == "trip-1/crop.jpg"

        # by keys alone: the third picture of the next group, then split another off, then confirm
        tab.keyboard.press("n")
        expect(tab.get_by_role("heading", name="Group 2")).to_be_visible()
        for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft"):
            tab.keyboard.press(key)
        name = tab.evaluate("document.activeElement.getAttribute('aria-label')")
        tab.keyboard.press("p")
        expect(tab.get_by_role("status").first).to_contain_text("stands for the group now")
        assert f"library/{path_of(shown(at, '2'))}" == name
        tab.keyboard.press("ArrowRight")
        tab.keyboard.press("ArrowRight")
        tab.keyboard.press("s")
        expect(tab.get_by_role("status").first).to_contain_text("taken out")
        assert shown(at, "2")["pictures"] == 3
        tab.keyboard.press("c")
        expect(tab.get_by_role("status").first).to_contain_text("right as it is")
        assert shown(at, "2")["confirmed"]
        tab.keyboard.press("k")
        expect(tab.get_by_role("heading", name="Group 1")).to_be_visible()
        tab.keyboard.press("?")
        expect(tab.locator("#keys dl")).to_be_visible()

        # the list, by keys
        tab.goto(f"{page.url}/groups?singles=1")
        tab.keyboard.press("j")
        tab.keyboard.press("j")
        tab.keyboard.press("Enter")
        expect(tab.get_by_role("heading", name="Group 2")).to_be_visible()

        tab.get_by_role("link", name="Dashboard").click()
        expect(tab.locator("svg.chart")).to_have_count(2, timeout=60_000)
        expect(tab.locator("main")).to_contain_text("Nothing waits.")
        expect(tab.get_by_role("rowheader", name="Kept at the destination")).to_be_visible()
        kept(tab, "dashboard")
        tab.get_by_role("button", name="Log out").click()
        expect(tab.get_by_label("The token")).to_be_focused()


def test_names_are_text_whatever_they_are() -> None:
    """No name becomes a part of the page, breaks a line or turns it; and it all works without JavaScript."""
    with sites() as at:
        shot = scene(1, (800, 600))
        for n, name in enumerate(HOSTILE):
            (at.library / os.fsdecode(name)).write_bytes(encoded(shot, quality=70 + n))
        (at.library / "cut.jpg").write_bytes(encoded(scene(5))[:3000])
        at.dest()
        at.source()
        until(lambda: at.source_status().get("pictures", {}).get("pictures") == len(HOSTILE), "all are looked at", seconds=200)
        source = f"unix:{at.folder / f'{SOURCE}.sock'}"
        with served("--source", source) as page, browser(javascript=False, dark=True) as tab:
            log_in(tab, page)
            tab.get_by_role("link", name="Group 1").click()
            text = tab.locator("main").inner_text()
            for told in (
                "<img src=x onerror=alert(1)>.jpg",
                "<script>alert(2)",
                r"\u202egnp.jpg",
                r"line\nbreak {{ 7 * 7 }}",
                r"\xff\xfe.jpg",
            ):
                assert told in text
            assert tab.locator("script:not([src])").count() == 0
            tab.get_by_role("button", name="Confirm").click()
            assert shown(at, "1")["confirmed"]
            page.log_in()
            nobodys = page.ask("/thumbnails/" + "0" * 64)
            assert (nobodys.code, nobodys.headers["content-type"]) == (200, "image/svg+xml")
            assert "no file has this" in nobodys.text
            assert page.ask("/groups?path=%21").code == 404
            assert page.ask("/groups?after=99999999&policy=x").code == 303
            assert page.ask("/groups/424242").code == 404
            assert page.ask("/groups?mib=nan&review=1").code == 200
