"""From tree to text: nothing foreign gets out unescaped."""

from __future__ import annotations

import base64
import hashlib
import re
import time
from html.parser import HTMLParser

import pytest

from tray.reports.page import style
from tray.reports.page.letters import fitted, width
from tray.reports.page.markup import Node, clean, foreign, make, path, sentence, written
from tray.verdicts import VerdictKind


def test_text_is_escaped():
    """Whatever it is: markup, quotes, references."""
    text = "<script>alert('x')</script> & \"quotes\" &amp; </style>"
    node = make("p", text, foreign(text), title=text)
    told = written(node)
    assert told.count("<") == 4  # of p and bdi
    assert "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt; &amp; &quot;quotes&quot; &amp;amp;" in told

    class Parser(HTMLParser):
        def handle_data(self, data):
            assert data == text

    Parser().feed(told)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a\0b\x1b[31m", "a\ufffdb\ufffd[31m"),
        ("\ud800 \udcff", "\ufffd \ufffd"),
        ("\u202egnp.exe\u2066\u200b\u200f", "\ufffdgnp.exe\ufffd\ufffd\ufffd"),
        ("\ufeff\U000e0041", "\ufffd\ufffd"),
        ("a\u00a0b\u3000c\td\ne", "a b c d e"),
        ("Grüße 日本語 שלום 🙂", "Grüße 日本語 שלום 🙂"),
    ],
)
def test_what_does_not_show_is_marked(text: str, left: str):
    """Controls, lone surrogates and what turns the direction become a mark; other languages stay."""
    assert clean(text) == left
    assert written(make("p", text)) == f"<p>{left}</p>"
    written(make("p", text)).encode()


def test_very_long_text():
    """Is cut, wherever it comes from."""
    assert clean("x" * 100_000, 10) == "x" * 9 + "…"
    assert len(written(make("p", "x" * 100_000))) < 7000


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("worker-1", "worker-1"),
        ("worker-12345", "worker-1…"),
        ("WWWWWWWW", "WWWWW…"),
        ("iiiiiiiiiiiii", "iiiiiiiiiiiii"),
        ("日本語です", "日本語です"),
        ("日本語ですよね", "日本語です…"),
        ("a\n  b\0", "a b\ufffd"),
        ("x" * 100_000, "xxxxxxx…"),
        ("", ""),
    ],
)
def test_what_fits(text: str, left: str):
    """One line, no wider than there is room; what is cut off is marked."""
    assert fitted(text, 6.5) == left
    assert width(left) <= 6.5


def test_children_of_all_kinds():
    """Lists are flattened, nothing is nothing, an element may have no end."""
    tree = make(
        "ul", [make("li", "a"), None, (make("li", str(n)) for n in range(2))], None, class_="x", id=None
    )
    assert written(tree) == '<ul class="x"><li>a</li><li>0</li><li>1</li></ul>'
    assert written(make("br")) == "<br>"
    assert (
        written(make("text", stroke_width=2, viewBox="0 0 1 1"))
        == '<text stroke-width="2" viewBox="0 0 1 1"></text>'
    )


def test_the_policy_fits_the_style_sheet():
    """Its hash is the sheet's own, as a browser takes it; nothing else is let through."""
    digest = base64.b64encode(hashlib.sha256(style.SHEET.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in style.POLICY
    assert style.POLICY.startswith("default-src 'none'; ")
    assert "unsafe" not in style.POLICY
    assert written(Node("style", raw=style.SHEET)) == f"<style>{style.SHEET}</style>"
    assert "\r" not in style.SHEET, "browsers hash it with plain line ends"


def test_the_style_sheet_loads_nothing():
    """No address, no import, no end of its element."""
    assert not re.search(r"url\(|@import|http|</|@font-face", style.SHEET)


def _luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(scheme: str):
    """Every colour of text on every ground it may stand on: 4.5 to 1 at least."""
    blocks = re.findall(r":root \{(.*?)\}", style.SHEET, re.DOTALL)
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", blocks[scheme == "dark"]))
    inks = ("ink", "soft", "link", "warn", "deadlock", "blocked", "busy", "outside", "waiting", "idle")
    weak = {
        (ink, ground): _contrast(colours[ink], colours[ground])
        for ink in inks
        for ground in ("paper", "card", "sunk")
        if _contrast(colours[ink], colours[ground]) < 4.5
    }
    assert not weak
    assert _contrast(colours["held"], colours["left"]) > 2.9, "the bar's parts must differ without colour"


def test_each_kind_of_verdict_has_its_colour():
    """The bar beside it is drawn in it."""
    assert [
        kind for kind in VerdictKind if not re.search(rf"\.{kind.value}\b[^{{]*{{ --accent", style.SHEET)
    ] == []


def test_words_with_hyphens_stay_whole():
    """A headline does not break ``worker-2`` in two; what is no word of that kind is left alone."""
    told = written(make("h1", sentence("Deadlock: worker-1 ↔ worker-2, in <a-b>() - -1")))
    assert re.findall(r'<span class="word">(.*?)</span>', told) == ["worker-1", "worker-2,", "&lt;a-b&gt;()"]
    told_again = written(make("h1", sentence("Deadlock: thread 804 ↔ thread 808, in a thread")))
    assert re.findall(r'<span class="word">(.*?)</span>', told_again) == ["thread 804", "thread 808,"]
    assert re.sub("</?span.*?>", "", told) == "<h1>Deadlock: worker-1 ↔ worker-2, in &lt;a-b&gt;() - -1</h1>"


def test_a_very_long_word_takes_no_longer_than_many_short_ones():
    """An app may call itself what it likes; half a minute for 50,000 letters was seen."""
    began = time.process_time()
    assert written(make("h1", sentence("x" * 200_000))) == f"<h1>{clean('x' * 200_000)}</h1>"
    assert time.process_time() - began < 10


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        (r"C:\Program Files\a b\app.exe /x", ["C:\\", "Program Files\\", "a b\\", "app.exe /", "x"]),
        ("/opt/a//b/", ["/", "opt/", "a//", "b/"]),
        ("app", ["app"]),
        ("", [""]),
    ],
)
def test_paths_break_between_folders(text: str, pieces: list[str]):
    """Never within a name, as long as there is room for that; and nothing is added to the text."""
    assert written(path(text)) == f"<bdi>{'<wbr>'.join(pieces)}</bdi>"


def test_functions_and_commands_stay_whole():
    """A headline breaks neither before a function's brackets nor in what one may paste."""
    told = written(
        make("h1", sentence("main in <listcomp>() isn't on (for 6 s); 'kill -CONT 70' lets it go on"))
    )
    assert re.findall(r'<span class="word">(.*?)</span>', told) == [
        "&lt;listcomp&gt;()",
        "(for 6 s);",
        "&#x27;kill -CONT 70&#x27;",
    ]
