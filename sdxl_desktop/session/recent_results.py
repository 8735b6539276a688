"""Results from the history: those of the strip after a restart, and any picture that is to be used again."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from sdxl_desktop.core.errors import PictureError, SdxlDesktopError
from sdxl_desktop.core.events import Picture
from sdxl_desktop.history.entries import EntryState, HistoryDetails, HistoryFilter, PictureKind
from sdxl_desktop.imaging.picture_reading import open_picture
from sdxl_desktop.session.result_files import Result

if TYPE_CHECKING:
    from sdxl_desktop.history.store import History  # loads the database's libraries

DEFAULT_RECENT = 24
"""How many pictures the strip shows after a restart; each is kept in memory, 3 bytes per pixel."""
_MAX_CONSIDERED = 240
"""How many pictures are looked at to find them."""


def recent_results(history: History, number: int = DEFAULT_RECENT) -> tuple[Result, ...]:
    """Return the `number` most recent pictures whose files are there, the oldest first, like a session's results.

    The requests are those of their records: without pixels and latents, with names of checkpoints instead of paths.
    Grids, which may be very large, pictures of other programs, and files that cannot be read are left out. Reads the
    files: not for the main thread. Raises HistoryError.
    """
    found: list[Result] = []
    wanted = HistoryFilter(state=EntryState.PRESENT, kinds=frozenset(PictureKind) - {PictureKind.GRID})
    for details in history.details_of([entry.id for entry in history.page(wanted, 0, max(number, _MAX_CONSIDERED))]):
        if len(found) == number:
            break
        if details.record is not None:
            with suppress(SdxlDesktopError):
                found.append(result_of(details))
    return tuple(reversed(found))


def result_of(details: HistoryDetails) -> Result:
    """Return the picture of an entry as a result that is saved in its file. Reads the file.

    Raises PictureError if it cannot be read, or if nothing is known of how it was made.
    """
    record, file = details.record, details.entry.file
    if record is None:
        raise PictureError(
            f"It is not known how {file.name} was made.", next_step="Open it as a picture to work on it."
        )
    opened = open_picture(file)
    picture = Picture(pixels=opened.pixels, seed=record.seed, checkpoint_id=record.checkpoint_id)
    return Result(picture=picture, request=record.request, saved_to=file)
