"""The area that shows lines, in a real browser, on a model that stands in for the kernel's."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

import server.notebook
from tests.test_pages import SCREENSHOTS, browser

__all__ = ["browser"]  # a fixture

DIRECTORY = Path(server.notebook.__file__).parent

MODEL = """
    window.receive = null;
    const model = {
        get: () => 5,
        on: (_, react) => { window.receive = react; },
        off: () => {},
        send: () => {},
    };
    widget.render({model, el: document.body});
"""

THEMES = {
    "light": ("#ffffff", "rgb(0, 0, 0, 0.87)"),
    "dark": ("#111111", "rgb(255, 255, 255, 0.87)"),
}


@pytest.mark.parametrize("theme", THEMES)
def test_each_log_has_a_colour_that_can_be_read(theme: str, browser: Browser) -> None:
    surface, text = THEMES[theme]
    page = browser.new_page(color_scheme=theme)  # type: ignore[arg-type]
    style = f"body {{ background: {surface}; color: {text}; --jp-content-font-color1: {text} }}"
    page.set_content(f"<style>{style}{(DIRECTORY / 'line_area.css').read_text()}</style>")
    script = (DIRECTORY / "line_area.js").read_text().replace("export default", "const widget =")
    page.add_script_tag(content=f"{{ {script} {MODEL} }}")

    def show(*lines: Any) -> None:
        page.evaluate("lines => receive({lines, clear: true})", list(lines))

    show(["INFO one", "info"], ["<b>two</b>", "error", "<i>.log", 0], ["gone", "fact", "b", 1])
    line = page.locator(".riacho-lines > div")
    expect(line).to_have_text(["INFO one", "<i>.log <b>two</b>", "b gone"])
    page.evaluate("document.querySelector('.riacho-lines').style.height = '40em'")
    colours, contrasts = [], []
    for first in (0, 5):
        show(*(["a line", "", f"log {number}", number] for number in range(first, first + 5)))
        page.screenshot(path=SCREENSHOTS / f"line-area-{theme}-{first}.png")
        for name in page.locator(".log").all():
            colours.append(name.evaluate("e => getComputedStyle(e).color"))
            contrasts.append(name.evaluate(CONTRAST, surface))
    page.close()
    assert len(set(colours[:8])) == 8
    assert colours[8:] == colours[:2]
    assert min(contrasts) >= 4.5, contrasts


CONTRAST = """
    (element, surface) => {
        const canvas = document.createElement("canvas").getContext("2d");
        const light = colour => {
            canvas.fillStyle = surface;
            canvas.fillRect(0, 0, 1, 1);
            canvas.fillStyle = colour;
            canvas.fillRect(0, 0, 1, 1);
            const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map(
                c => (c /= 255) <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4);
            return .2126 * r + .7152 * g + .0722 * b;
        };
        const pair = [light(getComputedStyle(element).color), light(surface)];
        return (Math.max(...pair) + .05) / (Math.min(...pair) + .05);
    }
"""
