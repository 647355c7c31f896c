"""The dashboard in a real Chromium: what is shown is what the journal holds.

Every test also fails on an error in the console and on a request to any other host.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.serving.browsing import at_step, drawn, journal_pegs, opened, past
from tests.serving.conftest import TRICKY
from tests.serving.live import Live, serve

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser


def test_the_list_shows_all_runs(browser: "Browser", live: Live) -> None:
    with opened(browser, live) as page:
        page.wait_for_selector("text=products")
        for run in ("done", "lost", "products", "torn", "scribbled"):
            assert page.locator(f"tbody th a >> text={run}").is_visible()
        row = page.locator("tbody tr", has_text="done")
        assert row.locator(".pill").inner_text() == "solved"
        assert "127 / 127" in row.inner_text()
        assert row.locator("[role=progressbar]").get_attribute("aria-valuenow") == "127"
        assert "cannot be read" in page.locator("tbody tr", has_text="torn").inner_text()


@pytest.mark.parametrize("step", [1, 64, 90, 127])
def test_the_pegs_drawn_are_the_journals(browser: "Browser", live: Live, step: int) -> None:
    with opened(browser, live, f"/#/runs/done?step={step}") as page:
        at_step(page, step)
        assert drawn(page) == journal_pegs(live, "done", step)


def test_playing_goes_on_from_step_to_step(browser: "Browser", live: Live) -> None:
    with opened(browser, live, "/#/runs/done?step=3") as page:
        at_step(page, 3)
        page.select_option("select[aria-label=Speed]", "15 steps/s")
        page.click("button[aria-label=Play]")
        past(page, 8)
        page.click("button[aria-label=Pause]")
        page.wait_for_timeout(500)
        step = int(page.get_attribute("svg.pegs", "data-step") or 0)
        assert drawn(page) == journal_pegs(live, "done", step)


def test_a_hard_step_shows_its_tally_and_raw_answers(browser: "Browser", live: Live) -> None:
    (hard,) = live.get("/api/runs/done/hardest?count=1")
    answers = live.get(f"/api/runs/done/steps/{hard['step']}/samples")
    with opened(browser, live, "/#/runs/done?step=0") as page:
        page.click(f"section[aria-label='Hardest steps'] button >> text='{hard['step']}'")
        at_step(page, hard["step"])
        page.wait_for_selector(".step-detail .answers li")
        shown = page.locator(".step-detail .tally .num").all_inner_texts()
        tally = [*hard["tally"].split(":"), *([str(hard["flagged"])] if hard["flagged"] else [])]
        assert shown == tally
        texts = page.locator(".step-detail pre").all_text_contents()
        assert texts == [answer["text"] for answer in answers]
        assert page.locator(".step-detail .chip.bad").count() == hard["flagged"]


def test_hostile_text_stays_text(browser: "Browser", live: Live) -> None:
    with opened(browser, live, "/#/questions/products/vote") as page:
        page.click("tr:has-text('onerror') button")
        page.wait_for_selector(".transcript .question")
        assert page.locator(".transcript > .question").inner_text() == TRICKY
        page.click("text=Open all")
        assert page.locator("main img, main script").count() == 0


def test_a_decomposition_is_a_tree_that_folds(browser: "Browser", live: Live) -> None:
    with opened(browser, live, "/#/questions/products/recursive") as page:
        page.click("tr:has-text('12345 * 6789') button")
        page.wait_for_selector(".transcript .question:has-text('12345')")
        page.click("text=Open all")
        kinds = set(page.locator(".transcript .kind").all_inner_texts())
        assert {"composition", "decomposition", "vote"} <= kinds
        root = page.locator(".transcript details.node").first
        root.locator("summary").first.focus()
        page.keyboard.press("Enter")
        assert root.get_attribute("open") is None
        assert page.locator(".transcript .kind:visible").count() == 1


def test_two_runs_are_compared(browser: "Browser", live: Live) -> None:
    parting = live.get("/api/runs/done/parting/lost")
    with opened(browser, live) as page:
        page.check("[aria-label='Compare done']")
        assert page.locator("button >> text=Compare").is_disabled()
        page.check("[aria-label='Compare lost']")
        page.click("text=Compare 2 of 2")
        verdict = page.wait_for_selector(".verdict")
        assert verdict is not None
        assert f"part at step {parting['parts_at']};" in verdict.inner_text()
        states = page.locator(".state").all_inner_texts()
        assert states == [parting["left"]["state"], parting["right"]["state"]]
        assert "wrong" in page.locator("table.figures").inner_text()


def test_a_run_is_started_cancelled_and_resumed_by_buttons(
    browser: "Browser", tmp_path: Path
) -> None:
    with serve(tmp_path) as live, opened(browser, live, forgiven="422") as page:
        page.click("text=New run")
        page.fill("#new-disks", "5")
        page.fill("#new-model", "gguf:nothing.gguf")
        page.click("text=Start")
        page.wait_for_selector("dialog [role=alert]:has-text('nothing.gguf')")
        page.fill("#new-model", "sim:latency_ms=40")
        page.fill("#new-name", "mine")
        page.click("text=Start")
        page.wait_for_url("**/#/runs/mine*")
        past(page, 2)
        page.click("button >> text=Cancel")
        page.wait_for_selector(".pill >> text=interrupted")
        page.click("button >> text=Resume")
        page.wait_for_selector(".pill >> text=solved", timeout=60_000)
        at_step(page, 31)
        assert drawn(page) == [[], [], [5, 4, 3, 2, 1]]


def test_the_key_is_asked_for_once(browser: "Browser", runs: Path) -> None:
    with (
        serve(runs, key="open sesame") as live,
        opened(browser, live, "/#/runs/done?step=5", forgiven="401") as page,
    ):
        for key in ("wrong", "open sesame"):
            page.wait_for_selector("dialog[open]")
            page.fill("#api-key", key)
            page.keyboard.press("Enter")
        at_step(page, 5)
        page.reload()
        at_step(page, 5)
        assert page.locator("dialog").count() == 0
        assert page.evaluate("[localStorage.length, document.cookie]") == [0, ""]


def test_the_files_are_served_under_a_strict_policy(live: Live) -> None:
    for path, kind in [
        *(("/", "text/html"), ("/static/app.js", "javascript")),
        *(("/static/style.css", "text/css"), ("/static/icon.svg", "image/svg+xml")),
    ]:
        response = live.open("GET", path)
        assert response.status == 200
        assert kind in response.headers["Content-Type"]
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert b"http:" not in response.read().replace(b"http://www.w3.org/2000/svg", b"")
    for path in ("/static/../__init__.py", "/static/%2e%2e/__init__.py", "/static/nope"):
        response = live.open("GET", path)
        response.read()
        assert response.status == 404
