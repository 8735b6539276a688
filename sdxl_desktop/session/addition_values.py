"""The listed LoRAs, embeddings and VAE: adding to the list, selecting those a run uses, restoring from a record."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from sdxl_desktop.core.additions import Additions, EmbeddingReference, LoraReference, file_name_only
from sdxl_desktop.core.request import Prompts
from sdxl_desktop.core.workspace_value import AdditionsPanelState, LoraListItem


def used(value: AdditionsPanelState, prompts: Prompts) -> Additions:
    """Return the additions a run uses: the enabled LoRAs, the embeddings whose token is in `prompts`, and the VAE.
    Files missing on disk are omitted. Raises RequestError if two embeddings have the same token."""
    words = " ".join((prompts.prompt, prompts.negative_prompt, prompts.prompt_2, prompts.negative_prompt_2))
    return Additions(
        loras=tuple(lora.use for lora in value.loras if lora.on and lora.use.file.is_file()),
        embeddings=tuple(one for one in value.embeddings if one.token in words and one.file.is_file()),
        vae=value.vae if value.vae is not None and value.vae.exists() else None,
    )


def listed_files(value: AdditionsPanelState) -> tuple[Path, ...]:
    """Return all listed files and the VAE."""
    files = (*(lora.use.file for lora in value.loras), *(one.file for one in value.embeddings))
    return files if value.vae is None else (*files, value.vae)


def with_lora(value: AdditionsPanelState, file: Path, weight: float = 1.0) -> AdditionsPanelState:
    """Return `value` with the LoRA in `file` added with `weight`; a listed one is enabled."""
    if any(lora.use.file == file for lora in value.loras):
        loras = tuple(replace(lora, on=True) if lora.use.file == file else lora for lora in value.loras)
    else:
        loras = (*value.loras, LoraListItem(LoraReference(file, weight)))
    return replace(value, loras=loras)


def with_embedding(value: AdditionsPanelState, file: Path, token: str) -> AdditionsPanelState:
    """Return `value` with the embedding in `file` added under `token`, or the nearest free token. A listed file is
    unchanged. Raises RequestError for an invalid token."""
    if any(embedding.file == file for embedding in value.embeddings):
        return value
    free = _free(token, {embedding.token for embedding in value.embeddings})
    return replace(value, embeddings=(*value.embeddings, EmbeddingReference(file, free)))


def with_recorded_additions(
    value: AdditionsPanelState, additions: Additions, library_files: Sequence[Path] = ()
) -> tuple[AdditionsPanelState, tuple[str, ...]]:
    """Return exactly `additions` enabled, the other LoRAs of `value` listed but disabled, and the names of missing
    additions. Records name files without folders; they are matched to the listed files, then to `library_files`."""
    missing: list[str] = []

    def found(file: Path, what: str, known: Iterable[Path | None]) -> Path | None:
        if file.is_absolute() and (file.is_file() or (what == "VAE" and file.is_dir())):
            return file
        name = file_name_only(file).name
        here = next((other for other in (*known, *library_files) if other is not None and other.name == name), None)
        if here is None:
            missing.append(f"the {what} {name}")
        return here

    listed_loras = [lora.use.file for lora in value.loras]
    loras = [(found(use.file, "LoRA", listed_loras), use) for use in additions.loras]
    listed_embeddings = [use.file for use in value.embeddings]
    embeddings = [(found(use.file, "embedding", listed_embeddings), use) for use in additions.embeddings]
    vae = None if additions.vae is None else found(additions.vae, "VAE", [value.vae])
    files, tokens = {file for file, _ in loras}, {use.token for file, use in embeddings if file is not None}
    again = AdditionsPanelState(
        loras=tuple(LoraListItem(replace(use, file=file, from_prompt=False)) for file, use in loras if file is not None)
        + tuple(replace(lora, on=False) for lora in value.loras if lora.use.file not in files),
        embeddings=tuple(replace(use, file=file) for file, use in embeddings if file is not None)
        + tuple(embedding for embedding in value.embeddings if embedding.token not in tokens),
        vae=vae,
    )
    return again, tuple(missing)


def _free(token: str, taken: set[str]) -> str:
    if token not in taken:
        return token
    stem, end = (token[:-1], ">") if token.endswith(">") else (token, "")
    number = 2
    while f"{stem}-{number}{end}" in taken:
        number += 1
    return f"{stem}-{number}{end}"
