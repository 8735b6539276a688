"""Reads a tag list as a1111-sd-webui-tagcomplete has it: CSV lines of name, type, count and "aliases".

    1girl,0,4114588,"1girls,sole_female"

The file is untrusted: bounded, and lines that cannot be used are counted and skipped. A list of names alone, one a
line, is read, too.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sdxl_desktop.core.errors import RequestError, describe_error
from sdxl_desktop.core.regular_files import FileTooLargeError, read_regular
from sdxl_desktop.core.untrusted_text import display_text

MAX_TAGS = 300_000
MAX_FILE_BYTES = 64 * 2**20
MAX_NAME = 200
"""Maximum characters of a tag or an alias."""
_MAX_ALIASES = 50
_MAX_COUNT = 2**40
_MAX_LINE = 20_000
_USUAL_LINE = re.compile(r'([^",]*),([^",]*),([^",]*)(?:,"([^"]*)"|,([^",]*))?')


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag, how often it is used, and other words for it. `kind` is the number of its category, "" if none."""

    name: str
    count: int = 0
    aliases: tuple[str, ...] = ()
    kind: str = ""


@dataclass(frozen=True, slots=True)
class TagList:
    """The tags of a file, without duplicates; `skipped` lines could not be used. `is_cut`: it has more than are
    read."""

    tags: tuple[Tag, ...]
    skipped: int = 0
    is_cut: bool = False


def read_tag_list(file: Path) -> TagList:
    """Return the tags in `file`. Raises RequestError if it cannot be read or holds no tag."""
    try:
        content = read_regular(file, MAX_FILE_BYTES)
    except FileTooLargeError as problem:
        raise RequestError(
            f"The tag list {display_text(file.name, 80)} is too large.",
            why=describe_error(problem),
            next_step=f"Choose a list of at most {MAX_TAGS:,} tags.",
        ) from problem
    except OSError as problem:
        raise RequestError(
            f"The tag list {display_text(file, 200)} cannot be read.",
            why=describe_error(problem),
            next_step="Choose another file.",
        ) from problem
    found = parse_tag_list(_decoded(content))
    if not found.tags:
        raise RequestError(
            f"There are no tags in {display_text(file.name, 80)}.",
            next_step='Choose a CSV file with lines such as: 1girl,0,4114588,"1girls,sole_female".',
        )
    return found


def parse_tag_list(text: str) -> TagList:
    """Return the tags in `text`, at most `MAX_TAGS`."""
    tags: dict[str, Tag] = {}
    skipped, is_cut = 0, False
    for row in _rows(text):
        if len(tags) >= MAX_TAGS:
            is_cut = True
            break
        tag = None if row is None else _tag(row)
        if tag is None:
            skipped += 1
        elif tag.name not in tags:
            tags[tag.name] = tag
    return TagList(tuple(tags.values()), skipped, is_cut)


def _decoded(content: bytes) -> str:
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    return content.decode(encoding, errors="replace")


def _rows(text: str) -> Iterator[list[str] | None]:
    """Yield the fields of each line that is not blank; None for one that is no CSV. Each line is parsed alone, so that
    an open quote costs that line only."""
    for line in text.splitlines():
        if not line.strip():
            continue
        if len(line) > _MAX_LINE:
            yield None
            continue
        if (usual := _USUAL_LINE.fullmatch(line)) is not None:
            name, kind, count, quoted, plain = usual.groups()
            yield [name, kind, count, quoted or plain or ""]
            continue
        try:
            yield next(csv.reader([line], strict=True), None)
        except (csv.Error, StopIteration):
            yield None


def _tag(row: list[str]) -> Tag | None:
    """Return the tag of a row; None for a heading or a row without a name."""
    name = _clean(row[0])
    if not name or (len(row) > 2 and not _is_count(row[2])):
        return None
    aliases = (_clean(alias) for alias in row[3].split(",")[:_MAX_ALIASES]) if len(row) > 3 else ()
    count = min(int(row[2].strip() or 0), _MAX_COUNT) if len(row) > 2 else 0
    kept = tuple(dict.fromkeys(alias for alias in aliases if alias and alias != name))
    return Tag(name, count, kept, row[1].strip()[:10] if len(row) > 1 else "")


def _is_count(text: str) -> bool:
    text = text.strip()
    return not text or (text.isascii() and text.isdecimal() and len(text) < 20)


def _clean(text: str) -> str:
    name = " ".join(text.split())
    usable = len(name) <= MAX_NAME and name.isprintable()
    return name if usable else ""


def by_count(tags: Iterable[Tag]) -> list[Tag]:
    """Return the most used tags first."""
    return sorted(tags, key=lambda tag: -tag.count)
