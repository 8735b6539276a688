"""Turns prompts into embeddings for both encoders, of any length, and keeps what was encoded."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import torch

from sdxl_desktop.core.request import Prompts

KEPT = 128


@dataclass(frozen=True, slots=True)
class Conditioning:
    """Embeddings float32 [1, 77·chunks, D1 + D2] and pooled [1, P]."""

    embeddings: torch.Tensor
    pooled: torch.Tensor

    def zeros(self) -> Conditioning:
        return Conditioning(torch.zeros_like(self.embeddings), torch.zeros_like(self.pooled))


@dataclass(frozen=True, slots=True)
class PromptPair:
    """The texts for the first and the second encoder."""

    first: str
    second: str


class PromptEncoder:
    """Encodes for one checkpoint's tokenizers and text encoders (those of `pipe`)."""

    def __init__(self, pipe: Any) -> None:
        self._pipe = pipe
        self._kept: OrderedDict[tuple[PromptPair, int], Conditioning] = OrderedDict()

    def encode(self, prompts: Prompts) -> tuple[Conditioning, Conditioning]:
        """(positive, negative) of equal length.

        As in diffusers an empty second prompt means the first one, and a missing negative prompt is all zeros where
        the checkpoint's configuration says so (`force_zeros_for_empty_prompt`).
        """
        positive = PromptPair(prompts.prompt, prompts.prompt_2 or prompts.prompt)
        negative = PromptPair(prompts.negative_prompt, prompts.negative_prompt_2 or prompts.negative_prompt)
        chunks = max(self._chunks(positive), self._chunks(negative))
        conditioned = self._encode(positive, chunks)
        unwritten = not (negative.first or negative.second)
        if unwritten and self._pipe.config.force_zeros_for_empty_prompt:
            return conditioned, conditioned.zeros()
        return conditioned, self._encode(negative, chunks)

    def _chunks(self, pair: PromptPair) -> int:
        lengths = [
            len(_words(tokenizer, text))
            for tokenizer, text in zip(self._tokenizers, (pair.first, pair.second), strict=True)
        ]
        room = self._room
        return max(1, *(-(-length // room) for length in lengths))

    @property
    def _tokenizers(self) -> tuple[Any, Any]:
        return self._pipe.tokenizer, self._pipe.tokenizer_2

    @property
    def _room(self) -> int:
        """Tokens of text in a chunk: 77 less the start and the end mark."""
        return int(self._pipe.tokenizer_2.model_max_length) - 2

    def _encode(self, pair: PromptPair, chunks: int) -> Conditioning:
        key = (pair, chunks)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        first = [self._encode_chunk(self._pipe.text_encoder, ids) for ids in self._ids(0, pair.first, chunks)]
        second = [self._encode_chunk(self._pipe.text_encoder_2, ids) for ids in self._ids(1, pair.second, chunks)]
        conditioning = Conditioning(
            torch.cat([torch.cat([a[0], b[0]], dim=-1) for a, b in zip(first, second, strict=True)], dim=1),
            second[0][1],
        )
        self._kept[key] = conditioning
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return conditioning

    def _encode_chunk(self, encoder: Any, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(penultimate hidden states [1, 77, D], first output): SDXL conditions on the last layer but one."""
        output = encoder(ids, output_hidden_states=True)
        return output.hidden_states[-2], output[0]

    def _ids(self, which: int, text: str, chunks: int) -> list[torch.Tensor]:
        """Token ids int64 [1, 77] for each chunk, as the tokenizer itself would pad a short text."""
        tokenizer = self._tokenizers[which]
        words, room = _words(tokenizer, text), self._room
        rows = []
        for n in range(chunks):
            row = [tokenizer.bos_token_id, *words[n * room : (n + 1) * room], tokenizer.eos_token_id]
            row += [tokenizer.pad_token_id] * (room + 2 - len(row))
            rows.append(torch.tensor([row], dtype=torch.int64))
        return rows


def _words(tokenizer: Any, text: str) -> list[int]:
    ids: list[int] = tokenizer(text, add_special_tokens=False, truncation=False, verbose=False)["input_ids"]
    return ids
