"""Deleting pictures: their files go to the system's trash, and both come back together."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from PySide6.QtCore import QFile, QObject, Signal

from sdxl_desktop.bridge.background import BackgroundRunner
from sdxl_desktop.bridge.history_thread import HistoryThread
from sdxl_desktop.core.errors import OutputError, SdxlDesktopError, describe_error
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.history.entries import HistoryEntry
from sdxl_desktop.session.generation_session import DiscardedResult, GenerationSession
from sdxl_desktop.session.trash import TrashedFile
from sdxl_desktop.ui.notify import Notify


@dataclass(eq=False)
class _Deletion:
    """What happened to the files of some entries. `removed` are results that left the strip with them."""

    ids: list[int] = field(default_factory=list)
    trashed: dict[int, TrashedFile] = field(default_factory=dict)
    """The files in the trash, by the entry's id."""
    failed: list[str] = field(default_factory=list)
    why: str = ""
    removed: tuple[DiscardedResult, ...] = ()


class TrashActions(QObject):
    """Deletes pictures and brings them back. Emits `restored` with the ids."""

    restored = Signal(object)

    def __init__(
        self,
        history: HistoryThread,
        background: BackgroundRunner,
        session: GenerationSession,
        notify: Notify,
        show_error: Callable[[SdxlDesktopError], object],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._history, self._background, self._session = history, background, session
        self._notify, self._show_error = notify, show_error
        self._deletions: list[_Deletion] = []

    def delete(self, entries: Sequence[HistoryEntry]) -> None:
        """Move the files of `entries` to the trash and take the entries out of the history. Entries whose files are
        missing are only taken out; those whose files cannot be moved stay."""
        files = [(entry.id, entry.file) for entry in entries]
        self._background.write(lambda: _move_to_trash(files), self._forget, self._show_error, owner=self)

    def _forget(self, deletion: _Deletion) -> None:
        if deletion.failed:
            self._show_error(_not_deleted_error(deletion))
        if not deletion.ids:
            return
        self._deletions.append(deletion)
        deletion.removed = self._session.remove_files({each.original for each in deletion.trashed.values()})
        self._history.write(
            lambda history: history.forget(deletion.ids),
            lambda _: self._notify(_deleted_text(deletion), action="Undo", callback=lambda: self._bring_back(deletion)),
            self._show_error,
            owner=self,
        )

    def undo(self) -> None:
        """Bring back what was deleted last, and then what was deleted before that."""
        if self._deletions:
            self._bring_back(self._deletions[-1])
        else:
            self._notify("Nothing was deleted")

    def _bring_back(self, deletion: _Deletion) -> None:
        if deletion not in self._deletions:
            return
        self._deletions.remove(deletion)
        self._background.write(
            lambda: _restore_files(deletion.trashed),
            lambda restored: self._restore_entries(deletion, *restored),
            self._show_error,
            owner=self,
        )

    def _restore_entries(
        self, deletion: _Deletion, places: Mapping[int, Path], problem: SdxlDesktopError | None
    ) -> None:
        """Bring back the entries whose files are back, and those that had none."""
        if problem is not None:
            self._show_error(problem)
        back = {deletion.trashed[entry_id].original: place for entry_id, place in places.items()}
        self._session.put_back(
            [
                replace(each, result=replace(each.result, saved_to=back[each.result.saved_to]))
                for each in deletion.removed
                if each.result.saved_to in back
            ]
        )
        ids = [entry_id for entry_id in deletion.ids if entry_id in places or entry_id not in deletion.trashed]
        self._history.write(
            lambda history: history.restore(ids, places),
            self.restored.emit,
            self._show_error,
            owner=self,
        )


def _move_to_trash(files: Sequence[tuple[int, Path]]) -> _Deletion:
    """Move the files to the trash; one that cannot be moved does not keep the others away."""
    deletion = _Deletion()
    for entry_id, path in files:
        try:
            if path.exists():
                deletion.trashed[entry_id] = _trash(path)
            deletion.ids.append(entry_id)
        except (OSError, ValueError) as problem:  # ValueError: a name that Qt cannot express
            deletion.failed.append(display_text(path.name))
            deletion.why = describe_error(problem)
    return deletion


def _trash(path: Path) -> TrashedFile:
    """Move one file to the system's trash. Raises OSError, and UnicodeError for a name that is no text."""
    file = QFile(str(path))
    if not file.moveToTrash() or path.exists():
        raise OSError(errno.EIO, file.errorString())
    place = file.fileName()
    return TrashedFile(path, Path(place) if place and Path(place) != path else None)


def _restore_files(trashed: Mapping[int, TrashedFile]) -> tuple[dict[int, Path], SdxlDesktopError | None]:
    """Move the files back; return where they are, by id, and the first error. One that fails does not keep the others
    away."""
    places: dict[int, Path] = {}
    first: SdxlDesktopError | None = None
    for entry_id, each in trashed.items():
        try:
            places[entry_id] = each.restore()
        except OutputError as problem:
            first = first or problem
    return places, first


def _not_deleted_error(deletion: _Deletion) -> SdxlDesktopError:
    name = deletion.failed[0]
    what = name if len(deletion.failed) == 1 else f"{name} and {len(deletion.failed) - 1} more"
    return OutputError(
        f"{what} could not be moved to the trash.",
        why=deletion.why,
        next_step="The files are where they were. Delete them in the file manager if you are sure.",
    )


def _deleted_text(deletion: _Deletion) -> str:
    count, missing = len(deletion.trashed), len(deletion.ids) - len(deletion.trashed)
    if not count:
        return "Taken out of the gallery" if missing == 1 else f"{missing} missing pictures taken out of the gallery"
    words = f"{next(iter(deletion.trashed.values())).original.name} is" if count == 1 else f"{count} pictures are"
    return f"{display_text(words)} in the trash"
