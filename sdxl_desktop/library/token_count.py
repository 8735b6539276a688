"""Count the tokens that a checkpoint's text encoders see in a prompt, without loading the encoders."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

from sdxl_desktop.core.prompt_chunks import packed_length, split_at_tokens
from sdxl_desktop.core.prompt_grammar import PromptFragment, parse_prompt
from sdxl_desktop.library.clip_tokenizer import ClipTokenizer

CHUNK_TOKENS = 77
"""Tokens in one CLIP sequence, including the start and end tokens."""

_SPECIAL_TOKENS = 2


@dataclass(frozen=True, slots=True)
class TokenCount:
    """The number of tokens in a text without start and end tokens, and of the 77-token chunks that hold them (at least
    1).

    Tokens are counted up to the last written one, including the padding before a BREAK.
    """

    tokens: int

    @property
    def chunks(self) -> int:
        return max(1, math.ceil(self.tokens / (CHUNK_TOKENS - _SPECIAL_TOKENS)))

    @property
    def encoded_tokens(self) -> int:
        """Tokens as the encoder sees them: each chunk adds a start and an end token."""
        return self.tokens + self.chunks * _SPECIAL_TOKENS


class TokenCounter:
    """Counts tokens with the tokenizer in one folder ("tokenizer" or "tokenizer_2" of a checkpoint)."""

    def __init__(self, folder: Path) -> None:
        """Load the tokenizer; raises CheckpointError if it cannot be used. A folder that does not exist means
        CLIP's own."""
        self._tokenizer = ClipTokenizer(folder)

    def count(self, text: str, embeddings: Mapping[str, int] | None = None) -> TokenCount:
        """Count tokens as the prompt is encoded: weights and brackets cost nothing, BREAK pads its chunk, and an
        embedding costs its number of vectors (`embeddings`: that number by token, for this encoder)."""
        sections: dict[int, list[PromptFragment]] = {}
        for fragment in parse_prompt(text).fragments:
            sections.setdefault(fragment.section, []).append(fragment)
        room, tokens = CHUNK_TOKENS - _SPECIAL_TOKENS, 0
        for fragments in sections.values():
            if length := self._packed_length(fragments, embeddings or {}, room):
                tokens = math.ceil(tokens / room) * room + length
        return TokenCount(tokens)

    def _packed_length(self, fragments: Iterable[PromptFragment], embeddings: Mapping[str, int], room: int) -> int:
        """Return the number of places up to the last token when the chunks have `room` places."""
        if not embeddings:  # single tokens leave no place free
            return sum(self._tokenizer.count(fragment.text) for fragment in fragments)
        sizes = (size for fragment in fragments for size in self._unit_sizes(fragment.text, embeddings))
        return packed_length(sizes, room)

    def _unit_sizes(self, text: str, embeddings: Mapping[str, int]) -> Iterator[int]:
        """Yield the sizes of the units that are not split across chunks: embeddings, and single tokens of text."""
        for words in split_at_tokens(text, (token for token, vectors in embeddings.items() if vectors)):
            if words.token:
                yield embeddings[words.token]
            else:
                yield from repeat(1, self._tokenizer.count(words.text))
