"""Open a picture for the canvas: the first readable one of several files, with its record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sdxl_desktop.core.errors import PictureError
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.imaging.picture_reading import OpenedPicture, open_picture
from sdxl_desktop.metadata.picture_records import AnyRecord, read_any_record

_MAX_NAMED = 3


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """The picture of `file`, with its record or why that cannot be reused. `unread_files` came with it and were not
    opened, `unreadable_files` could not be."""

    file: Path
    picture: OpenedPicture
    record: AnyRecord | PictureError | None
    unread_files: tuple[Path, ...] = ()
    unreadable_files: tuple[Path, ...] = ()

    @property
    def message(self) -> str:
        """Message for the user, "" if none: which picture is on the canvas, and what happened to the other files."""
        sentences = []
        if self.unread_files or self.unreadable_files:
            more = "; the others are under File, Open recent" if self.unread_files else ""
            sentences.append(f"{self.picture.name} is on the canvas{more}.")
        if self.unreadable_files:
            named = ", ".join(display_text(file.name) for file in self.unreadable_files[:_MAX_NAMED])
            rest = (
                f" and {len(self.unreadable_files) - _MAX_NAMED} more"
                if len(self.unreadable_files) > _MAX_NAMED
                else ""
            )
            sentences.append(f"{named}{rest} could not be opened.")
        if isinstance(self.record, PictureError):
            sentences.append(f"{self.record.what} {self.record.why}")
        return " ".join(sentences)


def open_first_readable(files: Sequence[Path], backdrop: str) -> OpenedFile:
    """Open the first of `files` that is a picture; raises the first PictureError if none is."""
    problems: list[PictureError] = []
    for number, file in enumerate(files):
        try:
            picture = open_picture(file, backdrop=backdrop)
        except PictureError as problem:
            problems.append(problem)
        else:
            return OpenedFile(file, picture, _record(file), tuple(files[number + 1 :]), tuple(files[:number]))
    if len(problems) > 1:
        first = problems[0]
        raise PictureError(
            f"None of the {len(files)} files could be opened.",
            why=f"{first.what} {first.why}".strip(),
            next_step=first.next_step,
        ) from first
    raise problems[0]


def _record(file: Path) -> AnyRecord | PictureError | None:
    try:
        return read_any_record(file)
    except PictureError as problem:  # the picture is fine; the error in its record is reported
        return problem
    except OSError:
        return None
