"""Turns what a user types into a full-text query that is always valid."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sdxl_desktop.core.untrusted_text import replace_unencodable

_MAX_CHARACTERS = 2000
_MAX_TERMS = 40
_TERM = re.compile(r'"([^"]*)"|([^\s"]+)')
_UNSEPARATED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]"
)
"""Scripts that do not separate words by spaces: SQLite takes a whole sentence for one word."""


@dataclass(frozen=True, slots=True)
class SearchText:
    """`match`: a query in FTS5's syntax, "" for none. `contained`: texts that must be contained, which the full-text
    index cannot find: signs, and scripts without spaces."""

    match: str = ""
    contained: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not self.match and not self.contained


def parse_search(text: str, column: str) -> SearchText:
    """Return the search for `text` in `column`: words match from their beginning, quoted phrases as they are, all must
    be found. Nothing is an error; blank text is an empty search."""
    clean = re.sub(r"[\x00-\x1f\x7f]", " ", replace_unencodable(text[:_MAX_CHARACTERS]))
    terms: list[str] = []
    contained: list[str] = []
    signs: list[str] = []
    for found in list(_TERM.finditer(clean))[:_MAX_TERMS]:
        phrase, word = found[1], found[2]
        term = (phrase if phrase is not None else word).strip()
        if not term:
            continue
        is_word = any(each.isalnum() for each in term)
        if term.isascii() and not is_word:
            signs.append(term)
        elif _UNSEPARATED.search(term) or not is_word:
            contained.append(term)
        else:
            terms.append(f'"{term}"' if phrase is not None else f'"{term}" *')
    if not terms and not contained:  # between words they are taken for separators
        contained = signs
    match = f"{{{column}}} : ({' AND '.join(terms)})" if terms else ""
    return SearchText(match, tuple(contained))


def like_pattern(text: str) -> str:
    """Return the pattern for SQL's LIKE, with the escape character "\\", that finds `text` anywhere."""
    escaped = re.sub(r"([\\%_])", r"\\\1", text)
    return f"%{escaped}%"
