"""Says what lies at a path: reads heads and descriptions only, and refuses by name what cannot be used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from sdxl_desktop.core.errors import CheckpointError
from sdxl_desktop.core.parts import DIFFUSERS_PARTS, TOKENIZERS, Part
from sdxl_desktop.formats import key_mapping
from sdxl_desktop.formats.errors import DamagedFileError
from sdxl_desktop.formats.families import Setup, clip_vocabulary, family_of, shipped_setups
from sdxl_desktop.formats.found import Found, FoundPart, Kind, Layout
from sdxl_desktop.formats.lora_keys import is_lora
from sdxl_desktop.formats.safetensors_header import Tensor, read_metadata, read_tensors
from sdxl_desktop.formats.unsupported import foreign, refusal, unknown
from sdxl_desktop.formats.vae_names import is_vae_alone
from sdxl_desktop.formats.weight_files import PICKLED
from sdxl_desktop.library.detect.folders import identify_folder
from sdxl_desktop.library.detect.matching import Mismatch, match_part, note_on_numbers
from sdxl_desktop.library.detect.pickles import check_pickle
from sdxl_desktop.library.detect.sampling import sampling_facts


def identify(path: Path) -> Found:
    """What lies at `path`, a file or a folder.

    Raises CheckpointError: DamagedFileError for a file that is not whole, NotSdxlError for weights of something else.
    """
    if path.is_dir():
        return identify_folder(path) or _lone_file(path)
    if not path.is_file():
        raise CheckpointError(f"There is nothing at {path}.", next_step="Check the path.")
    if path.suffix.lower() in PICKLED:
        check_pickle(path)
        return Found(path=path, kind=Kind.PICKLED, layout=Layout.SINGLE_FILE, files=(path,))
    if path.suffix.lower() == ".gguf":
        raise refusal(path.name, "a GGUF file, whose quantized weights cannot be converted")
    return identify_file(path)


def identify_file(path: Path, setups: Path | None = None) -> Found:
    """What the .safetensors file `path` is. Descriptions lying beside it, or in the folder `setups`, are used where
    they fit it, then those that ship."""
    tensors = read_tensors(path)
    if UNET_MARK in tensors:
        return _single_file(path, tensors, setups or path.parent)
    kind = _small_kind(tensors)
    if kind is None:
        shapes = {name: tensor.shape for name, tensor in tensors.items()}
        if named := foreign(shapes):
            raise refusal(path.name, named)
        raise unknown(path.name, _hint(tensors))
    return Found(path=path, kind=kind, layout=Layout.SINGLE_FILE, files=(path,))


UNET_MARK = "model.diffusion_model.input_blocks.0.0.weight"


def _lone_file(folder: Path) -> Found:
    files = sorted(folder.glob("*.safetensors"))
    if len(files) == 1:
        return identify_file(files[0])
    raise unknown(
        folder.name,
        f"It holds {len(files)} files of weights, and which is meant is not clear."
        if files
        else "It has neither a model_index.json nor a .safetensors file.",
    )


def _small_kind(tensors: Mapping[str, Tensor]) -> Kind | None:
    if is_lora(tensors):
        return Kind.LORA
    if is_vae_alone(tensors):
        return Kind.VAE
    if len(tensors) <= 4 and all(len(tensor.shape) in (1, 2) for tensor in tensors.values()):
        return Kind.EMBEDDING
    return None


def _hint(tensors: Mapping[str, Tensor]) -> str:
    if any(name.startswith("down_blocks.") for name in tensors):
        return "It is a UNet alone, in diffusers' layout; the other parts are missing: choose the folder above it."
    return f"Its tensors are called {next(iter(tensors))[:60]!r} and the like."


def _single_file(path: Path, tensors: Mapping[str, Tensor], beside: Path) -> Found:
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    if named := foreign(shapes):
        raise refusal(path.name, named)
    closest: Mismatch | None = None
    for setup, tokenizers in _candidates(beside):
        unet = _part(Part.UNET, setup, tensors)
        if isinstance(unet, FoundPart):
            return _whole(path, tensors, setup, unet, tokenizers)
        if isinstance(unet, Mismatch) and (closest is None or unet.count < closest.count):
            closest = unet
    if closest is not None and closest.numbers:
        raise DamagedFileError(
            f"The weights of {path.name} cannot be converted.",
            why=f"Of its UNet, {closest.words}.",
            next_step="Look for the same checkpoint in fp16 or fp32.",
        )
    why = "Its UNet is built like none of SDXL's families"
    raise unknown(path.name, f"{why} ({closest.words})." if closest else f"{why}.")


def _candidates(beside: Path) -> Iterator[tuple[Setup, dict[str, Path]]]:
    """Descriptions that may fit a single file, and where the tokenizers that go with them are."""
    if (beside / "model_index.json").is_file() and (beside / Part.UNET / "config.json").is_file():
        own = {name: beside / name for name in TOKENIZERS if (beside / name).is_dir()}
        yield Setup(beside), own
    for _, setup in shipped_setups():
        yield setup, dict.fromkeys(TOKENIZERS, clip_vocabulary())


def _part(name: str, setup: Setup, tensors: Mapping[str, Tensor]) -> FoundPart | Mismatch | None:
    """The part as `setup` describes it, what does not fit, or None where `setup` has no such part."""
    config = setup.config(name)
    if config is None:
        return None
    prefix = key_mapping.prefix_of(name, tensors)
    if prefix is None:
        return Mismatch(f"it has no {name.replace('_', ' ')}", 10**6)
    inside = {key: tensor for key, tensor in tensors.items() if key.startswith(prefix)}
    return match_part(name, config, inside, prefix=prefix)


def _whole(
    path: Path, tensors: Mapping[str, Tensor], setup: Setup, unet: FoundPart, tokenizers: dict[str, Path]
) -> Found:
    parts = []
    for name in DIFFUSERS_PARTS:
        part = unet if name == Part.UNET else _part(name, setup, tensors)
        if isinstance(part, Mismatch):
            raise DamagedFileError(
                f"{path.name} cannot be drawn with as it is.",
                why=f"Of its {name.replace('_', ' ')}, {part.words}.",
                next_step="Choose a file that holds the whole checkpoint: UNet, VAE and text encoders.",
            )
        if part is not None:
            parts.append(part)
    there = {part.name for part in parts}
    facts = sampling_facts(path.stem, tensors, read_metadata(path))
    parts = [replace(part, config={**part.config, **facts.vae}) if part.name == Part.VAE else part for part in parts]
    return Found(
        path=path,
        kind=Kind.CHECKPOINT,
        layout=Layout.SINGLE_FILE,
        family=family_of(dict(unet.config), has_first_encoder=Part.TEXT_ENCODER in there),
        parts=tuple(parts),
        notes=tuple(filter(None, (note_on_numbers(parts),))),
        files=(path,),
        index=setup.index,
        scheduler=facts.over(setup.scheduler),
        card=facts.card,
        tokenizers={name: folder for name, folder in tokenizers.items() if TOKENIZERS[name] in there},
    )
