"""Caches encoded prompts on disk, so that later launches need no text encoder for them."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sdxl_desktop.core.checksum_file import ChecksumError, read_with_checksum, write_with_checksum
from sdxl_desktop.core.prompt_grammar import parse_fragments
from sdxl_desktop.core.request import Prompts
from sdxl_desktop.engine.compile_cache import RuntimeVersion
from sdxl_desktop.engine.compile_key import CompileKey
from sdxl_desktop.engine.openvino.loaded_checkpoint import LoadedCheckpoint
from sdxl_desktop.engine.openvino.prompt_encoder import PromptConditioning

MAX_BYTES = 64 << 20
"""Bytes: about fifty prompt pairs of SDXL."""
_VERSION = "2"
"""Increased when the encoding or the file format changes."""
_NAMES = ("positive", "positive_pooled", "negative", "negative_pooled")
_UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)

ConditioningPair = tuple[PromptConditioning, PromptConditioning]
"""(positive, negative) of equal length."""


def prompt_cache_key(
    loaded: LoadedCheckpoint, prompts: Prompts, compile_keys: Iterable[CompileKey], runtimes: Iterable[RuntimeVersion]
) -> str:
    """Return the cache key of the encoded `prompts`. It depends on the parsed prompts, the tokenizers, the text
    encoders (content, attached embeddings, device and precision, from `compile_keys`) and the devices' runtimes, since
    results of a faulty driver must not outlive it. Raises RequestError if a prompt is malformed."""
    texts = (
        prompts.prompt,
        prompts.prompt_2 or prompts.prompt,
        prompts.negative_prompt,
        prompts.negative_prompt_2 or prompts.negative_prompt,
    )
    meant = [[(part.text, part.weight, part.section) for part in parse_fragments(text)] for text in texts]
    keys = [str(key) for key in compile_keys]
    ran = [(runtime.openvino, runtime.driver) for runtime in runtimes]
    whole = (_VERSION, ran, loaded.tokenizers_id, loaded.prompt_encoder.vocabulary_id, keys, meant, prompts.clip_skip)
    return hashlib.blake2b(repr(whole).encode(), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class PromptCache:
    """Pairs by name, one file each in `folder`; the most recently used are kept, up to `max_bytes`.

    Any process may delete any file at any time. A pair that cannot be written is encoded again.
    """

    folder: Path
    max_bytes: int = MAX_BYTES

    def get(self, name: str) -> ConditioningPair | None:
        """Return the cached pair, bit for bit; None if it is missing or damaged (then it is deleted)."""
        file = self._file(name)
        try:
            content = read_with_checksum(file)
        except OSError:
            return None
        except ChecksumError:
            self.remove(name)
            return None
        try:
            with np.load(BytesIO(content), allow_pickle=False) as kept:
                tensors = [torch.from_numpy(np.asarray(kept[each], dtype=np.float32)) for each in _NAMES]
        except _UNREADABLE:
            self.remove(name)
            return None
        with suppress(OSError):
            os.utime(file)
        return PromptConditioning(tensors[0], tensors[1]), PromptConditioning(tensors[2], tensors[3])

    def put(self, name: str, pair: ConditioningPair) -> None:
        """Cache `pair` if all its values are finite, and delete the least recently used pairs beyond the limit."""
        positive, negative = pair
        values = (
            positive.prompt_embeds,
            positive.pooled_prompt_embeds,
            negative.prompt_embeds,
            negative.pooled_prompt_embeds,
        )
        arrays: dict[str, Any] = {each: value.numpy() for each, value in zip(_NAMES, values, strict=True)}
        if not all(np.isfinite(array).all() for array in arrays.values()):
            return
        written = BytesIO()
        np.savez(written, **arrays)
        with suppress(OSError):
            write_with_checksum(self._file(name), written.getvalue())
            self._prune()

    def remove(self, name: str) -> None:
        """Delete one pair."""
        with suppress(OSError):
            self._file(name).unlink(missing_ok=True)

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.npz"

    def _prune(self) -> None:
        found = sorted((state.st_mtime_ns, state.st_size, file) for file, state in _list_files(self.folder))
        total = sum(size for _, size, _ in found)
        for _, size, file in found[:-1]:
            if total <= self.max_bytes:
                return
            file.unlink(missing_ok=True)
            total -= size


def _list_files(folder: Path) -> list[tuple[Path, os.stat_result]]:
    found = []
    for file in folder.iterdir():
        with suppress(FileNotFoundError):
            found.append((file, file.stat()))
    return found
