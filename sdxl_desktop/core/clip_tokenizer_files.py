"""Reads the files of a CLIP tokenizer, which may be untrusted: vocabulary, merges and special tokens, nothing else.

transformers would follow a path in tokenizer_config.json, invent missing merges, and run the regular expressions of
tokenizer.json. Here only the vocabulary, merges and special tokens are read; pre-tokenization is always CLIP's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdxl_desktop.core.errors import CheckpointError
from sdxl_desktop.core.paths import resources_folder
from sdxl_desktop.core.untrusted_files import UntrustedFileError, path_exists, read_json_object, read_limited
from sdxl_desktop.core.untrusted_text import display_text

MODEL_MAX_LENGTH = 77
"""Tokens per CLIP input, start and end tokens included."""
MAX_FILE_BYTES = 16 * 2**20
"""Maximum bytes of a vocabulary, merges file or tokenizer.json."""
_MAX_VOCABULARY = 1_000_000
_MAX_WORD_LENGTH = 1000
_DEFAULT_SPECIAL_TOKENS = {
    "bos_token": "<|startoftext|>",
    "eos_token": "<|endoftext|>",
    "unk_token": "<|endoftext|>",
    "pad_token": "<|endoftext|>",
}
_PADDING_OF_SECOND = "!"
_FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")


@dataclass(frozen=True, slots=True)
class SpecialToken:
    """A token that is never split, like the AddedToken of tokenizers."""

    content: str
    flags: Mapping[str, bool]


@dataclass(frozen=True, slots=True)
class ClipTokenizerFiles:
    """`vocabulary` maps tokens to ids, `merges` are pairs in order, `special_tokens` are "bos_token", "eos_token",
    "unk_token" and "pad_token", `added_tokens` further tokens that are never split, by id; `model_max_length` is the
    maximum number of tokens per input."""

    vocabulary: Mapping[str, int]
    merges: tuple[tuple[str, str], ...]
    special_tokens: Mapping[str, SpecialToken]
    added_tokens: Mapping[int, SpecialToken]
    model_max_length: int


def read_clip_tokenizer(folder: Path) -> ClipTokenizerFiles:
    """Return the tokenizer in `folder` ("tokenizer" or "tokenizer_2" of a checkpoint), or the CLIP tokenizer that comes
    with the application if the folder does not exist. Raises CheckpointError if it cannot be used."""
    try:
        if not path_exists(folder):
            return _read_tokenizer(resources_folder() / "configs" / "clip", folder.name, {})
        return _read_tokenizer(
            folder, folder.name, _read_naming_file(folder / "tokenizer_config.json", read_json_object)
        )
    except (UntrustedFileError, ValueError, TypeError, KeyError, AttributeError) as problem:
        why = f"{problem}" if isinstance(problem, UntrustedFileError) else "its files are not as CLIP's are"
        raise tokenizer_error(folder, why) from problem


def tokenizer_error(folder: Path, why: str) -> CheckpointError:
    """Return the error for the unusable tokenizer in `folder`; `why` is a phrase."""
    return CheckpointError(
        f"The tokenizer of {display_text(folder.parent.name, 80)} ({folder.name}) is damaged: {why.rstrip('.')}.",
        next_step="Copy or export the checkpoint again.",
    )


def _read_tokenizer(folder: Path, name: str, config: Mapping[str, Any]) -> ClipTokenizerFiles:
    vocabulary, merges = _read_vocabulary_and_merges(folder)
    marks = {which: _special_token(config, which, name) for which in _DEFAULT_SPECIAL_TOKENS}
    configured_length = config.get("model_max_length")
    length = (
        configured_length
        if isinstance(configured_length, int) and 3 <= configured_length < MODEL_MAX_LENGTH
        else MODEL_MAX_LENGTH
    )
    missing = [mark.content for which, mark in marks.items() if which != "pad_token" and mark.content not in vocabulary]
    if missing:
        raise UntrustedFileError(f"its vocabulary lacks {missing[0][:40]!r}")
    return ClipTokenizerFiles(vocabulary, merges, marks, _added_tokens(config, vocabulary), length)


def _read_vocabulary_and_merges(folder: Path) -> tuple[dict[str, int], tuple[tuple[str, str], ...]]:
    if path_exists(folder / "tokenizer.json"):
        model = _read_naming_file(folder / "tokenizer.json", _read_object)["model"]
        if not isinstance(model, dict) or model.get("type", "BPE") != "BPE":
            raise UntrustedFileError("tokenizer.json is no tokenizer of CLIP's kind")
        return _check_vocabulary(model["vocab"]), _check_merges(model["merges"])
    words = _read_naming_file(folder / "vocab.json", _read_object)
    lines = (
        _read_naming_file(folder / "merges.txt", lambda file: read_limited(file, MAX_FILE_BYTES))
        .decode("utf-8")
        .splitlines()
    )
    return _check_vocabulary(words), _check_merges([line for line in lines if line and not line.startswith("#version")])


def _read_object(file: Path) -> dict[str, Any]:
    return read_json_object(file, MAX_FILE_BYTES)


def _read_naming_file(file: Path, read: Any) -> Any:
    try:
        return read(file)
    except UntrustedFileError as problem:
        raise UntrustedFileError(f"{file.name} cannot be read, since {problem}") from problem


def _check_vocabulary(words: Any) -> dict[str, int]:
    if not isinstance(words, dict) or not 3 <= len(words) <= _MAX_VOCABULARY:
        raise UntrustedFileError("its vocabulary is no list of words")
    ids = set(words.values())
    if any(type(number) is not int or not 0 <= number < _MAX_VOCABULARY for number in ids) or len(ids) < len(words):
        raise UntrustedFileError("its vocabulary has words without a number of their own")
    if any(len(word) > _MAX_WORD_LENGTH for word in words):
        raise UntrustedFileError("its vocabulary has words that are far too long")
    return words


def _check_merges(merges: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(merges, list) or len(merges) > _MAX_VOCABULARY:
        raise UntrustedFileError("its merges are no list of pairs")
    pairs = [tuple(pair.split(" ") if isinstance(pair, str) else pair) for pair in merges]
    if any(len(pair) != 2 or not all(isinstance(piece, str) and piece for piece in pair) for pair in pairs):
        raise UntrustedFileError("its merges are no list of pairs")
    return tuple((first, second) for first, second in pairs)


def _special_token(config: Mapping[str, Any], which: str, name: str) -> SpecialToken:
    usual = _PADDING_OF_SECOND if which == "pad_token" and name == "tokenizer_2" else _DEFAULT_SPECIAL_TOKENS[which]
    stated = config.get(which)
    return _parse_token(stated, special=True) if stated is not None else SpecialToken(usual, {"special": True})


def _parse_token(value: Any, *, special: bool) -> SpecialToken:
    content = value["content"] if isinstance(value, dict) else value
    if not isinstance(content, str) or not 0 < len(content) <= _MAX_WORD_LENGTH:
        raise UntrustedFileError("one of its marks is no word")
    flags = {flag: bool(value[flag]) for flag in _FLAGS if flag in value} if isinstance(value, dict) else {}
    return SpecialToken(content, {"special": special, **flags})


def _added_tokens(config: Mapping[str, Any], vocabulary: Mapping[str, int]) -> dict[int, SpecialToken]:
    """Return the tokens of tokenizer_config.json that the vocabulary has under the same id."""
    stated = config.get("added_tokens_decoder")
    found: dict[int, SpecialToken] = {}
    for number, about in stated.items() if isinstance(stated, dict) else ():
        mark = _parse_token(about, special=False)
        if number.isdecimal() and vocabulary.get(mark.content) == int(number[:9]):
            found[int(number[:9])] = mark
    return found
