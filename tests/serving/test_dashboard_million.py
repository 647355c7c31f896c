"""The dashboard over a million steps: it fetches what is looked at, and no more."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.serving.browsing import at_step, drawn, journal_pegs, opened
from tests.serving.live import Live, serve
from tests.serving.million import HARD, STEPS, make_million

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser


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
