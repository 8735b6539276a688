"""Two workers for the library: one makes checkpoints, one answers questions meanwhile; answers are queued."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, assert_never

from PySide6.QtCore import QObject, Qt, Signal, Slot

from sdxl_desktop.bridge.background import Fail, Worker
from sdxl_desktop.bridge.library_hands import Hands, RealHands
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.library.bring.offers import Offer
from sdxl_desktop.library.bring.progress import BringProgress
from sdxl_desktop.library.convert.weights import WeightFormat
from sdxl_desktop.library.scan import Library
from sdxl_desktop.session.bringing import Advanced, Arrived, Done, Event, LookedUp, Stopped
from sdxl_desktop.session.library_memory import JobNote
from sdxl_desktop.session.tasks import ComparisonNote, Note, QuantizationNote

__all__ = ["Hands", "LibraryThread", "RealHands"]

_log = logging.getLogger(__name__)
T = TypeVar("T")
_FAILED = "Something failed unexpectedly."


class LibraryThread(QObject):
    """The main thread's end: a `Runner` whose calls return at once and whose `happened` arrives here.

    `library` says where things are and go; `closing` is set when long work that was asked for should end.
    """

    happened = Signal(object)
    failed = Signal(object)
    """What nobody else wants to hear of went wrong, such as throwing away what a discarded job left: the error."""
    _told = Signal(object)

    def __init__(self, hands: Hands | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._hands = hands or RealHands()
        self.library: Callable[[], Library] = _no_library
        self._cancel = threading.Event()
        self._asked = threading.Event()
        self.closing = threading.Event()
        self._working, self._answering = Worker("library", self), Worker("questions", self)
        self._told.connect(self._deliver, Qt.ConnectionType.QueuedConnection)

    @Slot(object)
    def _deliver(self, event: object) -> None:
        if not self.closing.is_set():
            self.happened.emit(event)

    # a runner for `Bringing`

    def start(self, number: int, note: Note, offer: Offer | None) -> None:
        """Do it; events tell how it goes."""
        self._cancel = cancel = threading.Event()
        library = self.library()
        _log.info("Job %d: %s", number, note)

        def stopped(error: SdxlDesktopError) -> None:
            _log.warning("Job %d stopped: %s", number, error, exc_info=error)
            self._deliver(Stopped(number, error))

        def work() -> Event:
            return self._done(number, note, offer, library, cancel)

        self._working.do(work, self._deliver, stopped, what=_FAILED)

    def _done(
        self, number: int, note: Note, offer: Offer | None, library: Library, cancel: threading.Event
    ) -> Arrived | Done:
        """In the worker."""

        def tell(progress: BringProgress) -> None:
            self._told.emit(Advanced(number, progress))

        hands = self._hands
        match note:
            case JobNote():
                if offer is None:
                    offer = hands.look_up(note.what, library, name=note.name, openvino=note.openvino, cancel=cancel)
                    self._told.emit(LookedUp(number, offer))
                weights, keep = _weights(note), note.keep_download
                return Arrived(number, hands.bring(offer, weights, library, tell, cancel, keep_download=keep))
            case QuantizationNote():
                return Done(number, hands.quantize(note, library, tell, cancel))
            case ComparisonNote():
                return Done(number, hands.compare(note, tell, cancel))
        assert_never(note)

    def pause(self) -> None:
        """Stop what is being done; what is there is kept."""
        self._cancel.set()

    def discard(self, note: Note, offer: Offer | None) -> None:
        """Throw away what an unfinished job left."""
        library = self.library()
        self._working.do(lambda: self._throw_away(note, offer, library), _nothing, self.failed.emit, what=_FAILED)

    def _throw_away(self, note: Note, offer: Offer | None, library: Library) -> None:
        match note:
            case JobNote():
                source = offer.source if offer is not None and isinstance(offer.source, Path) else None
                if offer is None and Path(note.what).exists():
                    source = Path(note.what)
                self._hands.throw_away(note.name, source, _weights(note), library)
            case QuantizationNote():
                self._hands.throw_quantization_away(note, library)
            case ComparisonNote():
                pass  # only a whole one is written
            case _:
                assert_never(note)

    # questions

    def look_up(
        self, what: str, done: Callable[[Offer], object], failed: Fail | None = None, *, openvino: bool = False
    ) -> None:
        """Find out what `what` is; a question asked before is given up, and answered by what stopped it."""
        self._asked.set()
        self._asked = asked = threading.Event()
        library, hands = self.library(), self._hands

        def work() -> Offer:
            return hands.look_up(what, library, name=None, openvino=openvino, cancel=asked)

        self.ask(work, done, failed)

    def stop_looking(self) -> None:
        """Give up what is being looked up."""
        self._asked.set()

    def ask(
        self,
        work: Callable[[], T],
        done: Callable[[T], object],
        failed: Fail | None = None,
        *,
        asker: QObject | None = None,
    ) -> None:
        """Have `work` done by the worker that answers; `done` is called here with what it returns, or `failed` (by
        default: the signal) with its error, unless the `asker` has gone meanwhile."""
        self._answering.do(work, done, failed or self.failed.emit, what=_FAILED, asker=asker)

    def close(self) -> None:
        """Pause what runs, and leave no thread or process behind. Safe to call twice."""
        self.closing.set()
        self._cancel.set()
        self._asked.set()
        for worker in (self._working, self._answering):
            worker.close()


def _weights(note: JobNote) -> WeightFormat | None:
    return WeightFormat(note.weights) if note.weights is not None else None


def _nothing(_: object) -> None:
    """It is gone: nobody waits for that."""


def _no_library() -> Library:
    raise RuntimeError("library is not set")
