"""The project file (`.sdxld`): a zip with the picture, the mask, candidates, kept latents and the request, written
whole or not at all."""

from __future__ import annotations

import contextlib
import io
import os
import re
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
from PIL import Image

from sdxl_desktop import __version__
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.raster import Bytes

SUFFIX = ".sdxld"
KIND = "sdxl-desktop-document"
VERSION = 1
MAX_PIXELS = 2**29
"""Pixels of one picture that are read at most: a file could promise more than there is memory."""
_MAX_CARD = 16 * 2**20
_CARD = "document.json"
_PICTURE, _MASK = "picture.png", "mask.png"
_ENTRY = re.compile(r"[\w.-]{1,100}")


class ProjectError(SdxlDesktopError):
    """A project file cannot be read or written."""

    bad_input = True


@dataclass(frozen=True, slots=True, eq=False)
class Project:
    """What a project file holds. `picture` uint8 [H, W, 3] and `mask` uint8 [H, W], or None; `candidates` uint8
    [H, W, 3] each; `latents` the bytes of safetensors files by name; `request` text that only the caller reads."""

    picture: Bytes | None = None
    mask: Bytes | None = None
    picture_name: str = ""
    candidates: tuple[Bytes, ...] = ()
    latents: Mapping[str, bytes] = field(default_factory=dict)
    request: str = ""


class _Card(msgspec.Struct, omit_defaults=False):
    """`document.json`."""

    kind: str
    version: int
    application: str = ""
    picture_name: str = ""
    has_picture: bool = False
    has_mask: bool = False
    candidates: int = 0
    latents: list[str] = []
    request: str = ""


class _Heading(msgspec.Struct):
    """What is the same in the card of every version there will ever be."""

    kind: str
    version: int
    application: str = ""


def save_project(project: Project, path: Path, *, encoded: EncodedPictures | None = None) -> None:
    """Write a project file, replacing what is there only when all of it is on the disk; raises ProjectError.

    `encoded` keeps what pictures were packed into, for those who write often.
    """
    beside = path.with_name(f".{path.name}.part-{os.getpid()}")
    _check_names(project)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as file:
            _write(project, file, encoded or EncodedPictures())
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError as problem:
        with contextlib.suppress(OSError):  # what hindered writing may hinder this too
            beside.unlink(missing_ok=True)
        raise ProjectError(
            f"{path.name} could not be saved.",
            why=f"{problem.strerror or problem}.",
            next_step="Save it in another folder, or make room on the disk.",
        ) from problem


def _check_names(project: Project) -> None:
    for name in project.latents:
        if not _ENTRY.fullmatch(name):
            raise ProjectError(f"{name!r} is no name for latents in a project.", next_step="Use letters and digits.")


def _write(project: Project, file: io.BufferedWriter, encoded: EncodedPictures) -> None:
    card = _Card(
        kind=KIND,
        version=VERSION,
        application=__version__,
        picture_name=project.picture_name,
        has_picture=project.picture is not None,
        has_mask=project.mask is not None,
        candidates=len(project.candidates),
        latents=list(project.latents),
        request=project.request,
    )
    # Stored, not deflated: PNG is compressed already and latents cannot be.
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(_CARD, msgspec.json.format(msgspec.json.encode(card), indent=2))
        if project.picture is not None:
            archive.writestr(_PICTURE, encoded.png(project.picture))
        if project.mask is not None:
            archive.writestr(_MASK, encoded.png(project.mask))
        for number, pixels in enumerate(project.candidates):
            archive.writestr(_candidate(number), encoded.png(pixels))
        for name, content in project.latents.items():
            archive.writestr(_latents(name), content)
    encoded.forget_others()


def load_project(path: Path) -> Project:
    """Read a project file; raises ProjectError for one that is missing, cut short, foreign or of a newer version."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _read(archive, path.name)
    except ProjectError:
        raise
    except FileNotFoundError as problem:
        raise ProjectError(f"{path.name} is not there any more.", next_step="Choose another project.") from problem
    except (zipfile.BadZipFile, KeyError, EOFError, zlib.error, msgspec.MsgspecError, NotImplementedError) as problem:
        raise _broken(path.name, problem) from problem
    except (OSError, ValueError, RuntimeError) as problem:  # Pillow and zipfile use these for damaged content
        raise _broken(path.name, problem) from problem


def _broken(name: str, problem: Exception) -> ProjectError:
    return ProjectError(
        f"{name} cannot be opened as a project.",
        why=f"It is damaged, cut short, or not a project of SDXL Desktop ({str(problem).rstrip('.')}).",
        next_step="Choose another project, or an older copy of this one.",
    )


def _read(archive: zipfile.ZipFile, file_name: str) -> Project:
    if archive.getinfo(_CARD).file_size > _MAX_CARD:
        raise ValueError("its description is too long")
    text = archive.read(_CARD)
    heading = msgspec.json.decode(text, type=_Heading)
    if heading.kind != KIND:
        raise ValueError(f"it calls itself {heading.kind[:40]!r}")
    if heading.version > VERSION:
        raise ProjectError(
            f"{file_name} was saved by a newer SDXL Desktop ({heading.application or 'unknown version'}).",
            why=f"It is in project format {heading.version}; this version reads up to {VERSION}.",
            next_step="Update SDXL Desktop, then open it again.",
        )
    card = msgspec.json.decode(text, type=_Card)
    picture = _picture(archive, _PICTURE, "RGB") if card.has_picture else None
    mask = _picture(archive, _MASK, "L") if card.has_mask else None
    if mask is not None and (picture is None or mask.shape != picture.shape[:2]):
        raise ValueError("its mask does not fit its picture")
    return Project(
        picture=picture,
        mask=mask,
        picture_name=card.picture_name,
        candidates=tuple(_picture(archive, _candidate(number), "RGB") for number in range(card.candidates)),
        latents={name: archive.read(_latents(name)) for name in card.latents},
        request=card.request,
    )


def _picture(archive: zipfile.ZipFile, name: str, mode: str) -> Bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit is ours
        with Image.open(io.BytesIO(archive.read(name)), formats=("PNG",)) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise ValueError(f"{name} is too large")
            if picture.mode != mode:
                raise ValueError(f"{name} has the mode {picture.mode}")
            return np.array(picture, dtype=np.uint8)


def _candidate(number: int) -> str:
    return f"candidates/{number:03}.png"


def _latents(name: str) -> str:
    return f"latents/{name}.safetensors"


@dataclass(slots=True)
class EncodedPictures:
    """PNG files of the arrays that were packed last, by identity: an autosave packs only what is new.

    Whoever hands in an array must not write to it afterwards.
    """

    _packed: dict[int, tuple[Bytes, bytes]] = field(default_factory=dict)
    _used: set[int] = field(default_factory=set)

    def png(self, pixels: Bytes) -> bytes:
        """`pixels` (uint8 [H, W] or [H, W, 3]) as a PNG file."""
        key = id(pixels)
        self._used.add(key)
        if key not in self._packed:
            out = io.BytesIO()
            Image.fromarray(pixels).save(out, "PNG", compress_level=1)
            self._packed[key] = (pixels, out.getvalue())  # the array is held so that its id stays its own
        return self._packed[key][1]

    def forget_others(self) -> None:
        """Let go of what was not asked for since the last call."""
        self._packed = {key: packed for key, packed in self._packed.items() if key in self._used}
        self._used.clear()
