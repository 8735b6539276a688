"""Read and check the files that a command line names: pictures, masks, saved latents, LoRAs, embeddings."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from sdxl_desktop.core.additions import Additions, EmbeddingReference, LoraReference
from sdxl_desktop.core.backdrop import BACKDROPS, WHITE, is_backdrop
from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.edit import EditSource
from sdxl_desktop.core.errors import AdditionError, PictureError, RequestError
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.intents import Intent
from sdxl_desktop.core.number_parsing import parse_float
from sdxl_desktop.core.paths import expand_path
from sdxl_desktop.core.raster import Raster
from sdxl_desktop.core.request import MAX_SIDE
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.imaging.picture_reading import open_picture, read_mask
from sdxl_desktop.metadata.picture_records import describe_origin, read_any_record

_MIN_AREA_RATIO, _MAX_AREA_RATIO = 0.5, 1.5
"""A picture is generated at its own size if its area is between these fractions of the checkpoint's native area."""


def read_edit_source(
    image: Path, mask: Path | None, *, backdrop: str = WHITE, tell: Callable[[str], None]
) -> EditSource:
    """Return the picture `image` and its mask; raises PictureError or RequestError. Notes on the file go to `tell`."""
    picture = open_picture(image, backdrop=parse_backdrop(backdrop))
    for note in picture.notes:
        tell(note)
    size = Size(picture.pixels.shape[1], picture.pixels.shape[0])
    return EditSource(
        picture=Raster.from_pixels(picture.pixels, picture.name),
        mask=None if mask is None else Raster.from_pixels(read_mask(mask, size), display_text(mask.name)),
        origin=_origin(image),
    )


def _origin(image: Path) -> str:
    with suppress(PictureError, OSError):  # the picture is fine: only how it was made cannot be told
        record = read_any_record(image)
        return "" if record is None else describe_origin(record)
    return ""


def parse_intent(text: str) -> Intent:
    """Parse an intent; the RequestError lists the valid ones. Expand is excluded: a terminal has no frame to drag."""
    offered = [intent.value for intent in Intent if intent is not Intent.EXPAND]
    if text.lower() not in offered:
        raise RequestError(f"There is no intent {text!r}.", next_step=f"Choose one of: {', '.join(offered)}.")
    return Intent(text.lower())


def parse_backdrop(text: str) -> str:
    """Parse a backdrop; the RequestError lists the valid ones."""
    if not is_backdrop(text.lower()):
        raise RequestError(
            f"A picture cannot be put over {text!r}.",
            next_step=f"Choose {', '.join(name for name, _ in BACKDROPS)} or a colour such as #ffcc00.",
        )
    return text.lower()


def drawing_size(picture: Size, checkpoint: Checkpoint) -> Size:
    """Return the drawing size of a picture: its own, rounded, or its aspect ratio at the checkpoint's native area."""
    area = checkpoint.recommended.size.pixel_count
    share = picture.pixel_count / area
    wanted = picture if _MIN_AREA_RATIO <= share <= _MAX_AREA_RATIO else checkpoint.recommended.size
    return wanted.with_aspect_ratio_of(picture, checkpoint.size_multiple, MAX_SIDE)


def read_additions(loras: Sequence[str], embeddings: Sequence[str], vae: Path | None) -> Additions:
    """Parse FILE:WEIGHT and FILE:TOKEN; raises AdditionError for a missing file."""
    return Additions(
        loras=tuple(_lora(text) for text in loras),
        embeddings=tuple(_embedding(text) for text in embeddings),
        vae=None if vae is None else _existing_path(vae, "VAE", or_folder=True),
    )


def _lora(text: str) -> LoraReference:
    name, colon, weight = text.rpartition(":")
    if not colon or _exists(text):
        return LoraReference(_existing_path(Path(text), "LoRA"))
    try:
        amount = parse_float(weight)
    except RequestError:
        raise RequestError(
            f"The weight {weight!r} of the LoRA {name} is not a number.",
            next_step="Write FILE:WEIGHT, for instance style.safetensors:0.8.",
        ) from None
    return LoraReference(_existing_path(Path(name), "LoRA"), amount)


def _embedding(text: str) -> EmbeddingReference:
    name, colon, token = text.rpartition(":")
    if not colon or _exists(text):
        return EmbeddingReference(_existing_path(Path(text), "embedding"), Path(text).stem.replace(" ", "-"))
    return EmbeddingReference(_existing_path(Path(name), "embedding"), token)


def _exists(text: str) -> bool:
    return os.path.isfile(expand_path(text))


def _existing_path(path: Path, what: str, *, or_folder: bool = False) -> Path:
    path = expand_path(path)
    if not (os.path.isfile(path) or (or_folder and os.path.isdir(path))):  # which do not raise for any name
        kind = "file or folder" if or_folder else "file"
        raise AdditionError(f"There is no {what} {kind} {path}.", next_step="Check the path.")
    return path.resolve()
