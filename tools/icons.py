"""The app's mark as PNG, for systems that take no SVG as an app's icon: made from static/icons/modeltab.svg.

It reads what that file uses of SVG, no more: a rounded square, and one path of straight lines and arcs with round ends.
"""

import math
import re
import struct
import zlib
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

ICON_FOLDER = Path("static", "icons")
MARK = ICON_FOLDER / "modeltab.svg"

_SVG = "{http://www.w3.org/2000/svg}"
_TOKEN = re.compile(r"([A-Za-z])|(-?(?:\d+\.\d*|\.\d+|\d+))")
_ARC_STEPS = 48

Point = tuple[float, float]
Line = tuple[Point, Point]


class Icon(NamedTuple):
    """One file.

    Args:
        size: pixels.
        full: whether the square goes to the edges, for systems that cut their own shape.
        scale: of the mark; a mask may leave no more than the inner 80 % (W3C, maskable icons).
    """

    name: str
    size: int
    full: bool = False
    scale: float = 1.0


ICONS = (
    Icon("modeltab-192.png", 192),
    Icon("modeltab-512.png", 512),
    Icon("modeltab-maskable.png", 512, full=True, scale=0.8),
    Icon("apple-touch-icon.png", 180, full=True),
)


def write_icons(root: Path) -> None:
    """Write every icon beside the mark."""
    for icon in ICONS:
        (root / ICON_FOLDER / icon.name).write_bytes(png_of(root / MARK, icon))


def png_of(mark: Path, icon: Icon) -> bytes:
    """Return the icon's PNG."""
    svg = ElementTree.parse(mark).getroot()
    square, path = svg.find(f"{_SVG}rect"), svg.find(f"{_SVG}path")
    assert square is not None and path is not None, f"{mark} has another shape than this module reads"
    width = float(square.attrib["width"])
    pixels = icon.size / width  # of one unit
    ground = bytes.fromhex(square.attrib["fill"].removeprefix("#"))
    radius = 0.0 if icon.full else float(square.attrib["rx"]) * pixels
    shown, middle = pixels * icon.scale, icon.size / 2
    lines = [
        tuple(((x - width / 2) * shown + middle, (y - width / 2) * shown + middle) for x, y in line)
        for line in lines_of(path.attrib["d"])
    ]
    stroke = _stroked(lines, float(path.attrib["stroke-width"]) * shown / 2, icon.size)
    rows = bytearray()
    for y in range(icon.size):
        rows.append(0)  # no filter
        for x, white in enumerate(stroke[y * icon.size : (y + 1) * icon.size]):
            rows += bytes(round(part + (255 - part) * white) for part in ground)
            rows.append(round(255 * _inside(x + 0.5, y + 0.5, icon.size, radius)))
    return _png(icon.size, bytes(rows))


def lines_of(path: str) -> list[Line]:
    """Return a path as straight lines.

    Raises:
        ValueError: it has a command that is not known here.
    """
    tokens = [letter or float(number) for letter, number in _TOKEN.findall(path)]
    lines: list[Line] = []
    x = y = 0.0
    command = ""
    while tokens:
        if isinstance(tokens[0], str):
            command = str(tokens.pop(0))
        taken = [float(tokens.pop(0)) for _ in range({"m": 2, "h": 1, "v": 1, "a": 7}.get(command.lower(), 0))]
        fromx, fromy = (x, y) if command.islower() else (0.0, 0.0)
        match command.lower():
            case "m":
                x, y = fromx + taken[0], fromy + taken[1]
            case "h":
                lines.append(((x, y), (fromx + taken[0], y)))
            case "v":
                lines.append(((x, y), (x, fromy + taken[0])))
            case "a":
                lines += _arc((x, y), (fromx + taken[5], fromy + taken[6]), taken[0], bool(taken[4]))
            case _:
                raise ValueError(f"{command!r} in a path is not known here")
        if command.lower() != "m":
            x, y = lines[-1][1]
    return lines


def _arc(start: Point, end: Point, radius: float, clockwise: bool) -> list[Line]:
    """Return the smaller arc of a circle as lines."""
    across, down = end[0] - start[0], end[1] - start[1]
    chord = math.hypot(across, down)
    rise = math.sqrt(max(radius**2 - chord**2 / 4, 0.0)) * (1 if clockwise else -1)
    centre = (start[0] + across / 2 - down / chord * rise, start[1] + down / 2 + across / chord * rise)
    first = math.atan2(start[1] - centre[1], start[0] - centre[0])
    turn = 2 * math.asin(min(chord / 2 / radius, 1.0)) * (1 if clockwise else -1)
    angles = [first + turn * step / _ARC_STEPS for step in range(_ARC_STEPS + 1)]
    points = [(centre[0] + radius * math.cos(a), centre[1] + radius * math.sin(a)) for a in angles]
    return list(pairwise(points))


def _stroked(lines: list[tuple[Point, ...]], half: float, size: int) -> list[float]:
    """Return how much of each pixel the lines cover, with round ends."""
    covered = [0.0] * (size * size)
    for (x0, y0), (x1, y1) in lines:
        across, down = x1 - x0, y1 - y0
        squared = across * across + down * down or 1.0
        reach = half + 1
        for y in range(max(int(min(y0, y1) - reach), 0), min(int(max(y0, y1) + reach) + 1, size)):
            for x in range(max(int(min(x0, x1) - reach), 0), min(int(max(x0, x1) + reach) + 1, size)):
                right, below = x + 0.5 - x0, y + 0.5 - y0
                along = min(max((right * across + below * down) / squared, 0.0), 1.0)
                here = half + 0.5 - math.hypot(right - along * across, below - along * down)
                if here > covered[y * size + x]:
                    covered[y * size + x] = min(here, 1.0)
    return covered


def _inside(x: float, y: float, size: int, radius: float) -> float:
    """Return how much of a pixel is within the rounded square."""
    right, below = max(abs(x - size / 2) - size / 2 + radius, 0.0), max(abs(y - size / 2) - size / 2 + radius, 0.0)
    return min(max(radius + 0.5 - math.hypot(right, below), 0.0), 1.0) if right and below else 1.0


def _png(size: int, rows: bytes) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", size, size, 8, 6, 0, 0, 0)  # 8 bits, RGBA
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
