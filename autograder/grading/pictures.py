"""How large a picture is when it is drawn, which its bytes do not tell: 60 KB of an empty PNG are
1.6 GB in a browser."""

from __future__ import annotations

import base64
import re
import struct

# Of one picture, and of all that a notebook shows: a large figure for print has 35 million.
MAX_PIXELS = 50_000_000
MAX_PIXELS_IN_ALL = 200_000_000
IN_TEXT = re.compile(r"data:image/[a-z+]+;base64,([A-Za-z0-9+/=\s]*)")
# The markers of a JPEG after which its size stands.
SIZED = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}


def pixels(picture: str) -> int:
    """How many pixels a PNG, JPEG, GIF or WebP has, given as base64; beyond all bounds for what is
    none, since a browser would try what else it could be."""
    try:
        data = base64.b64decode(picture)
        width, height = _size(data)
    except (ValueError, struct.error, IndexError):
        return MAX_PIXELS_IN_ALL + 1
    return int(width * height)


def pixels_in(text: str) -> int:
    """How many the pictures have that stand in a text, drawings apart."""
    found = (m for m in IN_TEXT.finditer(text) if not m[0].startswith("data:image/svg"))
    return sum(pixels(m[1]) for m in found)


def _size(data: bytes) -> tuple[int, int]:
    if data.startswith(b"\x89PNG\r\n\x1a\n") and data[12:16] == b"IHDR":
        return struct.unpack_from(">II", data, 16)
    if data.startswith((b"GIF87a", b"GIF89a")):
        return _size_of_a_gif(data)
    if data.startswith(b"\xff\xd8"):
        return _size_of_a_jpeg(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _size_of_a_webp(data)
    raise ValueError("no picture of a known kind")


def _size_of_a_gif(data: bytes) -> tuple[int, int]:
    """Of the screen, or of the first picture, for which browsers make it larger."""
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    at = 13 + (3 * 2 ** (1 + (flags & 7)) if flags & 0x80 else 0)
    while data[at] == 0x21:
        at += 2
        while data[at]:
            at += 1 + data[at]
        at += 1
    left, top, wide, high = struct.unpack_from("<HHHH", data, at + 1)
    return max(width, left + wide), max(height, top + high)


def _size_of_a_jpeg(data: bytes) -> tuple[int, int]:
    at = 2
    while data[at] == 0xFF:
        marker = data[at + 1]
        if marker in SIZED:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        at += 1 if marker == 0xFF else 2 + max(2, *struct.unpack_from(">H", data, at + 2))
    raise ValueError("a JPEG without a size")


def _size_of_a_webp(data: bytes) -> tuple[int, int]:
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF
