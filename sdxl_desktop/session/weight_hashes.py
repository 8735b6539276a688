"""The names and SHA-256 of the weights that a request uses, for the text that other programs read."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from sdxl_desktop.core.file_hashes import FileHashCache, sha256_of_file
from sdxl_desktop.core.request import GenerationRequest
from sdxl_desktop.library.import_record import read_source_file
from sdxl_desktop.metadata.weight_files import WeightFile, WeightFiles, weight_file_name

KNOWN_HASHES = FileHashCache(hash_content=sha256_of_file)
"""Of LoRAs, embeddings and VAEs, each hashed once in this process. A checkpoint's is recorded when it is imported."""


def weight_files(request: GenerationRequest) -> WeightFiles:
    """Return what is known of the weights of `request`, whose paths are real; never raises.

    Files that are not known yet are read, about a second for a gigabyte: call it where a picture is written, off the
    main thread.
    """
    additions = request.additions
    return WeightFiles(
        checkpoint=_checkpoint(request.checkpoint),
        refiner=None if request.refine is None else _checkpoint(request.refine.checkpoint),
        vae=None if additions.vae is None else _addition(additions.vae),
        loras=tuple(_addition(use.file) for use in additions.loras),
        embeddings=tuple(_addition(use.file) for use in additions.embeddings),
    )


def _checkpoint(folder: Path) -> WeightFile:
    found = read_source_file(folder)
    return WeightFile(found.name or folder.name, found.sha256)


def _addition(file: Path) -> WeightFile:
    digest = ""
    with suppress(OSError):
        digest = KNOWN_HASHES.get(file) if file.is_file() else ""
    return WeightFile(weight_file_name(file), digest)
