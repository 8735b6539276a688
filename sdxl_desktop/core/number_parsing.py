"""Parses numbers as users type and paste them, with any locale's digits and separators, and formats them with all
digits."""

from __future__ import annotations

import re
import unicodedata

from sdxl_desktop.core.errors import RequestError

_INVISIBLE = {"Cf", "Cc"}
"""Unicode categories of invisible characters in pasted text: direction marks, zero-width joiners, line breaks."""
_SEPARATOR_VARIANTS = str.maketrans(
    {"−": "-", "‐": "-", "‑": "-", "‒": "-", "–": "-", "٫": ".", "٬": "'", "’": "'", "،": ",", "。": ".", "·": "."}
)  # minus signs, hyphens, Arabic and East Asian separators
_PLAIN = re.compile(r"[+-]?(\d+[.,]?\d*|[.,]\d+)(e[+-]?\d{1,3})?", re.IGNORECASE)
_GROUPED = re.compile(r"([+-]?)(\d{1,3})((?P<group>[ '.,])\d{3}(?:(?P=group)\d{3})*)(?:(?!(?P=group))[.,](\d*))?")
_NUMBER_PREFIX = re.compile(r"[+-]?[\d ']*([.,]\d*)?")
_MAX_LENGTH = 64
"""Maximum characters; no meaningful number is longer, and Python is slow on very long ones."""

_MAX_BITS = 200


def normalize_digits(text: str) -> str:
    """Return `text` with ASCII digits and separators, without invisible characters and surrounding blanks: full-width
    and Arabic digits, non-breaking spaces and the typographic minus are normalized."""
    start = text[: 4 * _MAX_LENGTH]
    if start.isascii() and start.isprintable():
        return start.strip()
    known = unicodedata.normalize("NFKC", start.translate(_SEPARATOR_VARIANTS))
    seen = (
        " " if character.isspace() else character
        for character in known
        if character.isspace() or unicodedata.category(character) not in _INVISIBLE
    )
    return "".join(_digit(character) for character in seen).strip().translate(_SEPARATOR_VARIANTS)


def parse_float(text: str) -> float:
    """Parse a number. "." and "," are both decimal separators; if both occur, or blanks or apostrophes between groups
    of three digits, the last separator is the decimal one. Raises RequestError."""
    known = normalize_digits(text)
    if len(known) <= _MAX_LENGTH:
        if _PLAIN.fullmatch(known):
            return float(known.replace(",", "."))
        grouped = _GROUPED.fullmatch(known)
        if grouped is not None and _is_unambiguously_grouped(grouped):
            whole = grouped[1] + grouped[2] + re.sub(r"\D", "", grouped[3])
            return float(f"{whole}.{grouped[5] or 0}")
    raise RequestError(f"{_quoted(text)} is not a number.", next_step="Write one such as 3.5 or 3,5.")


def parse_int(text: str) -> int:
    """Parse an integer, with digit groups ("4 294 967 295"). Raises RequestError for anything else, also for "1,024",
    which is about one in one country and about a thousand in another."""
    known = normalize_digits(text)
    if len(known) <= _MAX_LENGTH:
        if re.fullmatch(r"[+-]?\d+", known):
            return int(known)
        if re.fullmatch(r"[+-]?\d+[.,]0{0,2}", known):
            return int(re.split("[.,]", known)[0])
        grouped = _GROUPED.fullmatch(known)
        if grouped is not None and _is_unambiguously_grouped(grouped) and not (grouped[5] or "").strip("0"):
            return int(grouped[1] + grouped[2] + re.sub(r"\D", "", grouped[3]))
    raise RequestError(f"{_quoted(text)} is not a whole number.", next_step="Write digits only, such as 1024.")


def is_number_prefix(text: str, *, integer: bool) -> bool:
    """Whether further typing after `text` could complete a number."""
    known = normalize_digits(text)
    return (
        len(known) <= _MAX_LENGTH
        and _NUMBER_PREFIX.fullmatch(known) is not None
        and not (integer and re.search("[.,]", known))
    )


def format_number(value: float) -> str:
    """Format `value` with all digits, 4294967295 and not 4.29497e+09; decimals only if there are any."""
    if isinstance(value, int):
        return str(value) if value.bit_length() < _MAX_BITS else "longer than any number that counts"
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:g}"


def _is_unambiguously_grouped(found: re.Match[str]) -> bool:
    """Blanks and apostrophes always group; "." and "," only if they occur twice or another one follows."""
    return found["group"] in " '" or found[3].count(found["group"]) > 1 or found[5] is not None


def _digit(character: str) -> str:
    value = unicodedata.decimal(character, None)
    return character if value is None else str(value)


def _quoted(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:39] + "…")
