"""Counting tokens as the encoders will see them."""

from __future__ import annotations

import json
import random
import string
from pathlib import Path

import pytest

from sdxl_desktop.core.errors import CheckpointError
from sdxl_desktop.library.token_count import CHUNK_TOKENS, TokenCount, TokenCounter

MERGES = ["h e", "he a", "r t</w>", "hea rt</w>", "r e", "re d</w>", "a n", "an d</w>"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """CLIP's two files: letters, a few merged words, and the two marks."""
    letters = [*string.ascii_lowercase, *string.digits, *string.punctuation]
    words = [*letters, *(f"{letter}</w>" for letter in letters), *(merge.replace(" ", "") for merge in MERGES)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    (tmp_path / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    (tmp_path / "merges.txt").write_text("#version: 0.2\n" + "\n".join(MERGES) + "\n")
    (tmp_path / "tokenizer_config.json").write_text("{}")
    return tmp_path


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 0), ("heart", 1), ("red heart", 2), ("RED   Heart\n", 2), ("red, heart", 3), ("cat", 3), ("12", 2)],
)
def test_words_pieces_and_marks_are_counted(folder: Path, text: str, tokens: int) -> None:
    assert TokenCounter(folder).count(text).tokens == tokens


@pytest.mark.parametrize(
    ("tokens", "chunks", "encoded"), [(0, 1, 2), (75, 1, 77), (76, 2, 80), (150, 2, 154), (151, 3, 157)]
)
def test_a_chunk_carries_75_tokens_and_two_marks(tokens: int, chunks: int, encoded: int) -> None:
    count = TokenCount(tokens)
    assert (count.chunks, count.encoded_tokens) == (chunks, encoded)
    assert count.encoded_tokens <= count.chunks * CHUNK_TOKENS


def test_it_counts_as_transformers_does(folder: Path) -> None:
    transformers = pytest.importorskip("transformers")
    theirs = transformers.CLIPTokenizer.from_pretrained(folder)
    counter = TokenCounter(folder)
    draw = random.Random(1)
    alphabet = "heartd  and12,.!'s\t\n-éß🙂"
    for _ in range(200):
        text = "".join(draw.choice(alphabet) for _ in range(draw.randrange(60)))
        assert counter.count(text).tokens == len(theirs(text, add_special_tokens=False)["input_ids"]), text


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("(red:1.3) heart", 2),
        ("((red)) [heart]", 2),
        (r"\(red\) heart", 4),
        ("(red:1.2.3)", 1),
        ("red :) heart", 4),
        ("red BREAK heart", 76),
        ("red BREAK heart BREAK red", 151),
        ("red BREAK", 1),
        ("BREAK red", 1),
    ],
)
def test_markup_costs_nothing_and_break_fills_the_chunk_up(folder: Path, text: str, tokens: int) -> None:
    assert TokenCounter(folder).count(text).tokens == tokens


def test_an_embedding_costs_its_vectors_and_is_not_divided_over_two_chunks(folder: Path) -> None:
    counter = TokenCounter(folder)
    assert counter.count("red <s> heart", {"<s>": 8}).tokens == 10
    assert counter.count("<s>", {"<s>": 0}).tokens == counter.count("<s>").tokens, "no vectors: read as text"
    full = "red " * 70
    assert counter.count(full + "<s>", {"<s>": 5}).tokens == 75
    assert counter.count(full + "<s>", {"<s>": 6}).tokens == 81
    assert counter.count(full + "<s>", {"<s>": 100}).tokens == 170, "one longer than a chunk has to be"


def test_a_tokenizer_json_is_counted_by_without_its_truncation(folder: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    model = {"type": "BPE", "vocab": json.loads((folder / "vocab.json").read_text()), "merges": MERGES}
    truncation = {"direction": "Right", "max_length": CHUNK_TOKENS, "strategy": "LongestFirst", "stride": 0}
    (whole / "tokenizer.json").write_text(json.dumps({"model": model, "truncation": truncation}))
    (whole / "tokenizer_config.json").write_text("{}")
    assert TokenCounter(whole).count("red heart " * 100).tokens == 200


def test_a_folder_without_a_tokenizer_is_an_error_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    with pytest.raises(CheckpointError, match="tokenizer"):
        TokenCounter(tmp_path / "nothing")
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(CheckpointError, match="tokenizer"):
        TokenCounter(tmp_path)
