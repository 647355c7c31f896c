"""The dashboard in a real Chromium: what is shown is what the journal holds.

Every test also fails on an error in the console and on a request to any other host.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runs.store import open_run
from tasks.base import Record
from tasks.catalog import build_task
from tests.serving.conftest import TRICKY
from tests.serving.live import Live, serve
from tests.serving.million import HARD, STEPS, make_million

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
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


def test_the_scrubber_obeys_the_keyboard(browser: "Browser", live: Live) -> None:
    with opened(browser, live, "/#/runs/done?step=60") as page:
        at_step(page, 60)
        page.focus("input.scrub")
        outline = "getComputedStyle(document.activeElement).outlineStyle"
        assert page.evaluate(outline) == "solid"
        for key, step in [
            *(("ArrowRight", 61), ("ArrowLeft", 60), ("Home", 0), ("PageUp", 1), ("End", 127)),
            *(("Shift+ArrowLeft", 27), ("PageDown", 26)),
        ]:
            page.keyboard.press(key)
            at_step(page, step)
            page.wait_for_url(f"**/#/runs/done?step={step}")
        page.wait_for_timeout(400)  # until the last move has flown
        assert drawn(page) == journal_pegs(live, "done", 26)
        assert page.get_attribute("input.scrub", "aria-valuetext") == "step 26 of 127"


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


CONTRAST = """(selector) => {
    const parse = (text) => text.match(/[\\d.]+/g).map(Number);
    const light = (text) => parse(text).slice(0, 3).map((c) => c / 255)
        .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
        .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
    const element = document.querySelector(selector);
    let ground = element;
    const clear = (node) => parse(getComputedStyle(node).backgroundColor)[3] === 0;
    while (ground !== document.documentElement && clear(ground)) ground = ground.parentElement;
    const two = [getComputedStyle(element).color, getComputedStyle(ground).backgroundColor];
    const [dark, bright] = two.map(light).sort((a, b) => a - b);
    return (bright + 0.05) / (dark + 0.05);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_colour_schemes_can_be_read(browser: "Browser", live: Live, scheme: str) -> None:
    with opened(browser, live, "/#/runs/done", color_scheme=scheme) as page:
        at_step(page, 127)
        ground = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        assert ("244, 245, 247" in ground) == (scheme == "light")
        for selector in ("h1", "header .sub", ".tile dt", ".pill", ".bar nav a", "button.link"):
            assert page.evaluate(CONTRAST, selector) >= 4.5, selector


@pytest.mark.parametrize(
    "view",
    [
        *("/", "/#/runs/done", "/#/runs/torn", "/#/questions/products/recursive"),
        "/#/compare?left=done&right=lost",
    ],
)
def test_a_narrow_screen_needs_no_sideways_scrolling(
    browser: "Browser", live: Live, view: str
) -> None:
    with opened(browser, live, view, viewport={"width": 400, "height": 800}) as page:
        page.wait_for_selector("main:not([aria-busy]) h1")
        page.wait_for_load_state("networkidle") if "runs/done" not in view else at_step(page, 127)
        assert page.evaluate("document.documentElement.scrollWidth") <= 400


def test_the_tab_key_leads_through_the_page(browser: "Browser", live: Live) -> None:
    with opened(browser, live) as page:
        page.wait_for_selector("tbody a")
        seen = []
        for _ in range(40):
            page.keyboard.press("Tab")
            seen.append(page.evaluate("document.activeElement.textContent.trim()"))
            if seen[-1] == "done":
                break
        assert seen[:4] == ["Skip to content", "reason", "Runs", "Compare"]
        page.keyboard.press("Enter")
        page.wait_for_selector("svg.pegs[data-step]")


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


@pytest.fixture(scope="module")
def million(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    base = tmp_path_factory.mktemp("million")
    make_million(base)
    with serve(base) as live:
        yield live


def test_a_million_steps_are_opened_by_the_page(browser: "Browser", million: Live) -> None:
    rows: list[int] = []

    def count(response: Any) -> None:
        if "/api/" in response.url and response.url.split("?")[0].endswith(("steps", "pegs")):
            rows.append(len(response.json()))

    with opened(browser, million) as page:
        page.wait_for_selector("text=1,048,575 / 1,048,575")
        page.on("requestfinished", lambda request: count(request.response()))
        page.goto(f"{million.url}/#/runs/million?step={STEPS // 2}")
        at_step(page, STEPS // 2)
        assert drawn(page) == journal_pegs(million, "million", STEPS // 2)
        page.wait_for_selector(f"section[aria-label='Hardest steps'] button >> text='{HARD:,}'")
        assert sum(rows) <= 256 + 50
        page.focus("input.scrub")
        for _ in range(30):  # faster than a person, so nothing is fetched on the way
            page.keyboard.press("ArrowRight")
        for _ in range(20):
            page.keyboard.press("PageUp")
        step = STEPS // 2 + 30 + 20 * round(STEPS / 100)
        at_step(page, step)
        page.wait_for_selector(".answers, .step-detail .tally")
        page.fill("input.exact", str(HARD))
        page.keyboard.press("Enter")
        page.wait_for_selector("text=an answer")
        assert drawn(page) == journal_pegs(million, "million", HARD)
        assert len(rows) <= 20
        assert sum(rows) <= 1500


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
