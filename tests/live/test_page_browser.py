"""The page of a report in a real browser: it loads nothing, runs nothing, fits, unfolds, and can be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from browser import Browser
from synth_page import HOSTILE, hostile, many, subject

from tray.reports import page

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.linux, pytest.mark.chromium]

CONTRAST = """
(() => {
  const shade = colour => {
    const [red, green, blue] = colour.match(/[\\d.]+/g).map(Number).map(part => part / 255)
      .map(part => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const ground = element => {
    for (let one = element; one; one = one.parentElement) {
      const colour = getComputedStyle(one).backgroundColor;
      if (!colour.endsWith(', 0)') && colour !== 'transparent') return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  const weak = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let seen = 0;
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || element.closest('title, desc') || !element.checkVisibility()) continue;
    const drawn = element instanceof SVGElement;
    const box = drawn && element.closest('g') ? element.closest('g').querySelector('rect:last-of-type') : null;
    const ink = getComputedStyle(element)[drawn ? 'fill' : 'color'];
    const [light, dark] = [shade(ink), shade(box ? getComputedStyle(box).fill : ground(element))].sort((a, b) => b - a);
    seen += 1;
    if ((light + 0.05) / (dark + 0.05) < 4.5) weak.push(walker.currentNode.data + ' ' + ink);
  }
  return [seen, weak];
})()
"""
TOO_WIDE = """
[...document.querySelectorAll('.graph g')].filter(box => [...box.querySelectorAll('text')].some(
  text => text.getBBox().width > box.querySelector('rect').getBBox().width - 8)).map(box => box.textContent)
"""
STICKING_OUT = """
[...document.querySelectorAll('body *')].filter(one => one.checkVisibility() && !one.closest('figure, .table')
  && one.getBoundingClientRect().right > innerWidth + 1).map(one => one.outerHTML.slice(0, 120))
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for all of them; starting it takes longest."""
    running = Browser(tmp_path_factory.mktemp("profile"))
    try:
        yield running
    finally:
        running.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The page about a deadlock."""
    path = tmp_path / "report.html"
    path.write_bytes(page.drawn(subject()))
    return path


def test_nothing_is_asked_for(browser: Browser, path: Path) -> None:
    """The page is one file: the browser asks for it and for nothing else, and has nothing to complain of."""
    browser.open(path)
    assert browser.requests() == [path.as_uri()]
    assert browser.complaints() == []
    assert browser.run("document.title") == "app: Deadlock: saver ↔ loader, in save() and load()"
    assert browser.run("getComputedStyle(document.querySelector('h1')).fontWeight") == "650", (
        "the style counts"
    )


def test_nothing_would_run(browser: Browser, path: Path) -> None:
    """Even if a script got into the page, or a picture from elsewhere, the policy refuses them."""
    planted = b"""<script>document.title = 'hacked'</script><img src=x onerror="document.title = 'hacked'">
        <style>h1 { display: none }</style><link rel=stylesheet href=http://127.0.0.1:9/x.css>
        <img src=http://127.0.0.1:9/x.png><iframe src=http://127.0.0.1:9/></iframe>"""
    path.write_bytes(path.read_bytes().replace(b"<main>", b"<main>" + planted))
    browser.open(path)
    assert browser.run("document.title") != "hacked"
    assert browser.run("document.querySelector('h1').checkVisibility()")
    assert len([line for line in browser.complaints() if "Content Security Policy" in line]) >= 6
    assert not [line for line in browser.complaints() if "ERR_CONNECTION" in line]


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_hostile_names(browser: Browser, path: Path, number: int) -> None:
    """Show as what they are, break nothing and fit a telephone."""
    path.write_bytes(page.drawn(hostile(HOSTILE[number])))
    browser.look(360)
    browser.open(path)
    assert browser.complaints() == []
    assert browser.run("document.scripts.length + document.images.length") == 0
    assert browser.run("document.querySelectorAll('main > section').length") == 6
    assert browser.run("document.documentElement.scrollWidth") == 360
    assert browser.run(STICKING_OUT) == []
    assert browser.run(TOO_WIDE) == []
    first = HOSTILE[number].split("\0")[0][:20]
    if first.isascii():
        assert first in browser.run("document.querySelector('h1').textContent")


@pytest.mark.parametrize("width", [320, 360, 700, 1100, 2000])
def test_it_fits(browser: Browser, path: Path, width: int) -> None:
    """No page ever scrolls sideways, whatever it is read on."""
    browser.look(width)
    browser.open(path)
    assert browser.run("document.documentElement.scrollWidth") == width
    assert browser.run(STICKING_OUT) == []
    assert browser.run(TOO_WIDE) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read(browser: Browser, path: Path, scheme: str) -> None:
    """Every word stands out from its ground by 4.5 to 1; at night the ground is dark."""
    browser.look(scheme=scheme)
    browser.open(path)
    browser.run("document.querySelectorAll('details').forEach(one => one.open = true)")
    seen, weak = browser.run(CONTRAST)
    assert weak == []
    assert seen > 80
    ground = browser.run("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(252, 251, 249)", "dark": "rgb(21, 22, 24)"}[scheme]


def test_it_unfolds(browser: Browser, path: Path) -> None:
    """The threads that matter are open, others open on a click and close on the next."""
    browser.look()
    browser.open(path)
    is_open = "[...document.querySelectorAll('#threads details')].map(one => one.open)"
    assert browser.run(is_open) == [True, True, False, False]
    calls = "document.querySelectorAll('#threads details')[3].querySelector('.calls').checkVisibility()"
    for wanted in (True, False):
        browser.run("document.querySelectorAll('#threads summary')[3].click()")
        assert browser.run(calls) is wanted


def test_on_paper(browser: Browser, path: Path) -> None:
    """All calls are there though nobody can unfold paper; black on white, also at night."""
    browser.look(700, scheme="dark", medium="print")
    browser.open(path)
    assert browser.run("[...document.querySelectorAll('.calls')].every(one => one.checkVisibility())")
    assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.run(CONTRAST)[1] == []
    assert not browser.run("document.querySelector('nav').checkVisibility()")
    assert browser.run("document.documentElement.scrollWidth") == 700


def test_very_many_threads(browser: Browser, path: Path) -> None:
    """2,000 of them, each somewhere else, are no heavy page, and still fit a telephone."""
    path.write_bytes(page.drawn(many(2000, 100)))
    browser.look(360)
    browser.open(path)
    assert browser.run("document.documentElement.scrollWidth") == 360
    assert browser.run("document.querySelectorAll('*').length") < 40_000
    assert browser.run("performance.timing.domComplete - performance.timing.responseEnd") < 10_000
