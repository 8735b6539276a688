"""Encodes prompts of any length with a checkpoint's text encoders, and caches the results."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import torch

from sdxl_desktop.core.errors import CheckpointError, RequestError
from sdxl_desktop.core.prompt_grammar import parse_fragments
from sdxl_desktop.core.request import Prompts
from sdxl_desktop.engine.openvino.model_part import ModelPart
from sdxl_desktop.engine.openvino.prompt_tokenizer import ChunkedTokenizer, EmbeddingTokenIds, PromptChunk, align_chunks

_STATES = "hidden_states"
MAX_CACHED_CHUNKS = 256
"""Number of encoded chunks in memory: at most 100 MB for SDXL."""


@dataclass(frozen=True, slots=True)
class PromptConditioning:
    """Prompt embeddings float32 [1, 77·chunks, D] and pooled [1, P]; D is the sum of the encoders' widths."""

    prompt_embeds: torch.Tensor
    pooled_prompt_embeds: torch.Tensor

    def zeros_like(self) -> PromptConditioning:
        return PromptConditioning(torch.zeros_like(self.prompt_embeds), torch.zeros_like(self.pooled_prompt_embeds))


@dataclass(frozen=True, slots=True)
class _TextEncoder:
    """A text encoder of the checkpoint; its part takes ids int64 [1, 77]."""

    name: str
    part: ModelPart
    tokenizer: ChunkedTokenizer


@dataclass(frozen=True, slots=True)
class _EncoderOutput:
    """Hidden states [1, 77, D] of the selected layer, and the encoder's first output [1, P]."""

    hidden_states: torch.Tensor
    pooled_output: torch.Tensor


class PromptEncoder:
    """Encodes prompts with the tokenizers and text encoders of one checkpoint (`pipe`); a refiner has only one of each.

    `vocabulary` maps tokens to the ids of embeddings attached to the text encoders
    (see `textual_inversion.attach_embeddings`).
    """

    def __init__(self, pipe: Any, vocabulary: EmbeddingTokenIds | None = None) -> None:
        self._pipe = pipe
        self._embedding_token_ids = vocabulary or {}
        self._cache: OrderedDict[Hashable, _EncoderOutput] = OrderedDict()

    def encode(self, prompts: Prompts, cache_key: Hashable = None) -> tuple[PromptConditioning, PromptConditioning]:
        """Return (positive, negative) of equal length.

        As in diffusers, an empty second prompt means the first one, a missing negative prompt becomes zeros if the
        checkpoint's configuration says so (`force_zeros_for_empty_prompt`), clip skip applies to the positive prompt
        only, and a refiner's only encoder gets the first prompt. A negative prompt without words, such as " ", "()" or
        "BREAK", counts as missing.

        `cache_key` identifies the compilation of the text encoders, such as their compile keys: results of one
        precision are not reused for another.

        Raises RequestError if a prompt is malformed or the clip skip too large, CheckpointError if a text encoder does
        not output its hidden states.
        """
        encoders = self._encoders()
        positive = self._texts(prompts.prompt, prompts.prompt_2, len(encoders))
        negative = self._texts(prompts.negative_prompt, prompts.negative_prompt_2, len(encoders))
        tokenizers = [encoder.tokenizer for encoder in encoders]
        positive_chunks, negative_chunks = align_chunks(tokenizers, positive), align_chunks(tokenizers, negative)
        chunks = max(len(positive_chunks[0]), len(negative_chunks[0]))
        conditioned = self._conditioning(encoders, positive_chunks, chunks, prompts.clip_skip, cache_key)
        if not any(map(parse_fragments, negative)) and self._pipe.config.force_zeros_for_empty_prompt:
            return conditioned, conditioned.zeros_like()
        return conditioned, self._conditioning(encoders, negative_chunks, chunks, 0, cache_key)

    def clear_cache(self) -> None:
        """Clear the cache of encoded chunks."""
        self._cache.clear()

    @property
    def vocabulary_id(self) -> str:
        """An id of the embeddings' tokens and of the meaning of a missing negative prompt."""
        return f"{sorted(self._embedding_token_ids.items())}/{self._pipe.config.force_zeros_for_empty_prompt}"

    def _encoders(self) -> list[_TextEncoder]:
        pipe = self._pipe
        found = [("first", pipe.text_encoder, pipe.tokenizer), ("second", pipe.text_encoder_2, pipe.tokenizer_2)]
        return [
            _TextEncoder(
                name,
                part,
                ChunkedTokenizer(
                    tokenizer, {token: ids[number] for token, ids in self._embedding_token_ids.items() if ids[number]}
                ),
            )
            for number, (name, part, tokenizer) in enumerate(found)
            if part is not None
        ]

    def _texts(self, first: str, second: str, encoders: int) -> list[str]:
        return [first, second or first][:encoders]

    def _conditioning(
        self,
        encoders: list[_TextEncoder],
        rows: list[list[PromptChunk]],
        chunks: int,
        clip_skip: int,
        cache_key: Hashable,
    ) -> PromptConditioning:
        """Concatenate the embeddings of all chunks. The pooled output is the last encoder's for its first chunk,
        unweighted."""
        states, pooled = [], torch.empty(0)
        for encoder, row in zip(encoders, rows, strict=True):
            empty = encoder.tokenizer.empty_chunk()
            own = []
            for number, chunk in enumerate([*row, *[empty] * (chunks - len(row))]):
                encoded = self._encode_chunk(encoder, chunk.ids, clip_skip, cache_key)
                pooled = encoded.pooled_output if number == 0 else pooled
                if chunk.is_unweighted:
                    own.append(encoded.hidden_states)
                else:
                    base = self._encode_chunk(encoder, empty.ids, clip_skip, cache_key)
                    own.append(apply_token_weights(encoded.hidden_states, base.hidden_states, chunk.weights))
            states.append(torch.cat(own, dim=1))
        return PromptConditioning(torch.cat(states, dim=-1), pooled)

    def _encode_chunk(
        self, encoder: _TextEncoder, ids: tuple[int, ...], clip_skip: int, cache_key: Hashable
    ) -> _EncoderOutput:
        key = (encoder.name, ids, clip_skip, cache_key)
        if key not in self._cache:
            self._cache[key] = _run_text_encoder(encoder, ids, clip_skip)
            if len(self._cache) > MAX_CACHED_CHUNKS:
                self._cache.popitem(last=False)
        self._cache.move_to_end(key)
        return self._cache[key]


def apply_token_weights(states: torch.Tensor, empty: torch.Tensor, weights: tuple[float, ...]) -> torch.Tensor:
    """Weight hidden states z, float32 [1, 77, D], relative to those of an empty chunk: e + w (z − e).

    e is the state of the empty chunk at the same position: weights above 1 move away from it, others towards it. This
    is ComfyUI's method (comfy/sd1_clip.py, `encode_token_weights`), and compel's for weights above 1 (below 1 compel
    blends with encodings that lack the words, one per fragment). The web UI's, z w, also scales what a token has in
    common with all others, and restores the mean afterwards. States of weight 1 are returned bit for bit.
    """
    scale = torch.tensor(weights, dtype=states.dtype).reshape(1, -1, 1)
    return torch.where(scale == 1, states, empty + scale * (states - empty))


def _run_text_encoder(encoder: _TextEncoder, ids: tuple[int, ...], clip_skip: int) -> _EncoderOutput:
    """Run a text encoder. SDXL uses the hidden states of the penultimate layer; clip skip skips that many more."""
    output = encoder.part.infer({"input_ids": torch.tensor([ids], dtype=torch.int64)})
    states = [value for port, value in output.items() if any(name.startswith(_STATES) for name in port.names)]
    if not states:
        raise CheckpointError(
            f"The {encoder.name} text encoder does not give its hidden states.",
            why="SDXL needs them; the checkpoint was exported for something else.",
            next_step="Export the checkpoint again as SDXL (task text-to-image).",
        )
    if clip_skip + 2 > len(states):
        raise RequestError(
            f"Clip skip {clip_skip} is too much for the {encoder.name} text encoder.",
            why=f"It has only {len(states) - 1} layers.",
            next_step=f"Use {len(states) - 2} or less.",
        )
    return _EncoderOutput(torch.from_numpy(states[-(clip_skip + 2)]), torch.from_numpy(output[0]))
