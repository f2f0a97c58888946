"""The icon, drawn at the very size it is shown at from the shapes in ``icons/``.

The files there are SVG that any viewer shows, limited to what is drawn here:
``rect`` (with ``rx``), ``circle``, ``line`` and ``polygon`` on a grid of 16,
with a class that names a colour. A shape may say from which size on it is worth
drawing (``data-from``). Edges of upright rectangles are moved to whole pixels,
so that 22 is as crisp as 16 and 32.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from PIL import ImageDraw
    from PIL.Image import Image

    from tray.desktop import Look

Theme = Literal["light", "dark"]
"""Colours for a light panel, or for a dark one."""

SIZES = (16, 22, 24, 32, 48, 64)
"""What panels ask for: one or two rows, once or twice the pixels."""
GRID = 16
FINE = 8
"""Each pixel is drawn as so many squared, then averaged."""

_RULE = re.compile(r"\.(\w+)\s*\{\s*color:\s*(#[0-9a-fA-F]{6})\s*\}")
_SVG = "{http://www.w3.org/2000/svg}"


@dataclass(frozen=True, slots=True)
class Shape:
    """One element of a picture.

    Attributes:
        kind: ``rect``, ``circle``, ``line`` or ``polygon``.
        colour: Class that names its colour.
        least: Smallest size, in pixels, that shows it.
        numbers: Its attributes by name, in units of the grid.
        points: Corners of a polygon.
    """

    kind: str
    colour: str
    least: int
    numbers: dict[str, float]
    points: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Picture:
    """What one file in ``icons/`` holds."""

    shapes: tuple[Shape, ...]
    colours: dict[Theme, dict[str, str]]

    def draw(self, size: int, theme: Theme = "light") -> Image:
        """The picture as RGBA, ``size`` pixels wide and high."""
        from PIL import Image

        fine = size * FINE
        image = Image.new("RGBA", (size, size))
        for shape in self.shapes:
            if size < shape.least:
                continue
            # Each shape has its own mask: drawn side by side they would leave
            # seams of the background's colour where they touch.
            mask = Image.new("L", (fine, fine))
            _draw(mask, shape, size)
            stamp = Image.new("RGBA", (size, size), self.colours[theme][shape.colour])
            stamp.putalpha(mask.resize((size, size), Image.Resampling.BOX))
            image.alpha_composite(stamp)
        return image


def folder() -> Path:
    """Where the pictures are: in the package when installed, beside it in the source tree."""
    package = Path(__file__).resolve().parent.parent
    places = (package / "icons", package.parent / "icons", Path(getattr(sys, "_MEIPASS", package)) / "icons")
    return next((place for place in places if place.is_dir()), places[0])


@cache
def picture(look: Look) -> Picture:
    """The picture for a look."""
    return parse((folder() / f"{look}.svg").read_text("utf-8"))


@cache
def icon(look: Look, theme: Theme, size: int) -> Image:
    """The icon as it is to be shown."""
    return picture(look).draw(size, theme)


def parse(text: str) -> Picture:
    """Read the SVG of one picture."""
    root = ET.fromstring(text)  # noqa: S314  # a file of our own
    style = root.findtext(f"{_SVG}style") or ""
    light, _, dark = style.partition("@media")
    plain = dict(_RULE.findall(light))
    shapes = tuple(_shape(element) for element in root.iter() if "class" in element.attrib)
    return Picture(shapes, {"light": plain, "dark": plain | dict(_RULE.findall(dark))})


def cached_png(look: Look = "idle", size: int = 64) -> Path:
    """A PNG of the icon in the user's cache folder, for programs that want a file."""
    from platformdirs import user_cache_path

    path = user_cache_path("hangshot", appauthor=False) / f"{look}-{size}.png"
    drawn = png(icon(look, "light", size))
    if not path.is_file() or path.read_bytes() != drawn:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_bytes(drawn)
    return path


def png(image: Image) -> bytes:
    """The image as a PNG file."""
    from io import BytesIO

    file = BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def pixmap(image: Image) -> list[object]:
    """The image as StatusNotifierItem wants it: width, height, ARGB in network order.

    Source: freedesktop.org, StatusNotifierItem, "Icons".
    """
    red, green, blue, alpha = image.convert("RGBA").split()
    from PIL import Image as Images

    return [image.width, image.height, Images.merge("RGBA", (alpha, red, green, blue)).tobytes()]


def _shape(element: ET.Element) -> Shape:
    numbers = {
        name.replace("stroke-", ""): float(value)
        for name, value in element.items()
        if name not in {"class", "points", "data-from"}
    }
    corners = [float(number) for number in element.get("points", "").replace(",", " ").split()]
    return Shape(
        kind=element.tag.removeprefix(_SVG),
        colour=element.get("class", ""),
        least=int(element.get("data-from", "0")),
        numbers=numbers,
        points=tuple(zip(corners[::2], corners[1::2], strict=True)),
    )


def _draw(mask: Image, shape: Shape, size: int) -> None:
    from PIL import ImageDraw

    draw = ImageDraw.Draw(mask)
    if shape.kind == "rect":
        _draw_rect(draw, shape.numbers, size)
    elif shape.kind == "circle":
        _draw_circle(draw, shape.numbers, size)
    elif shape.kind == "line":
        _draw_line(draw, shape.numbers, size)
    else:
        scale = size * FINE / GRID
        draw.polygon([(x * scale, y * scale) for x, y in shape.points], fill=255)


def _draw_rect(draw: ImageDraw.ImageDraw, at: dict[str, float], size: int) -> None:
    left, right = snapped(at["x"], at["width"], size)
    top, bottom = snapped(at["y"], at["height"], size)
    box = (left * FINE, top * FINE, right * FINE - 1, bottom * FINE - 1)
    draw.rounded_rectangle(box, at.get("rx", 0) * size * FINE / GRID, fill=255)


def snapped(start: float, length: float, size: int) -> tuple[int, int]:
    """First and last pixel edge of a stretch of the grid, the same from either side.

    Measured from the nearer border, so that a picture that is symmetric on the
    grid stays so on the pixels; at least one pixel long.
    """
    scale = size / GRID
    pixels = max(1, round(length * scale))
    before, after = start, GRID - start - length
    if before <= after:
        first = int(before * scale + 0.5)
        return first, first + pixels
    last = size - int(after * scale + 0.5)
    return last - pixels, last


def _draw_circle(draw: ImageDraw.ImageDraw, at: dict[str, float], size: int) -> None:
    scale = size * FINE / GRID
    x, y, r = at["cx"] * scale, at["cy"] * scale, at["r"] * scale
    draw.ellipse((x - r, y - r, x + r - 1, y + r - 1), fill=255)


def _draw_line(draw: ImageDraw.ImageDraw, at: dict[str, float], size: int) -> None:
    """A line with round ends, pairs of pixels wide: the middle of the picture lies between two."""
    scale = size * FINE / GRID
    ends = [(at["x1"] * scale, at["y1"] * scale), (at["x2"] * scale, at["y2"] * scale)]
    width = max(1, round(at["width"] * size / GRID / 2)) * 2 * FINE
    draw.line(ends, fill=255, width=width)
    for x, y in ends:
        r = width / 2
        draw.ellipse((x - r, y - r, x + r - 1, y + r - 1), fill=255)
