"""Where finished pictures are saved: names, formats, and atomic writes."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from PIL import Image

from sdxl_desktop.core.atomic_write import check_file_writable
from sdxl_desktop.core.errors import OutputError, SdxlDesktopError, describe_error, where_the_log_is, wrap_error
from sdxl_desktop.core.events import Picture, Pixels
from sdxl_desktop.core.exclusive_write import FileNameTakenError, numbered_names
from sdxl_desktop.core.file_names import slugify
from sdxl_desktop.core.request import GenerationRequest
from sdxl_desktop.core.settings import SavedPictureFormat
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.imaging.picture_formats import WRITTEN, WRITTEN_ENDINGS, listed
from sdxl_desktop.metadata.picture_files import write_picture, write_picture_without_metadata
from sdxl_desktop.session.weight_hashes import weight_files

_SUFFIXES = {each.name.lower(): each.written[0] for each in WRITTEN}
"""The suffix of each format the user can prefer."""


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """A finished picture, the request that made it, and its file, if any. `problem` says why it could not be written:
    then it is in memory only, or newer than its file. One that `is_earlier` was read from its file, which an earlier
    session wrote: it is no part of the present work, so projects and kept work leave it out."""

    picture: Picture
    request: GenerationRequest
    saved_to: Path | None = None
    problem: SdxlDesktopError | None = None
    is_earlier: bool = False

    def image(self) -> Image.Image:
        """The picture, RGB, 8 bits [H, W, 3]."""
        return Image.fromarray(self.picture.pixels, "RGB")


class SavedElsewhereError(OutputError):
    """A picture could not be written to its destination and was saved elsewhere: `result` says where."""

    def __init__(self, result: Result, problem: SdxlDesktopError) -> None:
        kept = f"So that it is not lost, it was written to {result.saved_to}."
        if problem.asks_for_help:
            kept += f" {where_the_log_is()}"
        super().__init__(problem.what, why=problem.why, next_step=kept)
        self.result = result


@dataclass(frozen=True, slots=True)
class PictureStore:
    """The pictures folder and the preferred format."""

    folder: Path
    picture_format: SavedPictureFormat = "png"
    keep_every_picture: bool = True
    fallback_folders: tuple[Path, ...] = ()
    """Folders tried in turn if a finished picture cannot be written to its destination."""

    def autosave(self, result: Result) -> Result:
        """Write the picture if every picture is saved; raises SavedElsewhereError if it was written to a fallback
        folder, and OutputError if it could not be written at all."""
        if not self.keep_every_picture:
            return result
        try:
            return self.save(result)
        except Exception as problem:
            failed = wrap_error(problem, "The picture could not be written.")
            error = self._save_to_fallback(result, failed)
            raise error from (failed.__cause__ if error is failed else failed)

    def _save_to_fallback(self, result: Result, failed: SdxlDesktopError) -> OutputError:
        for folder in dict.fromkeys((self.folder, *self.fallback_folders)):
            for write, name in _fallback_writers(result):
                with suppress(Exception):  # whatever the error, the next writer may succeed
                    path = _write_to_first_free(numbered_names(folder / f"{name}.png"), write)
                    return SavedElsewhereError(replace(result, saved_to=path, problem=None), failed)
        if isinstance(failed, OutputError):
            return failed
        return OutputError(failed.what, why=failed.why, next_step=failed.next_step)

    def save(self, result: Result) -> Result:
        """Write the picture under a new name; raises OutputError. A saved one is unchanged."""
        if result.saved_to is not None and result.saved_to.exists():
            return result if result.problem is None else save_as(result, result.saved_to)
        wanted = self.folder / f"{suggested_name(result)}{_SUFFIXES[self.picture_format]}"
        return save_under_free_name(result, numbered_names(wanted))


def _fallback_writers(result: Result) -> tuple[tuple[Callable[[Path], None], str], ...]:
    """The remaining ways to write a picture, with their names: with metadata, else the pixels alone."""
    plain = f"picture-{result.picture.seed}"
    whole = partial(_write_with_metadata, result, new=True)
    return (
        (whole, suggested_name(result)),
        (whole, plain),
        (partial(write_picture_without_metadata, picture=result.picture, new=True), plain),
    )


def _write_with_metadata(result: Result, path: Path, *, new: bool = False) -> None:
    files = weight_files(result.request)
    write_picture(path, picture=result.picture, request=result.request, new=new, files=files)


def save_as(result: Result, path: Path) -> Result:
    """Write the picture to `path`, replacing an existing file; the suffix determines the format. Raises OutputError."""
    _write_with_metadata(result, path)
    return replace(result, saved_to=path, problem=None)


def save_under_free_name(result: Result, names: Iterable[Path]) -> Result:
    """Write the picture to the first unused of `names`, which must be endless. Raises OutputError."""
    write = partial(_write_with_metadata, result, new=True)
    return replace(result, saved_to=_write_to_first_free(names, write), problem=None)


def _write_to_first_free(names: Iterable[Path], write: Callable[[Path], None]) -> Path:
    """Call `write` with the first unused of `names`, which must be endless, and return that path."""
    for name in names:
        with suppress(FileNameTakenError):
            write(name)
            return name
    raise AssertionError("the numbers never end")


def save_pixels(pixels: Pixels, path: Path) -> None:
    """Write uint8 [H, W, 3] without metadata to `path`, replacing an existing file; the suffix determines the format.
    Raises OutputError."""
    write_picture_without_metadata(path, Picture(pixels=pixels, seed=0))


def save_pixels_under_free_name(pixels: Pixels, path: Path) -> Path:
    """Write uint8 [H, W, 3] without metadata to `path`, or if it exists to the next unused name; return the file.
    Raises OutputError."""
    write = partial(write_picture_without_metadata, picture=Picture(pixels=pixels, seed=0), new=True)
    return _write_to_first_free(numbered_names(path), write)


def export_picture(result: Result, path: Path, with_record: bool) -> None:
    """Write a copy of the picture for sharing to `path`, replacing an existing file; the suffix determines the format.

    With its record the file says how it was made, prompts included; without, it holds only pixels. The result does not
    count as saved by it. Raises OutputError.
    """
    if with_record:
        save_as(result, path)
    else:
        save_pixels(result.picture.pixels, path)


def suggested_name(result: Result) -> str:
    """Return a recognisable file name without suffix: the prompt's first words and the seed."""
    return f"{slugify(result.request.prompts.prompt, 'picture')}-{result.picture.seed}"


def check_writable(path: Path, suffixes: tuple[str, ...] = WRITTEN_ENDINGS) -> None:
    """Raise OutputError, before minutes of generation, if `path` cannot be written by this very name."""
    if path.suffix.lower() not in suffixes:
        kind = "a picture format" if suffixes is WRITTEN_ENDINGS else "the right format"
        raise OutputError(
            f"{display_text(path.name)!r} does not end in {kind}.", next_step=f"End it in {listed(suffixes)}."
        )
    if os.path.isdir(path):  # unlike `Path.is_dir` it does not raise for names that are too long
        raise OutputError(f"{path} is a folder.", next_step="Name a file in it.")
    try:
        _check_replaceable(path)
        check_file_writable(path)
    except (OSError, ValueError) as problem:
        raise OutputError(
            f"{display_text(path, 1000)} cannot be written.",
            why=describe_error(problem),
            next_step="Choose another name or folder, or free the place.",
        ) from problem


def _check_replaceable(path: Path) -> None:
    """Raise OSError if `path` is not a file or not writable."""
    if os.path.exists(path):
        if not os.path.isfile(path):
            raise FileExistsError(errno.EEXIST, "It is a pipe, socket or device, not a file")
        with path.open("ab"):
            pass
