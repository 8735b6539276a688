"""Splits a prompt into chunks of weighted token ids for one text encoder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sdxl_desktop.core.prompt_chunks import pack_chunks, split_at_tokens
from sdxl_desktop.core.prompt_grammar import PromptFragment, parse_fragments

EmbeddingTokenIds = Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]
"""For each embedding's token, the ids of its vectors in the first and in the second text encoder; empty if it has no
vectors for that encoder, which then reads the token as text, as in diffusers."""

WeightedToken = tuple[int, float]
"""A token's id and weight."""


@dataclass(frozen=True, slots=True)
class PromptChunk:
    """The encoder's input: ids and weights of 77 tokens, including start token, end token and padding."""

    ids: tuple[int, ...]
    weights: tuple[float, ...]

    @property
    def is_unweighted(self) -> bool:
        return all(weight == 1.0 for weight in self.weights)


@dataclass(frozen=True, slots=True)
class ChunkedTokenizer:
    """A transformers tokenizer, extended by the ids of the embeddings attached to its text encoder."""

    tokenizer: Any
    embeddings: Mapping[str, tuple[int, ...]]

    @property
    def chunk_capacity(self) -> int:
        """Text tokens per chunk: 77 less the start and end tokens."""
        return int(self.tokenizer.model_max_length) - 2

    def sections(self, prompt: str) -> list[list[PromptChunk]]:
        """Return the chunks of each section of a prompt, split at BREAK; at least one section of one chunk.

        Raises RequestError if the prompt is malformed.
        """
        divided: dict[int, list[PromptFragment]] = {0: []}
        for fragment in parse_fragments(prompt):
            divided.setdefault(fragment.section, []).append(fragment)
        return [self._chunks(fragments) for fragments in divided.values()]

    def empty_chunk(self) -> PromptChunk:
        """Return a chunk without words."""
        return self._with_special_tokens([])

    def _chunks(self, fragments: Sequence[PromptFragment]) -> list[PromptChunk]:
        units = (unit for fragment in fragments for unit in self._units(fragment))
        return [self._with_special_tokens(body) for body in pack_chunks(units, self.chunk_capacity)] or [
            self.empty_chunk()
        ]

    def _units(self, fragment: PromptFragment) -> Iterator[list[WeightedToken]]:
        """Yield each token of the text separately, and all vectors of an embedding together."""
        for words in split_at_tokens(fragment.text, self.embeddings):
            if words.token:
                yield [(vector, fragment.weight) for vector in self.embeddings[words.token]]
            else:
                yield from ([(token, fragment.weight)] for token in self._tokens(words.text))

    def _tokens(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False, truncation=False, verbose=False)["input_ids"]
        return ids

    def _with_special_tokens(self, body: Sequence[WeightedToken]) -> PromptChunk:
        """Add special tokens and padding as the tokenizer does for a short text."""
        padding = self.chunk_capacity - len(body)
        ids = (
            self.tokenizer.bos_token_id,
            *(token for token, _ in body),
            self.tokenizer.eos_token_id,
            *(self.tokenizer.pad_token_id,) * padding,
        )
        return PromptChunk(ids, (1.0, *(weight for _, weight in body), 1.0, *(1.0,) * padding))


def align_chunks(tokenizers: Sequence[ChunkedTokenizer], prompts: Sequence[str]) -> list[list[PromptChunk]]:
    """Return the chunks of each encoder's prompt, padded to equal numbers so that sections begin at the same chunk."""
    sections = [tokenizer.sections(prompt) for tokenizer, prompt in zip(tokenizers, prompts, strict=True)]
    rows: list[list[PromptChunk]] = [[] for _ in tokenizers]
    for number in range(max(len(own) for own in sections)):
        chunks = [own[number] if number < len(own) else [] for own in sections]
        length = max(len(own) for own in chunks)
        for row, own, tokenizer in zip(rows, chunks, tokenizers, strict=True):
            row += [*own, *[tokenizer.empty_chunk()] * (length - len(own))]
    return rows
