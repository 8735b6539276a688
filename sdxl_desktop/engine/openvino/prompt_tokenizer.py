"""Turns a prompt into the chunks of weighted token ids that one text encoder reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sdxl_desktop.core.prompt_chunks import pack_chunks, split_at_tokens
from sdxl_desktop.core.prompt_grammar import PromptFragment, parse_fragments

EmbeddingTokenIds = Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]
"""For each embedding's token the ids that stand for its vectors in the first and in the second text encoder; no ids
where it has no vectors for that encoder, which then reads the token as text, as in diffusers."""

WeightedToken = tuple[int, float]
"""A token's id and weight."""


@dataclass(frozen=True, slots=True)
class PromptChunk:
    """What an encoder reads at once: ids and weights of 77 tokens, start mark, end mark and padding included."""

    ids: tuple[int, ...]
    weights: tuple[float, ...]

    @property
    def is_unweighted(self) -> bool:
        return all(weight == 1.0 for weight in self.weights)


@dataclass(frozen=True, slots=True)
class ChunkedTokenizer:
    """A tokenizer of transformers, and the ids of the embeddings that its text encoder knows besides."""

    tokenizer: Any
    embeddings: Mapping[str, tuple[int, ...]]

    @property
    def chunk_capacity(self) -> int:
        """Tokens of text in a chunk: 77 less the start and the end mark."""
        return int(self.tokenizer.model_max_length) - 2

    def sections(self, prompt: str) -> list[list[PromptChunk]]:
        """The chunks of each section of a prompt, divided at BREAK; at least one section of one chunk.

        Raises RequestError when the prompt is malformed.
        """
        divided: dict[int, list[PromptFragment]] = {0: []}
        for fragment in parse_fragments(prompt):
            divided.setdefault(fragment.section, []).append(fragment)
        return [self._chunks(fragments) for fragments in divided.values()]

    def empty_chunk(self) -> PromptChunk:
        """A chunk without words."""
        return self._with_special_tokens([])

    def _chunks(self, fragments: Sequence[PromptFragment]) -> list[PromptChunk]:
        units = (unit for fragment in fragments for unit in self._units(fragment))
        return [self._with_special_tokens(body) for body in pack_chunks(units, self.chunk_capacity)] or [
            self.empty_chunk()
        ]

    def _units(self, fragment: PromptFragment) -> Iterator[list[WeightedToken]]:
        """Each token of the text, and the vectors of each embedding together."""
        for words in split_at_tokens(fragment.text, self.embeddings):
            if words.token:
                yield [(vector, fragment.weight) for vector in self.embeddings[words.token]]
            else:
                yield from ([(token, fragment.weight)] for token in self._tokens(words.text))

    def _tokens(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False, truncation=False, verbose=False)["input_ids"]
        return ids

    def _with_special_tokens(self, body: Sequence[WeightedToken]) -> PromptChunk:
        """As the tokenizer itself would mark and pad a short text."""
        padding = self.chunk_capacity - len(body)
        ids = (
            self.tokenizer.bos_token_id,
            *(token for token, _ in body),
            self.tokenizer.eos_token_id,
            *(self.tokenizer.pad_token_id,) * padding,
        )
        return PromptChunk(ids, (1.0, *(weight for _, weight in body), 1.0, *(1.0,) * padding))


def align_chunks(tokenizers: Sequence[ChunkedTokenizer], prompts: Sequence[str]) -> list[list[PromptChunk]]:
    """The chunks of each encoder's prompt, equally many, so that sections of the same number begin together."""
    sections = [tokenizer.sections(prompt) for tokenizer, prompt in zip(tokenizers, prompts, strict=True)]
    rows: list[list[PromptChunk]] = [[] for _ in tokenizers]
    for number in range(max(len(own) for own in sections)):
        chunks = [own[number] if number < len(own) else [] for own in sections]
        length = max(len(own) for own in chunks)
        for row, own, tokenizer in zip(rows, chunks, tokenizers, strict=True):
            row += [*own, *[tokenizer.empty_chunk()] * (length - len(own))]
    return rows
