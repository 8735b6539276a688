"""The queue on disk. Each window owns a folder, locked while it runs; the next start takes over what others left.

`queue.json` lists the items in order; the request of item ID, with its pictures, is the project archive `ID.sdxld`, and
where it was paused `ID.safetensors`. An item's files are written before the list names it and deleted after the list
no longer does, each atomically, so that the folder is complete at any moment.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import secrets
import shutil
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sdxl_desktop.core.errors import SdxlDesktopError, SettingsError, wrap_error
from sdxl_desktop.core.lenient_decoding import decode_leniently, to_builtins
from sdxl_desktop.core.paused_run import PausedRun
from sdxl_desktop.core.private_files import make_private_folder
from sdxl_desktop.core.range_check import check_range
from sdxl_desktop.core.request import MAX_COUNT, GenerationRequest
from sdxl_desktop.core.state_file import move_aside, read_raw_json, write_raw_json
from sdxl_desktop.session.document.file_lock import FileLock
from sdxl_desktop.session.document.project_content import PROJECT_SUFFIX, Project, ProjectError
from sdxl_desktop.session.document.project_file import load_project, save_project
from sdxl_desktop.session.document.recovery import sidecar_of
from sdxl_desktop.session.queue.generation_queue import MAX_ERROR, GenerationQueue, Hold
from sdxl_desktop.session.queue.queue_item import ItemState, Priority, QueueItem

_log = logging.getLogger(__name__)

LIST_FILE = "queue.json"
PAUSED_SUFFIX, LOCK_SUFFIX = ".safetensors", ".lock"
MAX_ITEMS = 10_000
MAX_PAUSED_TOTAL = 4 * 2**30
"""Maximum bytes of all paused runs of a window on disk; more stay in memory, and are drawn from the beginning after a
restart."""
_VERSION = 1
_FAILED = "The queue could not be saved."
_ID = re.compile(r"[0-9a-f]{16,40}")
_OWN = re.compile(r"\d{1,12}-[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class _ListedItem:
    """An item in the list; its files are found by `id`."""

    id: str = ""
    state: ItemState = ItemState.WAITING
    priority: Priority = Priority.NORMAL
    placed: bool = False
    finished: int = 0
    overtaken: int = 0
    error: str = ""

    def __post_init__(self) -> None:
        check_range("The number of finished pictures", self.finished, 0, MAX_COUNT)
        check_range("The number of overtaking items", self.overtaken, 0, MAX_ITEMS)
        check_range("The length of the error", len(self.error), 0, MAX_ERROR)


@dataclass(frozen=True, slots=True)
class _ListHead:
    """The list without its items."""

    version: int = _VERSION
    hold: Hold = Hold.NONE


@dataclass(frozen=True, slots=True, eq=False)
class LeftQueue:
    """What earlier windows left: their `items`, whether one was on hold by the user's wish, and what is `damaged`."""

    items: tuple[QueueItem, ...] = ()
    hold: Hold = Hold.NONE
    damaged: int = 0
    folders: tuple[Path, ...] = ()


class QueueStore:
    """The files of one window's queue below `folder`. Any thread may call it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._own = folder / f"{os.getpid()}-{secrets.token_hex(4)}"
        self._lock: FileLock | None = None
        self._taken: dict[Path, FileLock] = {}
        self._mutex = threading.Lock()
        self._requests: dict[str, GenerationRequest] = {}
        self._paused: dict[str, PausedRun] = {}
        self._list: Any = None

    # writing

    def save(self, queue: GenerationQueue) -> None:
        """Write what has changed since the last call. Raises SdxlDesktopError if something could not be written; the
        list then names what could."""
        with self._mutex:
            items = [item for item in queue.items if not item.transient]
            if not items and self._list is None and queue.hold is not Hold.USER:
                return
            self._acquire_lock()
            problems = list(self._write_items(items))
            listed = [item for item in items if item.id in self._requests]
            self._write_list(listed, queue.hold)
            self._delete_unused({item.id for item in listed})
        if problems:
            raise problems[0]

    def _acquire_lock(self) -> None:
        if self._lock is not None:
            return
        lock = FileLock(self._own.with_name(self._own.name + LOCK_SUFFIX))
        try:
            make_private_folder(self._own)
            if not lock.acquire():
                raise OSError("its lock is held")
        except OSError as problem:
            raise SettingsError(
                _FAILED, why=f"{problem.strerror or problem}.", next_step=f"Make {self.folder} writable."
            ) from problem
        self._lock = lock

    def _write_items(self, items: Iterable[QueueItem]) -> Iterator[SdxlDesktopError]:
        """Write new requests and paused runs; yield what could not be written."""
        for item in items:
            try:
                if self._requests.get(item.id) is not item.request:
                    save_project(Project(queued_requests=(item.request,)), self._request_file(item.id))
                    self._requests[item.id] = item.request
                self._write_paused(item)
            except SdxlDesktopError as problem:
                yield problem
            except Exception as problem:  # one item that cannot be written must not keep the others from it
                yield wrap_error(problem, _FAILED)

    def _write_paused(self, item: QueueItem) -> None:
        from sdxl_desktop.metadata.paused_files import write_paused_run  # imports safetensors; few items are paused

        file, paused = self._own / f"{item.id}{PAUSED_SUFFIX}", item.paused
        if paused is None or paused.predictions is None:
            if self._paused.pop(item.id, None) is not None:
                file.unlink(missing_ok=True)
        elif self._paused.get(item.id) is not paused:
            others = sum(one.nbytes for key, one in self._paused.items() if key != item.id)
            if others + paused.nbytes > MAX_PAUSED_TOTAL:
                raise SettingsError(
                    "There are too many paused pictures to keep all on the disk.",
                    why="This one is kept until the window closes, and is then drawn from its beginning.",
                    next_step="Let some of the others be finished.",
                )
            write_paused_run(file, paused)
            self._paused[item.id] = paused

    def _write_list(self, items: Iterable[QueueItem], hold: Hold) -> None:
        entries = [
            _ListedItem(
                item.id,
                ItemState.WAITING if item.state is ItemState.RUNNING else item.state,
                item.priority,
                item.placed,
                item.finished,
                item.overtaken,
                item.error,
            )
            for item in items
        ]
        head = to_builtins(_ListHead(hold=hold if hold is Hold.USER else Hold.NONE))
        content = {**head, "items": to_builtins(entries)}
        if content != self._list:
            write_raw_json(self._own / LIST_FILE, content, _FAILED)
            self._list = content

    def _delete_unused(self, used: set[str]) -> None:
        for item_id in [one for one in self._requests if one not in used]:
            del self._requests[item_id]
            self._paused.pop(item_id, None)
            with contextlib.suppress(OSError):  # it is no longer listed: deleted with its folder
                self._request_file(item_id).unlink(missing_ok=True)
                (self._own / f"{item_id}{PAUSED_SUFFIX}").unlink(missing_ok=True)

    def _request_file(self, item_id: str) -> Path:
        return self._own / f"{item_id}{PROJECT_SUFFIX}"

    def close(self) -> None:
        """Leave the queue to the next start; an empty one leaves no files. Safe to call twice."""
        with self._mutex:
            for lock in self._taken.values():
                lock.release()
            self._taken.clear()
            if self._lock is not None:
                is_empty = not self._requests and (self._list or {}).get("hold") != Hold.USER
                if is_empty:
                    shutil.rmtree(self._own, ignore_errors=True)
                self._lock.release(remove=is_empty)
                self._lock = None

    # taking over what earlier windows left

    def take_left(self) -> LeftQueue:
        """Return what closed, crashed or killed windows left, oldest first. Until `forget_left` or `close` no other
        window takes it. Never raises."""
        items: list[QueueItem] = []
        hold, damaged = Hold.NONE, 0
        folders: list[Path] = []
        for folder in _left_folders(self.folder):
            if folder == self._own or not (lock := self._lock_left(folder)):
                continue
            found = _read_folder(folder)
            known = {item.id for item in items}
            items += [item for item in found.items if item.id not in known]
            hold = found.hold if hold is Hold.NONE else hold
            damaged += found.damaged
            folders.append(folder)
            self._taken[folder] = lock
        return LeftQueue(tuple(items), hold, damaged, tuple(folders))

    def _lock_left(self, folder: Path) -> FileLock | None:
        lock = FileLock(folder.with_name(folder.name + LOCK_SUFFIX))
        try:
            return lock if lock.acquire() and folder.is_dir() else None
        except OSError:
            return None

    def forget_left(self, left: LeftQueue) -> None:
        """Delete the folders of `left`, whose items `save` has stored in this window's. Files that could not be read
        are kept aside."""
        for folder in left.folders:
            lock = self._taken.pop(folder, None)
            if lock is None:
                continue
            with contextlib.suppress(OSError):
                (folder / LIST_FILE).unlink(missing_ok=True)  # first: without it a half-deleted folder is no queue
            if not any(file.name.endswith(_DAMAGED) for file in _files(folder)):
                shutil.rmtree(folder, ignore_errors=True)
            lock.release(remove=not folder.exists())


_DAMAGED = ".damaged"


def _left_folders(folder: Path) -> list[Path]:
    """Return the folders of windows that may have left a queue, oldest first."""
    named = [one for one in _files(folder) if _OWN.fullmatch(one.name) and one.is_dir() and not one.is_symlink()]

    def left_at(one: Path) -> float:
        try:
            return (one / LIST_FILE).stat().st_mtime
        except OSError:
            return 0.0

    return sorted(named, key=left_at)


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _read_folder(folder: Path) -> LeftQueue:
    """Return the items in a locked folder. What cannot be read is renamed and counted; without a readable list, every
    item whose request is there counts as waiting."""
    try:
        raw = read_raw_json(folder / LIST_FILE)
        if not isinstance(raw, dict) or not isinstance(raw.get("items"), list):
            raise ValueError("It does not hold a queue")
    except FileNotFoundError:
        return LeftQueue()
    except (OSError, ValueError):
        _log.warning("The list of a queue could not be read", exc_info=True)
        move_aside(folder / LIST_FILE)
        raw = {"items": _entries_of_files(folder)}
    head, _ = decode_leniently(_ListHead, {key: value for key, value in raw.items() if key != "items"}, _ListHead())
    listed = [decode_leniently(_ListedItem, one, _ListedItem())[0] for one in raw["items"][:MAX_ITEMS]]
    items = {one.id: item for one in listed if _ID.fullmatch(one.id) and (item := _read_item(folder, one)) is not None}
    damaged = len(listed) - len(items)
    if damaged:  # an entry that lost its name may belong to one of the files
        more = [_ListedItem(one["id"]) for one in _entries_of_files(folder) if one["id"] not in items]
        items |= {one.id: item for one in more if (item := _read_item(folder, one)) is not None}
    return LeftQueue(tuple(items.values()), head.hold, damaged)


def _entries_of_files(folder: Path) -> list[dict[str, str]]:
    """Return an entry for each request file, in the order in which they were made."""
    names = [file.stem for file in _files(folder) if file.suffix == PROJECT_SUFFIX]
    return [{"id": name} for name in names if _ID.fullmatch(name)]


def _read_item(folder: Path, listed: _ListedItem) -> QueueItem | None:
    """Return the item with its request; None if that cannot be read."""
    file = folder / f"{listed.id}{PROJECT_SUFFIX}"
    try:
        (request,) = load_project(file, sidecar_of(file)).queued_requests
    except (ProjectError, ValueError):
        _log.warning("A queued request could not be read", exc_info=True)
        with contextlib.suppress(OSError):
            file.rename(file.with_name(file.name + _DAMAGED))
        return None
    state = ItemState.WAITING if listed.state is ItemState.RUNNING else listed.state
    item = QueueItem(
        request=request,
        id=listed.id,
        state=state,
        priority=listed.priority,
        placed=listed.placed,
        finished=min(listed.finished, request.sampling.count - 1),
        overtaken=listed.overtaken,
        error=listed.error,
    )
    return replace(item, paused=_read_paused(folder, item))


def _read_paused(folder: Path, item: QueueItem) -> PausedRun | None:
    """Return where the item was paused; None if it was not or if that cannot be read: it then starts that picture
    again."""
    file = folder / f"{item.id}{PAUSED_SUFFIX}"
    if not file.is_file():
        return None
    from sdxl_desktop.metadata.paused_files import read_paused_run

    try:
        paused = read_paused_run(file)
    except SdxlDesktopError:
        _log.warning("A paused picture could not be read", exc_info=True)
        return None
    return paused if paused.picture == item.finished else None
