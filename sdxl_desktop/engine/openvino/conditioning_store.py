"""Prompts that were encoded once, kept on disk, so that later launches need no text encoder for them."""

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

from sdxl_desktop.core.checked_file import DamagedFileError, read_checked, write_checked
from sdxl_desktop.core.prompt_grammar import parse
from sdxl_desktop.core.request import Prompts
from sdxl_desktop.engine.compile_key import CompileKey
from sdxl_desktop.engine.compiled_store import Runtime
from sdxl_desktop.engine.openvino.loaded import LoadedCheckpoint
from sdxl_desktop.engine.openvino.prompts import Conditioning

LIMIT = 64 << 20
"""Bytes: at SDXL's size about fifty pairs of prompts."""
_FORM = "2"
"""Changes when the same prompts come to be encoded otherwise, or written otherwise."""
_NAMES = ("positive", "positive_pooled", "negative", "negative_pooled")
_UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)

Pair = tuple[Conditioning, Conditioning]
"""(positive, negative) of equal length."""


def pair_name(
    loaded: LoadedCheckpoint, prompts: Prompts, compiled_as: Iterable[CompileKey], runtimes: Iterable[Runtime]
) -> str:
    """A name for what `prompts` become there. It depends on what they mean after parsing, on the tokenizers and on the
    text encoders: content, attached embeddings, device and precision, as their keys `compiled_as` have them, and what
    runs on these devices, since a driver's mistake must not outlive the driver. Raises RequestError when a prompt is
    malformed.
    """
    texts = (
        prompts.prompt,
        prompts.prompt_2 or prompts.prompt,
        prompts.negative_prompt,
        prompts.negative_prompt_2 or prompts.negative_prompt,
    )
    meant = [[(part.text, part.weight, part.section) for part in parse(text)] for text in texts]
    keys = [str(key) for key in compiled_as]
    ran = [(runtime.openvino, runtime.driver) for runtime in runtimes]
    whole = (_FORM, ran, loaded.tokenizers, loaded.encoder.words, keys, meant, prompts.clip_skip)
    return hashlib.blake2b(repr(whole).encode(), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class ConditioningStore:
    """Pairs by name, one file each in `folder`, of which the most recently used stay within `limit` bytes.

    Any process may take any file away at any time. What cannot be written merely has to be encoded again.
    """

    folder: Path
    limit: int = LIMIT

    def get(self, name: str) -> Pair | None:
        """What was kept, bit for bit; None when it was not, or is damaged (then it is thrown away)."""
        file = self._file(name)
        try:
            content = read_checked(file)
        except OSError:
            return None
        except DamagedFileError:
            self.forget(name)
            return None
        try:
            with np.load(BytesIO(content), allow_pickle=False) as kept:
                tensors = [torch.from_numpy(np.asarray(kept[each], dtype=np.float32)) for each in _NAMES]
        except _UNREADABLE:
            self.forget(name)
            return None
        with suppress(OSError):
            os.utime(file)
        return Conditioning(tensors[0], tensors[1]), Conditioning(tensors[2], tensors[3])

    def put(self, name: str, pair: Pair) -> None:
        """Keep `pair` if all its numbers are, and let go of what was used longest ago where there are too many."""
        positive, negative = pair
        values = (positive.embeddings, positive.pooled, negative.embeddings, negative.pooled)
        arrays: dict[str, Any] = {each: value.numpy() for each, value in zip(_NAMES, values, strict=True)}
        if not all(np.isfinite(array).all() for array in arrays.values()):
            return
        written = BytesIO()
        np.savez(written, **arrays)
        with suppress(OSError):
            write_checked(self._file(name), written.getvalue())
            self._prune()

    def forget(self, name: str) -> None:
        """Let go of one pair."""
        with suppress(OSError):
            self._file(name).unlink(missing_ok=True)

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.npz"

    def _prune(self) -> None:
        found = sorted((state.st_mtime_ns, state.st_size, file) for file, state in _listed(self.folder))
        total = sum(size for _, size, _ in found)
        for _, size, file in found[:-1]:
            if total <= self.limit:
                return
            file.unlink(missing_ok=True)
            total -= size


def _listed(folder: Path) -> list[tuple[Path, os.stat_result]]:
    found = []
    for file in folder.iterdir():
        with suppress(FileNotFoundError):
            found.append((file, file.stat()))
    return found
