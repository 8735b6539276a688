"""The background behind the transparent parts of an opened picture: a named backdrop or any colour."""

from __future__ import annotations

import re

WHITE, BLACK, GREY, CHECKERBOARD = "white", "black", "grey", "checked"
BACKDROPS = ((WHITE, "White"), (BLACK, "Black"), (GREY, "Grey"), (CHECKERBOARD, "Checked"))
"""The named backdrops and their labels."""

_COLOUR = re.compile(r"#[0-9a-f]{6}", re.IGNORECASE)
_NAMED_COLOURS = {WHITE: (255, 255, 255), BLACK: (0, 0, 0), GREY: (128, 128, 128)}


def is_backdrop(text: str) -> bool:
    """Whether `text` is one of BACKDROPS or a colour as "#rrggbb"."""
    return text in dict(BACKDROPS) or _COLOUR.fullmatch(text) is not None


def backdrop_description(text: str) -> str:
    """Return the name of a backdrop for use within a sentence."""
    return "checked squares" if text == CHECKERBOARD else text


def backdrop_colour(text: str) -> tuple[int, int, int] | None:
    """Return red, green and blue in 0 to 255; None for the checkerboard. Raises ValueError for an invalid backdrop."""
    if not is_backdrop(text):
        raise ValueError(f"not a backdrop: {text!r}")
    if text == CHECKERBOARD:
        return None
    if text in _NAMED_COLOURS:
        return _NAMED_COLOURS[text]
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)
