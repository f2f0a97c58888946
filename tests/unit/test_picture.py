"""The icon, at every size and look."""

from __future__ import annotations

import itertools

import pytest

from tray.desktop import picture

LOOKS = ("idle", "busy", "paused")


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", picture.SIZES)
def test_every_icon_fills_its_square(look, theme, size):
    """Each is as large as asked, reaches its four sides, and has a clear figure in it."""
    image = picture.icon(look, theme, size)
    assert image.size == (size, size)
    assert image.getchannel("A").getbbox() == (0, 0, size, size)
    body = image.getpixel((size // 2, 0))
    corner = picture.snapped(2, 1, size)[0]
    figure = image.getpixel((corner, corner))
    assert sum(abs(a - b) for a, b in zip(body[:3], figure[:3], strict=True)) > 200


def test_looks_differ_in_shape_as_well():
    """Whoever does not see colours can tell them apart."""
    grey = [picture.icon(look, "light", 16).convert("LA").convert("1").tobytes() for look in LOOKS]
    assert len(set(grey)) == len(LOOKS)


@pytest.mark.parametrize("size", picture.SIZES)
def test_symmetric_pictures_stay_symmetric(size):
    """Moving edges to whole pixels must not make a picture lopsided."""
    from PIL import ImageOps

    paused = picture.icon("paused", "light", size)
    assert paused.tobytes() == ImageOps.mirror(paused).tobytes()


@pytest.mark.parametrize("size", picture.SIZES)
def test_upright_edges_are_crisp(size):
    """The corners of the viewfinder are of two colours, and none between."""
    image = picture.icon("idle", "light", size).crop((0, size // 2, size, size // 2 + 1))
    edge = [image.getpixel((x, 0)) for x in range(size // 8 + 1)]
    assert len(set(edge)) == 1


def test_snapped_is_the_same_from_either_side():
    """A stretch and its mirror image lie at mirrored pixels."""
    for size, start in itertools.product(range(16, 65), (0, 2, 5, 5.5, 7)):
        first, last = picture.snapped(start, 1.5, size)
        assert (size - last, size - first) == picture.snapped(16 - start - 1.5, 1.5, size)
        assert last > first


def test_pixmap_is_argb_in_network_order():
    """As StatusNotifierItem wants it, whatever our machine's order."""
    from PIL import Image

    image = Image.new("RGBA", (2, 1), (1, 2, 3, 4))
    assert picture.pixmap(image) == [2, 1, bytes([4, 1, 2, 3] * 2)]


def test_dark_colours_fall_back_to_light_ones():
    """A picture need not name each colour twice."""
    parsed = picture.parse(
        '<svg xmlns="http://www.w3.org/2000/svg"><style>.a { color: #010203 } .b { color: #040506 }'
        "@media (prefers-color-scheme: dark) { .b { color: #0a0b0c } }</style>"
        '<polygon class="a" points="0,0 16,0 16,16 0,16"/></svg>'
    )
    assert parsed.colours == {
        "light": {"a": "#010203", "b": "#040506"},
        "dark": {"a": "#010203", "b": "#0a0b0c"},
    }
    assert parsed.draw(4, "dark").getpixel((1, 1)) == (1, 2, 3, 255)


def test_cached_png(tmp_path, monkeypatch):
    """Drawn once, and again when it was damaged."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = picture.cached_png()
    first = path.read_bytes()
    assert first.startswith(b"\x89PNG")
    path.write_bytes(b"x")
    assert picture.cached_png().read_bytes() == first
