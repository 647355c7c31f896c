"""The dashboard without a mouse, on a narrow screen, in light and in dark."""

from typing import TYPE_CHECKING

import pytest

from tests.serving.browsing import at_step, drawn, journal_pegs, opened
from tests.serving.live import Live

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser


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
