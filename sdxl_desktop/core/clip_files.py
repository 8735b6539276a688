"""Reads the files of a CLIP tokenizer, which a stranger may have written: words, merges and marks, and nothing else.

transformers would follow a path that tokenizer_config.json names, make merges up where they are missing, and run the
regular expressions of tokenizer.json. Here only the words, their merges and the marks around them are taken; how text
is cut into words is CLIP's own way, which is always the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdxl_desktop.core.errors import CheckpointError
from sdxl_desktop.core.foreign_text import shown
from sdxl_desktop.core.paths import resources
from sdxl_desktop.core.small_files import SmallFileError, exists, read_object, read_small

LENGTH = 77
"""Tokens that CLIP reads at a time, the two that mark start and end included."""
LIMIT = 16 * 2**20
"""Bytes of a vocabulary, merges or tokenizer.json."""
_MOST_WORDS = 1_000_000
_LONGEST_WORD = 1000
_MARKS = {
    "bos_token": "<|startoftext|>",
    "eos_token": "<|endoftext|>",
    "unk_token": "<|endoftext|>",
    "pad_token": "<|endoftext|>",
}
_PADDING_OF_SECOND = "!"
_FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")


@dataclass(frozen=True, slots=True)
class Mark:
    """A token that is never cut, as tokenizers' AddedToken takes it."""

    content: str
    flags: Mapping[str, bool]


@dataclass(frozen=True, slots=True)
class ClipFiles:
    """`vocabulary` maps words to ids, `merges` are pairs of pieces in their order, `marks` the tokens called
    "bos_token", "eos_token", "unk_token" and "pad_token", `added` more that are never cut, by id; `length` is how many
    tokens are read at a time."""

    vocabulary: Mapping[str, int]
    merges: tuple[tuple[str, str], ...]
    marks: Mapping[str, Mark]
    added: Mapping[int, Mark]
    length: int


def read_clip_files(folder: Path) -> ClipFiles:
    """The tokenizer in `folder` ("tokenizer" or "tokenizer_2" of a checkpoint); CLIP's own, which comes with the
    application, where there is no such folder. Raises CheckpointError when it cannot be used."""
    try:
        if not exists(folder):
            return _read(resources() / "configs" / "clip", folder.name, {})
        return _read(folder, folder.name, _named(folder / "tokenizer_config.json", read_object))
    except (SmallFileError, ValueError, TypeError, KeyError, AttributeError) as problem:
        why = f"{problem}" if isinstance(problem, SmallFileError) else "its files are not as CLIP's are"
        raise damaged_tokenizer(folder, why) from problem


def damaged_tokenizer(folder: Path, why: str) -> CheckpointError:
    """The error for the tokenizer in `folder`, which cannot be used; `why` is a phrase."""
    return CheckpointError(
        f"The tokenizer of {shown(folder.parent.name, 80)} ({folder.name}) is damaged: {why.rstrip('.')}.",
        next_step="Copy or export the checkpoint again.",
    )


def _read(folder: Path, name: str, config: Mapping[str, Any]) -> ClipFiles:
    vocabulary, merges = _words(folder)
    marks = {which: _mark(config, which, name) for which in _MARKS}
    told = config.get("model_max_length")
    length = told if isinstance(told, int) and 3 <= told < LENGTH else LENGTH
    missing = [mark.content for which, mark in marks.items() if which != "pad_token" and mark.content not in vocabulary]
    if missing:
        raise SmallFileError(f"its vocabulary lacks {missing[0][:40]!r}")
    return ClipFiles(vocabulary, merges, marks, _added(config, vocabulary), length)


def _words(folder: Path) -> tuple[dict[str, int], tuple[tuple[str, str], ...]]:
    if exists(folder / "tokenizer.json"):
        model = _named(folder / "tokenizer.json", _object)["model"]
        if not isinstance(model, dict) or model.get("type", "BPE") != "BPE":
            raise SmallFileError("tokenizer.json is no tokenizer of CLIP's kind")
        return _vocabulary(model["vocab"]), _merges(model["merges"])
    words = _named(folder / "vocab.json", _object)
    lines = _named(folder / "merges.txt", lambda file: read_small(file, LIMIT)).decode("utf-8").splitlines()
    return _vocabulary(words), _merges([line for line in lines if line and not line.startswith("#version")])


def _object(file: Path) -> dict[str, Any]:
    return read_object(file, LIMIT)


def _named(file: Path, read: Any) -> Any:
    try:
        return read(file)
    except SmallFileError as problem:
        raise SmallFileError(f"{file.name} cannot be read, since {problem}") from problem


def _vocabulary(words: Any) -> dict[str, int]:
    if not isinstance(words, dict) or not 3 <= len(words) <= _MOST_WORDS:
        raise SmallFileError("its vocabulary is no list of words")
    ids = set(words.values())
    if any(type(number) is not int or not 0 <= number < _MOST_WORDS for number in ids) or len(ids) < len(words):
        raise SmallFileError("its vocabulary has words without a number of their own")
    if any(len(word) > _LONGEST_WORD for word in words):
        raise SmallFileError("its vocabulary has words that are far too long")
    return words


def _merges(told: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(told, list) or len(told) > _MOST_WORDS:
        raise SmallFileError("its merges are no list of pairs")
    pairs = [tuple(pair.split(" ") if isinstance(pair, str) else pair) for pair in told]
    if any(len(pair) != 2 or not all(isinstance(piece, str) and piece for piece in pair) for pair in pairs):
        raise SmallFileError("its merges are no list of pairs")
    return tuple((first, second) for first, second in pairs)


def _mark(config: Mapping[str, Any], which: str, name: str) -> Mark:
    usual = _PADDING_OF_SECOND if which == "pad_token" and name == "tokenizer_2" else _MARKS[which]
    told = config.get(which)
    return _one(told, special=True) if told is not None else Mark(usual, {"special": True})


def _one(told: Any, *, special: bool) -> Mark:
    content = told["content"] if isinstance(told, dict) else told
    if not isinstance(content, str) or not 0 < len(content) <= _LONGEST_WORD:
        raise SmallFileError("one of its marks is no word")
    flags = {flag: bool(told[flag]) for flag in _FLAGS if flag in told} if isinstance(told, dict) else {}
    return Mark(content, {"special": special, **flags})


def _added(config: Mapping[str, Any], vocabulary: Mapping[str, int]) -> dict[int, Mark]:
    """Those of tokenizer_config.json that the vocabulary has under the very number it gives them."""
    told = config.get("added_tokens_decoder")
    found: dict[int, Mark] = {}
    for number, about in told.items() if isinstance(told, dict) else ():
        mark = _one(about, special=False)
        if number.isdecimal() and vocabulary.get(mark.content) == int(number[:9]):
            found[int(number[:9])] = mark
    return found
