"""Two QThreads work on the library: one makes checkpoints, one answers questions meanwhile; answers are queued."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, assert_never

from PySide6.QtCore import QObject, Qt, QThread, Signal, Slot
from shiboken6 import isValid

from sdxl_desktop.bridge.library_hands import Hands, RealHands
from sdxl_desktop.bridge.nets import told
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.library.bring.offers import Offer
from sdxl_desktop.library.bring.progress import BringProgress
from sdxl_desktop.library.convert.weights import WeightFormat
from sdxl_desktop.library.scan import Library
from sdxl_desktop.session.bringing import Advanced, Arrived, Done, Event, LookedUp, Stopped
from sdxl_desktop.session.library_memory import JobNote
from sdxl_desktop.session.tasks import ComparisonNote, Note, QuantizationNote

__all__ = ["Hands", "LibraryThread", "RealHands"]


class _Worker(QObject):
    """Lives in the thread that works on jobs."""

    happened = Signal(object)
    failed = Signal(object)

    def __init__(self, hands: Hands) -> None:
        super().__init__()
        self._hands = hands

    @Slot(int, object, object, object, object)
    def work(self, number: int, note: Note, offer: Offer | None, library: Library, cancel: threading.Event) -> None:
        last: Event
        try:
            last = self._done(number, note, offer, library, cancel)
        except Exception as problem:  # the last net under a job: the window must learn that it is over
            last = Stopped(number, told(problem))
        self.happened.emit(last)

    def _done(
        self, number: int, note: Note, offer: Offer | None, library: Library, cancel: threading.Event
    ) -> Arrived | Done:
        def tell(progress: BringProgress) -> None:
            self.happened.emit(Advanced(number, progress))

        hands = self._hands
        match note:
            case JobNote():
                if offer is None:
                    offer = hands.look_up(note.what, library, name=note.name, openvino=note.openvino, cancel=cancel)
                    self.happened.emit(LookedUp(number, offer))
                weights, keep = _weights(note), note.keep_download
                return Arrived(number, hands.bring(offer, weights, library, tell, cancel, keep_download=keep))
            case QuantizationNote():
                return Done(number, hands.quantize(note, library, tell, cancel))
            case ComparisonNote():
                return Done(number, hands.compare(note, tell, cancel))
        assert_never(note)

    @Slot(object, object, object)
    def throw_away(self, note: Note, offer: Offer | None, library: Library) -> None:
        try:
            self._throw_away(note, offer, library)
        except Exception as problem:  # the last net: what stays on the disk must be told
            self.failed.emit(told(problem))

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


def _weights(note: JobNote) -> WeightFormat | None:
    return WeightFormat(note.weights) if note.weights is not None else None


class _Answerer(QObject):
    """Lives in the thread that answers."""

    answered = Signal(object, object)

    @Slot(object, object)
    def work(self, work: Callable[[], Any], done: Callable[[Any], None]) -> None:
        try:
            answer = work()
        except Exception as problem:  # the last net under a question: whoever asked must not wait for ever
            answer = told(problem)
        self.answered.emit(done, answer)


class LibraryThread(QObject):
    """The main thread's end: a `Runner` whose calls return at once and whose `happened` arrives here.

    The threads begin with the first thing that is asked of them. `library` says where things are and go; `closing` is
    set when long work that was asked for should end.
    """

    happened = Signal(object)
    failed = Signal(object)
    """What a discarded job left could not be thrown away: the error."""
    _start = Signal(int, object, object, object, object)
    _throw_away = Signal(object, object, object)
    _work = Signal(object, object)

    def __init__(self, hands: Hands | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._hands = hands or RealHands()
        self.library: Callable[[], Library] = _no_library
        self._cancel = threading.Event()
        self._asked = threading.Event()
        self.closing = threading.Event()
        self._working, self._answering = QThread(self), QThread(self)
        self._worker, self._answerer = _Worker(self._hands), _Answerer()
        self._worker.moveToThread(self._working)
        self._answerer.moveToThread(self._answering)
        self._connect()

    def _connect(self) -> None:
        queued = Qt.ConnectionType.QueuedConnection
        self._start.connect(self._worker.work, queued)
        self._throw_away.connect(self._worker.throw_away, queued)
        self._work.connect(self._answerer.work, queued)
        self._worker.happened.connect(self._deliver, queued)
        self._worker.failed.connect(self._tell, queued)
        self._answerer.answered.connect(self._answer, queued)

    @Slot(object)
    def _deliver(self, event: object) -> None:
        if not self.closing.is_set():
            self.happened.emit(event)

    @Slot(object)
    def _tell(self, problem: SdxlDesktopError) -> None:
        if not self.closing.is_set():
            self.failed.emit(problem)

    @Slot(object, object)
    def _answer(self, done: Callable[[Any], None], answer: Any) -> None:
        if not self.closing.is_set():
            done(answer)

    # a runner for `Bringing`

    def start(self, number: int, note: Note, offer: Offer | None) -> None:
        """Do it; events tell how it goes."""
        self._cancel = threading.Event()
        self._begin(self._working)
        self._start.emit(number, note, offer, self.library(), self._cancel)

    def pause(self) -> None:
        """Stop what is being done; what is there is kept."""
        self._cancel.set()

    def discard(self, note: Note, offer: Offer | None) -> None:
        """Throw away what an unfinished job left."""
        self._begin(self._working)
        self._throw_away.emit(note, offer, self.library())

    # questions

    def look_up(self, what: str, done: Callable[[Offer | SdxlDesktopError], None], *, openvino: bool = False) -> None:
        """Find out what `what` is; a question asked before is given up, and answered by what stopped it."""
        self._asked.set()
        self._asked = asked = threading.Event()
        library, hands = self.library(), self._hands

        def work() -> Offer:
            return hands.look_up(what, library, name=None, openvino=openvino, cancel=asked)

        self.ask(work, done)

    def stop_looking(self) -> None:
        """Give up what is being looked up."""
        self._asked.set()

    def ask(self, work: Callable[[], Any], done: Callable[[Any], None], asker: QObject | None = None) -> None:
        """Have `work` done in the answering thread; `done` is called here with what it returns, or its error, unless
        the `asker` has gone meanwhile."""
        self._begin(self._answering)
        self._work.emit(work, lambda answer: done(answer) if asker is None or isValid(asker) else None)

    def _begin(self, thread: QThread) -> None:
        if not thread.isRunning() and not self.closing.is_set():
            thread.start()

    def close(self) -> None:
        """Pause what runs, and leave no thread or process behind. Safe to call twice."""
        self.closing.set()
        self._cancel.set()
        self._asked.set()
        for thread in (self._working, self._answering):
            thread.quit()
            thread.wait()


def _no_library() -> Library:
    raise RuntimeError("library is not set")
