"""Reads files of requests, one per row: JSON Lines and CSV. Rows name values as the command line does."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from sdxl_desktop.core.errors import RequestError, describe_error
from sdxl_desktop.core.regular_files import read_regular
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.session.declared_values import declared_values

MAX_BYTES = 2**26
MAX_ROWS = 100_000
JSON_ENDINGS, CSV_ENDINGS = (".jsonl", ".ndjson"), (".csv", ".tsv")
TEXT_KEYS = (
    "prompt",
    "checkpoint",
    "output",
    "image",
    "mask",
    "backdrop",
    "intent",
    "refiner",
    "vae",
    "preset",
    "variants",
)
LIST_KEYS = ("lora", "embedding", "style")
"""Values that may be given several times: a JSON list, or text separated by ";"."""
_DELIMITERS = ",;\t"


@dataclass(frozen=True, slots=True)
class BatchRow:
    """A row: its `number` from 1, without the header, the values by name, or the `error` that makes it unusable."""

    number: int
    values: Mapping[str, Any] = field(default_factory=dict)
    error: RequestError | None = None

    def text(self, key: str) -> str | None:
        """Return the value of a text key; None if it is not given."""
        value = self.values.get(key)
        return None if value is None else str(value)

    def texts(self, key: str) -> tuple[str, ...]:
        """Return the values of a list key."""
        value = self.values.get(key)
        return () if value is None else tuple(value)


def read_rows(file: Path) -> tuple[BatchRow, ...]:
    """Return the rows of `file`, unusable ones with their errors. Blank lines are skipped.

    Raises RequestError if the file cannot be read as rows at all.
    """
    ending = file.suffix.lower()
    if ending not in (*JSON_ENDINGS, *CSV_ENDINGS):
        raise RequestError(
            f"{display_text(file.name)} is neither JSON Lines nor CSV.",
            next_step="End its name in .jsonl, with one JSON object per line, or in .csv.",
        )
    try:
        text = read_regular(file, MAX_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise _file_error(file, "It is not UTF-8 text.") from problem
    except OSError as problem:
        raise _file_error(file, describe_error(problem)) from problem
    rows = _json_rows(text) if ending in JSON_ENDINGS else _csv_rows(file, text)
    read: list[BatchRow] = []
    for row in rows:
        if len(read) == MAX_ROWS:
            raise _file_error(file, f"It has more than {MAX_ROWS:,} rows.")
        read.append(row)
    if not read:
        raise _file_error(file, "It has no row.")
    return tuple(read)


def _file_error(file: Path, why: str) -> RequestError:
    return RequestError(
        f"{display_text(file.name)} cannot be read as a batch.",
        why=why,
        next_step="Write one request per row; each needs a prompt.",
    )


def _json_rows(text: str) -> Iterator[BatchRow]:
    lines = (line for line in text.split("\n") if line.strip())
    for number, line in enumerate(lines, 1):
        try:
            content = json.loads(line)
        except (ValueError, RecursionError) as problem:
            yield BatchRow(number, error=RequestError("The row is not valid JSON.", why=_short(problem)))
            continue
        if isinstance(content, dict):
            yield _row(number, content)
        else:
            yield BatchRow(
                number, error=RequestError("The row is not a JSON object.", next_step='Write {"prompt": …}.')
            )


def _csv_rows(file: Path, text: str) -> Iterator[BatchRow]:
    first = text.lstrip("\r\n").split("\n", 1)[0]
    delimiter = "\t" if file.suffix.lower() == ".tsv" else max(_DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    names: list[str] = []
    number = 0
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as problem:
            raise _file_error(file, f"Line {reader.line_num}: {_short(problem)}") from problem
        if not any(cell.strip() for cell in cells):
            continue
        if not names:
            names = _header(file, cells)
            continue
        number += 1
        if len(cells) > len(names):
            yield BatchRow(
                number,
                error=RequestError(
                    f"The row has {len(cells)} cells, and the header {len(names)}.",
                    next_step='Put text that contains the separator into "quotes".',
                ),
            )
            continue
        yield _row(number, {name: cell for name, cell in zip(names, cells, strict=False) if cell.strip()})


def _header(file: Path, cells: list[str]) -> list[str]:
    names = [cell.strip() for cell in cells]
    known = [_known_name(name) for name in names]
    for name, found in zip(names, known, strict=True):
        if found is None:
            raise _file_error(file, str(_unknown_error(name)))
    twice = next((name for name in known if known.count(name) > 1), None)
    if twice is not None:
        raise _file_error(file, f"Its header names {twice} twice.")
    if "prompt" not in known:
        raise _file_error(file, "Its first line must name the columns, and one of them must be prompt.")
    return names


def _row(number: int, content: Mapping[str, Any]) -> BatchRow:
    values: dict[str, Any] = {}
    try:
        for name, value in content.items():
            known = _known_name(name)
            if known is None:
                raise _unknown_error(name)
            if known in values:
                raise RequestError(f"The row names {known} twice.", next_step="Remove one of them.")
            if value is not None:
                values[known] = _checked(known, value)
        if "prompt" not in values:
            raise RequestError("The row has no prompt.", next_step="Give one; it may be empty text.")
    except RequestError as problem:
        return BatchRow(number, error=problem)
    return BatchRow(number, values)


def _checked(name: str, value: Any) -> Any:
    """Return the value of a name that is not a declared one as text or texts; declared ones are parsed later."""
    if name in TEXT_KEYS:
        if not isinstance(value, str):
            raise RequestError(f"{name} must be text.", next_step='Put it into "quotes".')
        return value
    if name in LIST_KEYS:
        listed = [one.strip() for one in value.split(";") if one.strip()] if isinstance(value, str) else value
        if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
            raise RequestError(f"{name} must be text or a list of texts.", next_step='Write ["FILE:WEIGHT"].')
        return listed
    return value


@cache
def _names() -> Mapping[str, str]:
    """Return the valid names, and the fields' names in reports as other names for them."""
    own = {one: one for one in (*TEXT_KEYS, *LIST_KEYS)}
    options = {one.name: one.name for one in declared_values()}
    return {**{one.field: one.name for one in declared_values()}, **options, **own}


def _known_name(name: str) -> str | None:
    return _names().get(name.strip().lower().removeprefix("--").replace("-", "_").replace(" ", "_"))


def _unknown_error(name: str) -> RequestError:
    near = get_close_matches(name.strip().lower().replace("-", "_"), sorted(set(_names().values())), n=1)
    return RequestError(
        f"There is no value called {display_text(name, 40)!r}.",
        next_step=f"Did you mean {near[0]}?" if near else "Names are those of the options of generate.",
    )


def _short(problem: Exception) -> str:
    return f"{display_text(str(problem), 200)}."
