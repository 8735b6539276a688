"""Where finished pictures go: names, formats, and writes that are whole or not at all."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from sdxl_desktop.core.errors import OutputError, SdxlDesktopError
from sdxl_desktop.core.events import Picture, Pixels
from sdxl_desktop.core.new_file import NameTakenError, numbered
from sdxl_desktop.core.request import GenerationRequest
from sdxl_desktop.core.settings import PictureFormat
from sdxl_desktop.history.metadata import write_picture, write_plain

SUFFIXES: dict[PictureFormat, str] = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """A finished picture, the request that made it, and the file that holds it, if any. `problem` says why it could not
    be written: it is only here then, or the file is older."""

    picture: Picture
    request: GenerationRequest
    saved_to: Path | None = None
    problem: SdxlDesktopError | None = None

    def image(self) -> Image.Image:
        return Image.fromarray(self.picture.pixels, "RGB")


@dataclass(frozen=True, slots=True)
class PictureStore:
    """The pictures folder and the format that the person prefers."""

    folder: Path
    picture_format: PictureFormat = "png"
    keep_every_picture: bool = True

    def autosave(self, result: Result) -> Result:
        """Write the picture if every picture is kept; raises OutputError when the folder cannot be written."""
        return self.save(result) if self.keep_every_picture else result

    def save(self, result: Result) -> Result:
        """Write the picture under a name of its own; raises OutputError. An already saved one is left as it is."""
        if result.saved_to is not None and result.saved_to.exists():
            return result if result.problem is None else save_as(result, result.saved_to)
        wanted = self.folder / f"{suggested_name(result)}{SUFFIXES[self.picture_format]}"
        return save_unused(result, numbered(wanted))


def save_as(result: Result, path: Path) -> Result:
    """Write the picture to `path`, replacing what is there; the suffix decides the format. Raises OutputError."""
    with _failing_as_output(path):
        write_picture(path, result.picture, result.request)
    return replace(result, saved_to=path, problem=None)


def save_unused(result: Result, names: Iterable[Path]) -> Result:
    """Write the picture to the first of `names`, of which there is always one more, that nothing has. Raises
    OutputError."""
    for name in names:
        with _failing_as_output(name), suppress(NameTakenError):
            write_picture(name, result.picture, result.request, new=True)
            return replace(result, saved_to=name, problem=None)
    raise AssertionError("the numbers never end")


def save_pixels(pixels: Pixels, path: Path) -> None:
    """Write uint8 [H, W, 3] and nothing else to `path`, replacing what is there; the suffix decides the format. Raises
    OutputError."""
    with _failing_as_output(path):
        write_plain(path, Picture(pixels=pixels, seed=0))


@contextmanager
def _failing_as_output(path: Path) -> Iterator[None]:
    """Whatever goes wrong inside is an OutputError: no picture is lost because nobody foresaw why it cannot be
    written."""
    try:
        yield
    except SdxlDesktopError:
        raise
    except Exception as problem:
        raise OutputError(
            f"The picture could not be written to {path}.",
            why=f"{type(problem).__name__}: {problem}",
            next_step="Save it under another name, in another folder or in another format.",
        ) from problem


def export_picture(result: Result, path: Path, with_record: bool) -> None:
    """Write a copy of the picture for others to `path`, replacing what is there; the suffix decides the format.

    With its record the file says how it was made, the prompts included; without, it holds nothing but pixels. The
    result does not count as saved by it. Raises OutputError.
    """
    if with_record:
        save_as(result, path)
    else:
        save_pixels(result.picture.pixels, path)


def suggested_name(result: Result) -> str:
    """A file name without suffix that a person recognises: the prompt's first words and the seed."""
    words = re.findall(r"\w+", result.request.prompts.prompt.lower())
    slug = "-".join(words)[:48].strip("-") or "picture"
    return f"{slug}-{result.picture.seed}"


PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".webp")


def check_writable(path: Path, endings: tuple[str, ...] = PICTURE_ENDINGS) -> None:
    """Raise OutputError now rather than after minutes of drawing."""
    folder = path.parent
    if path.suffix.lower() not in endings:
        named = ", ".join(endings[:-1]) + " or " + endings[-1] if len(endings) > 1 else endings[0]
        kind = "a picture format" if endings is PICTURE_ENDINGS else "the right format"
        raise OutputError(f"{path.name!r} does not end in {kind}.", next_step=f"End it in {named}.")
    if path.is_dir():
        raise OutputError(f"{path} is a folder.", next_step="Name a file in it.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".{path.name}.probe"
        probe.touch()
        probe.unlink()
        if path.exists():
            with path.open("ab"):
                pass
    except OSError as problem:
        raise OutputError(
            f"{path} cannot be written.",
            why=f"{problem.strerror or problem}.",
            next_step="Choose another folder or free the place.",
        ) from problem
