"""Wildcard files: a text file with one value per line, or a YAML file with lists, in the wildcards folders.

A file `animals/cats.txt` is the wildcard `animals/cats`. The lists of a YAML file are named by their keys, joined by
"/"; a file that is one list by its own name. Lines that start with # are comments, `3::red` gives a weight.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import yaml

from sdxl_desktop.core.paths import AppPaths, chosen_folder
from sdxl_desktop.core.prompt_template import WildcardValue
from sdxl_desktop.core.settings import Preferences
from sdxl_desktop.core.untrusted_files import UntrustedFileError, is_folder, read_limited
from sdxl_desktop.core.untrusted_text import display_text, replace_unencodable

ENDINGS = (".txt", ".yaml", ".yml")
_MAX_FILES = 5_000
_MAX_ENTRIES = 50_000
"""Files of any kind and folders in one wildcards folder; a larger one is a whole disk chosen by mistake."""
_MAX_FILE_BYTES = 4 * 2**20
_MAX_YAML_BYTES = 2**20
"""YAML is parsed far more slowly than lines of text."""
_MAX_ALL_BYTES = 64 * 2**20
_MAX_VALUES = 500_000
"""In all files together."""
_MAX_VALUE_LENGTH = 2_000
_MAX_LOOKUPS = 16
_MAX_FOLDER_DEPTH = 8
_MAX_YAML_DEPTH = 16


@dataclass(frozen=True)
class WildcardSet:
    """The values by name, and a sentence about each file that could not be used."""

    values: dict[str, tuple[WildcardValue, ...]] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All names, sorted."""
        return tuple(sorted(self.values))

    @cached_property
    def _by_lower_name(self) -> dict[str, str]:
        return {name.lower(): name for name in reversed(self.names)}

    def values_of(self, name: str) -> Sequence[WildcardValue]:
        """Return the values of the wildcard `name`, in any case; of all that match if it holds `*`. A name without its
        folder is found if no other wildcard has it. Empty if there is none."""
        return self._lookup(name.strip().strip("/").lower())

    @cached_property
    def _lookup(self) -> Callable[[str], Sequence[WildcardValue]]:
        """`_find`, which keeps what it found: a prompt's wildcards are looked up again with every key."""
        return lru_cache(maxsize=_MAX_LOOKUPS)(self._find)

    def _find(self, wanted: str) -> Sequence[WildcardValue]:
        if "*" in wanted:
            matching = [self.values[known] for known in self.names if fnmatchcase(known.lower(), wanted)]
            return tuple(dict.fromkeys(value for values in matching for value in values))
        if wanted in self._by_lower_name:
            return self.values[self._by_lower_name[wanted]]
        ending = [known for lower, known in self._by_lower_name.items() if lower.endswith(f"/{wanted}")]
        return self.values[ending[0]] if len(ending) == 1 else ()


def wildcard_folders(paths: AppPaths, preferences: Preferences) -> tuple[Path, ...]:
    """Return the folders in which wildcards are looked for: the application's own, and the chosen one."""
    return tuple(dict.fromkeys((paths.wildcards, chosen_folder(preferences.wildcards_folder, paths.wildcards))))


def load_wildcards(folders: Iterable[Path]) -> WildcardSet:
    """Return the wildcards in `folders` and their subfolders; a name in an earlier folder wins. Never raises: a file
    that cannot be used is reported. Links to folders are not followed."""
    reader = _WildcardReader()
    for folder in folders:
        if is_folder(folder):
            reader.read_folder(folder)
    return WildcardSet(reader.values, tuple(reader.problems))


@dataclass
class _WildcardReader:
    values: dict[str, tuple[WildcardValue, ...]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    _files: int = 0
    _bytes: int = 0
    _count: int = 0

    def read_folder(self, folder: Path) -> None:
        entries = [_MAX_ENTRIES]
        for file in _files_in(folder, entries):
            self._files += 1
            if self._files > _MAX_FILES or self._bytes > _MAX_ALL_BYTES or self._count > _MAX_VALUES:
                self.problems.append(
                    f"There are too many wildcards; {display_text(file.name)} and others are left out."
                )
                return
            self._read(folder, file)
        if entries[0] < 0:
            self.problems.append(
                f"{display_text(folder.name)} holds too many files to look for wildcards in all of it."
            )

    def _read(self, folder: Path, file: Path) -> None:
        is_yaml = file.suffix.lower() != ".txt"
        try:
            content = read_limited(file, _MAX_YAML_BYTES if is_yaml else _MAX_FILE_BYTES)
            self._bytes += len(content)
            text = replace_unencodable(content.decode("utf-8-sig", errors="replace"))
            name = file.relative_to(folder).with_suffix("").as_posix()
            found = _read_yaml(name, text) if is_yaml else [(name, text.splitlines())]
        except UntrustedFileError as problem:
            self.problems.append(f"{display_text(file.name)} cannot be used, since {problem}.")
            return
        for name, lines in found:
            self._add(replace_unencodable(name), lines)

    def _add(self, name: str, lines: Iterable[str]) -> None:
        stripped = (line.strip()[:_MAX_VALUE_LENGTH] for line in lines)
        made = tuple(dict.fromkeys(WildcardValue.parse(line) for line in stripped if line and not line.startswith("#")))
        made = made[: max(0, _MAX_VALUES - self._count)]
        if made:
            self._count += len(made)
            self.values.setdefault(name, made)


def _files_in(folder: Path, entries: list[int]) -> Iterator[Path]:
    """Yield the wildcard files; ends when more than `entries[0]` files and folders were seen, which it counts down."""
    for place, folders, names in os.walk(folder):
        entries[0] -= len(folders) + len(names)
        if entries[0] < 0:
            return
        depth = len(Path(place).relative_to(folder).parts)
        folders[:] = sorted(one for one in folders if not one.startswith(".")) if depth < _MAX_FOLDER_DEPTH else []
        for name in sorted(names):
            if name.lower().endswith(ENDINGS) and not name.startswith("."):
                yield Path(place, name)


def _read_yaml(name: str, text: str) -> list[tuple[str, list[str]]]:
    """Return the lists of a YAML file by name; raises UntrustedFileError. Only plain data is made: no tag names code,
    and aliases count each time they are used."""
    try:
        content = yaml.load(text, Loader=_LOADER)
    except (yaml.YAMLError, ValueError, RecursionError) as problem:
        mark = getattr(problem, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark is not None else ""
        raise UntrustedFileError(f"it is no YAML{where}") from problem
    lists: list[tuple[str, list[str]]] = []
    left = [_MAX_VALUES]
    if isinstance(content, dict):
        _collect(content, (), lists, left)
    else:
        _collect({name: content}, (), lists, left)
    return lists


def _collect(
    content: dict[Any, Any], inside: tuple[str, ...], lists: list[tuple[str, list[str]]], left: list[int]
) -> None:
    if len(inside) >= _MAX_YAML_DEPTH:
        raise UntrustedFileError("it is nested far too deeply")
    for key, value in content.items():
        left[0] -= 1
        if left[0] < 0:
            raise UntrustedFileError("it holds far too much")
        path = (*inside, str(key)[:100])
        if isinstance(value, dict):
            _collect(value, path, lists, left)
            continue
        entries = value if isinstance(value, list) else [value]
        left[0] -= len(entries)
        lists.append(("/".join(path), [line for entry in entries for line in _lines_of(entry)]))


def _lines_of(entry: Any) -> Iterator[str]:
    match entry:
        case str():
            yield entry
        case bool() | None:
            return
        case int() | float():
            yield str(entry)
        case {"text": str(text)} | {"content": str(text)}:
            weight = entry.get("weight", 1)
            yield f"{float(weight):g}::{text}" if isinstance(weight, int | float) and weight != 1 else text


class _PlainLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Reads dates and the like as they are written: every value is text or a number."""


_PlainLoader.yaml_implicit_resolvers = {
    letter: [
        (tag, pattern) for tag, pattern in resolvers if tag.rpartition(":")[2] in ("int", "float", "null", "merge")
    ]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_LOADER: Any = _PlainLoader
