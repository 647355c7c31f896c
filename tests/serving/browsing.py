"""The dashboard in a real Chromium: pages that are held to silence, and what is drawn on them."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from runs.store import open_run
from tasks.base import Record
from tasks.catalog import build_task
from tests.serving.live import Live

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


@contextmanager
def chromium() -> Iterator["Browser"]:
    """A Chromium of this machine; without one the dashboard goes UNTESTED, and the skip says so."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"THE DASHBOARD WAS NOT TESTED: no browser ({', '.join(NAMES)}) is installed")
    api = pytest.importorskip(
        "playwright.sync_api", reason="THE DASHBOARD WAS NOT TESTED: playwright is not installed"
    )
    with api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield opened
        opened.close()


@contextmanager
def opened(
    browser: "Browser", live: Live, view: str = "/", forgiven: str = "", **context: Any
) -> Iterator["Page"]:
    """A page in a fresh profile, held to silence in the console and to its own host."""
    faults: list[str] = []
    place = browser.new_context(**context)
    page = place.new_page()
    page.set_default_timeout(60_000)

    def hear(kind: str, text: str) -> None:
        if kind in ("error", "warning") and not (forgiven and forgiven in text):
            faults.append(text)

    def away(url: str) -> None:
        if not url.startswith(live.url):
            faults.append(f"asked elsewhere: {url}")

    page.on("console", lambda message: hear(message.type, message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("dialog", lambda dialog: faults.append(f"a dialog opened: {dialog.message}"))
    page.on("request", lambda sent: away(sent.url))
    page.goto(live.url + view)
    yield page
    place.close()
    assert faults == []


def at_step(page: "Page", step: int) -> None:
    """Wait until the pegs of a step are drawn."""
    page.wait_for_selector(f"svg.pegs[data-step='{step}']")


def past(page: "Page", step: int) -> None:
    """Wait until the pegs of some later step are drawn."""
    pegs = page.locator("svg.pegs[data-step]")
    for _ in range(200):
        if pegs.count() and int(pegs.get_attribute("data-step") or 0) > step:
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"the pegs never went past step {step}")


def drawn(page: "Page") -> list[list[int]]:
    """The disks by peg from the lowest up, read from where the rectangles lie on the screen."""
    return page.evaluate(  # type: ignore[no-any-return]
        """() => {
            const box = document.querySelector("svg.pegs").getBoundingClientRect();
            const disks = [...document.querySelectorAll("svg.pegs g")].map((group, index) => {
                const at = group.querySelector("rect").getBoundingClientRect();
                const peg = Math.floor(3 * (at.x + at.width / 2 - box.x) / box.width);
                return { disk: index + 1, peg, y: at.y };
            });
            return [0, 1, 2].map((peg) => disks.filter((one) => one.peg === peg)
                .sort((a, b) => b.y - a.y).map((one) => one.disk));
        }"""
    )


def journal_pegs(live: Live, run: str, step: int) -> list[list[int]]:
    """The pegs that the journal holds, by the task's own reading."""
    found = open_run(live.runs / run)
    task = build_task(found.config["task"], "compact")
    with found.journal(readonly=True) as journal:
        ((row, _),) = journal.rows(step, step)
    return [list(peg) for peg in task.restore(Record(row.action, row.state)).pegs]
