"""How a checkpoint's text encoders split the prompts: chunks of tokens with their weights, as the engine feeds them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sdxl_desktop.core.additions import EmbeddingReference
from sdxl_desktop.core.parts import TOKENIZERS
from sdxl_desktop.core.prompt_chunks import pack_chunks, split_at_tokens
from sdxl_desktop.core.prompt_grammar import PromptFragment, parse_fragments
from sdxl_desktop.library.clip_tokenizer import ClipTokenizer
from sdxl_desktop.library.embedding_vectors import embedding_vector_counts

_NAMES = {"tokenizer": "CLIP ViT-L", "tokenizer_2": "OpenCLIP ViT-bigG"}
"""SDXL's encoders by their tokenizer's folder."""


@dataclass(frozen=True, slots=True)
class PromptToken:
    """One token that an encoder reads: `text` as written ("" for a further part of one character), its id (None for an
    embedding's vector), its weight.

    `ends_word`: the next token begins another word. `embedding` is the word of the embedding, "" for text.
    """

    text: str
    id: int | None
    weight: float = 1.0
    ends_word: bool = False
    is_unknown: bool = False
    embedding: str = ""


@dataclass(frozen=True, slots=True)
class TokenChunk:
    """The tokens of one input of the encoder, without start, end and padding. `begins_section`: after a BREAK."""

    tokens: tuple[PromptToken, ...]
    begins_section: bool = False


@dataclass(frozen=True, slots=True)
class EncoderTokens:
    """What one encoder reads of a prompt; `capacity` tokens fit into a chunk. All encoders have equally many chunks."""

    encoder: str
    capacity: int
    chunks: tuple[TokenChunk, ...]
    start_id: int
    end_id: int
    padding_id: int

    @property
    def tokens(self) -> tuple[PromptToken, ...]:
        return tuple(token for chunk in self.chunks for token in chunk.tokens)

    def input_ids(self, chunk: TokenChunk) -> tuple[int | None, ...]:
        """Return the ids of a chunk as the encoder reads them: start, tokens, end, padding."""
        padding = (self.padding_id,) * (self.capacity - len(chunk.tokens))
        return (self.start_id, *(token.id for token in chunk.tokens), self.end_id, *padding)


class TokenViewer:
    """Splits prompts for all encoders of the checkpoint in a folder; a refiner has only the second."""

    def __init__(
        self, folder: Path, embeddings: Sequence[EmbeddingReference] = (), *, is_refiner: bool = False
    ) -> None:
        """Load the tokenizers; raises CheckpointError if one cannot be used."""
        self._tokenizers = [
            (_NAMES[name], ClipTokenizer(folder / name))
            for name in TOKENIZERS
            if name == "tokenizer_2" or not is_refiner
        ]
        vectors = {one.token: embedding_vector_counts(one.file) for one in embeddings}
        first = 1 if is_refiner else 0
        self._vectors = [
            {token: counts[number] for token, counts in vectors.items() if counts[number]}
            for number in range(first, first + len(self._tokenizers))
        ]

    def view(self, prompt: str, prompt_2: str = "") -> tuple[EncoderTokens, ...]:
        """Return what each encoder reads of the prompts, without LoRA tags; an empty `prompt_2` means the first. Raises
        RequestError if one is malformed."""
        texts = [prompt, prompt_2 or prompt][: len(self._tokenizers)]
        sections = [
            _sections(text, tokenizer, vectors)
            for text, (_, tokenizer), vectors in zip(texts, self._tokenizers, self._vectors, strict=True)
        ]
        return tuple(
            EncoderTokens(
                name,
                tokenizer.chunk_capacity,
                chunks,
                tokenizer.start_id,
                tokenizer.end_id,
                tokenizer.padding_id,
            )
            for (name, tokenizer), chunks in zip(self._tokenizers, _aligned(sections), strict=True)
        )


def _sections(text: str, tokenizer: ClipTokenizer, vectors: Mapping[str, int]) -> list[list[tuple[PromptToken, ...]]]:
    """Return the chunks of each section of the text, at least one of each."""
    divided: dict[int, list[PromptFragment]] = {0: []}
    for fragment in parse_fragments(text):
        divided.setdefault(fragment.section, []).append(fragment)
    return [
        [
            tuple(chunk)
            for chunk in pack_chunks(
                (unit for fragment in fragments for unit in _units(fragment, tokenizer, vectors)),
                tokenizer.chunk_capacity,
            )
        ]
        or [()]
        for fragments in divided.values()
    ]


def _units(
    fragment: PromptFragment, tokenizer: ClipTokenizer, vectors: Mapping[str, int]
) -> Iterator[list[PromptToken]]:
    """Yield each token of the text separately, and all vectors of an embedding together."""
    for words in split_at_tokens(fragment.text, vectors):
        if words.token:
            yield [PromptToken(words.text, None, fragment.weight, embedding=words.token)] * vectors[words.token]
            continue
        before = -1
        for token in tokenizer.split(words.text):
            written = words.text[max(token.start, before) : token.end]
            before = token.end
            yield [PromptToken(written, token.id, fragment.weight, token.ends_word, token.is_unknown)]


def _aligned(encoders: Sequence[Sequence[Sequence[tuple[PromptToken, ...]]]]) -> list[tuple[TokenChunk, ...]]:
    """Return the chunks of each encoder, with empty ones so that sections begin at the same chunk in all, and that all
    have equally many."""
    rows: list[list[TokenChunk]] = [[] for _ in encoders]
    for number in range(max(len(sections) for sections in encoders)):
        own = [sections[number] if number < len(sections) else [] for sections in encoders]
        length = max(len(chunks) for chunks in own)
        for row, chunks in zip(rows, own, strict=True):
            filled = [*chunks, *[()] * (length - len(chunks))]
            row += [TokenChunk(tokens, number > 0 and at == 0) for at, tokens in enumerate(filled)]
    return [tuple(row) for row in rows]
