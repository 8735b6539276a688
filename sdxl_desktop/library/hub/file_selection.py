"""Choose the files of a repository that are needed, without duplicates of the same weights.

Half precision is preferred to full, safetensors to pickles, and a pipeline's folders to the same weights in a single
file; Flax, ONNX and images are never chosen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

from sdxl_desktop.core.parts import GRAPH, OPENVINO_PARTS, TOKENIZERS, WEIGHTS, Part
from sdxl_desktop.formats.weight_variants import (
    CHECKPOINT_ENDINGS,
    KNOWN_ENDINGS,
    SAFETENSORS,
    find_weight_variants,
)
from sdxl_desktop.library.hub.hub_address import HubAddress
from sdxl_desktop.library.hub.hub_errors import HubNotFoundError
from sdxl_desktop.library.hub.remote_files import DownloadLayout, RemoteFile

_WEIGHT_STEMS = {
    Part.UNET: "diffusion_pytorch_model",
    Part.VAE: "diffusion_pytorch_model",
    Part.TEXT_ENCODER: "model",
    Part.TEXT_ENCODER_2: "model",
}
_TINY_VAE_FILES = ("vae_tiny/config.json", "vae_tiny/diffusion_pytorch_model.safetensors")
_CONFIG_FOLDERS = ("scheduler", *TOKENIZERS)
_CONFIG_SUFFIXES = (".json", ".txt")
_MAX_CONFIG_BYTES = 32 * 2**20
_LORA_FILE = "pytorch_lora_weights.safetensors"
_MAX_LISTED = 8


def select_files(
    available: Iterable[RemoteFile], address: HubAddress, *, openvino: bool = False
) -> tuple[DownloadLayout, list[RemoteFile]]:
    """Return the layout and the needed files of `available` for `address`.

    If a repository has a pipeline both for diffusers and for OpenVINO, `openvino` selects. Raises HubNotFoundError if
    the requested file does not exist, if nothing is usable, or, naming them, if there are several candidates.
    """
    files = {file.path: file for file in available}
    if address.file:
        if address.file not in files:
            raise HubNotFoundError(f"{address.repo} has no file {address.file}.", next_step=_file_list_hint(files))
        return DownloadLayout.SINGLE_FILE, [files[address.file]]
    root = f"{address.folder}/" if address.folder else ""
    inside = {path.removeprefix(root): file for path, file in files.items() if path.startswith(root)}
    if not inside:
        raise HubNotFoundError(f"{address.repo} has no folder {address.folder}.", next_step=_file_list_hint(files))
    if "model_index.json" in inside:
        pipeline = _pipeline(inside, openvino=openvino)
        if pipeline is not None:
            return pipeline
    return _single_part(inside) or _single_file(inside, address)


def _pipeline(files: Mapping[str, RemoteFile], *, openvino: bool) -> tuple[DownloadLayout, list[RemoteFile]] | None:
    has_openvino = f"{Part.UNET}/{GRAPH}" in files
    tiny = [files[name] for name in _TINY_VAE_FILES if all(each in files for each in _TINY_VAE_FILES)]
    diffusers = None if openvino and has_openvino else _diffusers(files)
    if diffusers is not None:
        return DownloadLayout.DIFFUSERS, diffusers + tiny
    if not has_openvino:
        return None
    graphs = [files[name] for part in OPENVINO_PARTS for name in _graph_files(part) if name in files]
    return DownloadLayout.OPENVINO, _config_files(files, (*OPENVINO_PARTS, *_CONFIG_FOLDERS)) + graphs + tiny


def _graph_files(part: str) -> tuple[str, str]:
    return f"{part}/{GRAPH}", f"{part}/{WEIGHTS}"


def _diffusers(files: Mapping[str, RemoteFile]) -> list[RemoteFile] | None:
    """None unless each part that has a config.json has safetensors weights."""
    chosen = _config_files(files, (*_WEIGHT_STEMS, *_CONFIG_FOLDERS))
    for part, stem in _WEIGHT_STEMS.items():
        weights = _weights(files, f"{part}/", stem)
        if not weights and (part in (Part.UNET, Part.VAE) or f"{part}/config.json" in files):
            return None
        chosen += weights
    return chosen


def _config_files(files: Mapping[str, RemoteFile], parts: Sequence[str]) -> list[RemoteFile]:
    """Return model_index.json and the configurations and vocabularies of `parts`, without index files of other weights'
    shards."""
    return [
        file
        for path, file in sorted(files.items())
        if path in ("model_index.json", "checkpoint.json", "preview.json")
        or (
            path.count("/") == 1
            and path.split("/")[0] in parts
            and path.endswith(_CONFIG_SUFFIXES)
            and ".index." not in path
            and file.size <= _MAX_CONFIG_BYTES
        )
    ]


def _weights(files: Mapping[str, RemoteFile], folder: str, stem: str) -> list[RemoteFile]:
    """Return the weights file of the preferred variant, or its shards with their index."""
    inside = [path.removeprefix(folder) for path in files if path.startswith(folder)]
    for choice in find_weight_variants(inside, stem):
        chosen = files[folder + choice.name]
        if not choice.sharded:
            return [chosen]
        number, kind = r"-\d{5}-of-\d{5}", re.escape(f".{choice.variant}" if choice.variant else "")
        shard = re.compile(f"{re.escape(folder + stem)}(?:{number}{kind}|{kind}{number})[.]safetensors")
        return [chosen, *(file for path, file in sorted(files.items()) if shard.fullmatch(path))]
    return []


def _single_part(files: Mapping[str, RemoteFile]) -> tuple[DownloadLayout, list[RemoteFile]] | None:
    weights = _weights(files, "", "diffusion_pytorch_model")
    if not weights or "config.json" not in files:
        return None
    return DownloadLayout.PART, [files["config.json"], *weights]


def _single_file(files: Mapping[str, RemoteFile], address: HubAddress) -> tuple[DownloadLayout, list[RemoteFile]]:
    """Return the only weights file at the top level: a complete checkpoint, a LoRA or an embedding."""
    top = {path: file for path, file in files.items() if "/" not in path and path.endswith(CHECKPOINT_ENDINGS)}
    if _LORA_FILE in top:
        return DownloadLayout.SINGLE_FILE, [top[_LORA_FILE]]
    safe = {path: file for path, file in top.items() if path.endswith(SAFETENSORS)}
    candidates = safe or top
    if len(candidates) == 1:
        return DownloadLayout.SINGLE_FILE, list(candidates.values())
    if candidates:
        raise HubNotFoundError(
            f"{address.repo} has {len(candidates)} files of weights, and they cannot all be meant.",
            next_step=_file_list_hint(candidates),
        )
    why = "There are no .safetensors files."
    if any(path.endswith(KNOWN_ENDINGS) and not path.endswith(CHECKPOINT_ENDINGS) for path in files):
        why = "Its weights are in a format that is not safe to open, or not for this application."
    raise HubNotFoundError(
        f"Nothing in {address} can be used here.", why=why, next_step="Choose a repository with .safetensors files."
    )


def _file_list_hint(files: Mapping[str, RemoteFile]) -> str:
    names = sorted(
        (path for path in files if path.endswith(CHECKPOINT_ENDINGS)), key=lambda path: (path.count("/"), path)
    )
    if not names:
        return "Look at its page for what is there."
    more = f" and {len(names) - _MAX_LISTED} more" if len(names) > _MAX_LISTED else ""
    return f"Give the URL of one of its files: {', '.join(names[:_MAX_LISTED])}{more}."


def relative_path(file: RemoteFile, layout: DownloadLayout, address: HubAddress) -> str:
    """Return the path of `file` in the destination folder, without the repository's parent folders."""
    if layout is DownloadLayout.SINGLE_FILE:
        return PurePosixPath(file.path).name
    return file.path.removeprefix(f"{address.folder}/" if address.folder else "")
