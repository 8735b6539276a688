"""From what somebody typed, dropped or picked to an offer, and from that to a job."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QWidget

from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.library.bring.offers import Offer
from sdxl_desktop.library.hub.errors import DownloadStoppedError
from sdxl_desktop.session.bringing import Bringing, JobState
from sdxl_desktop.ui.library.around import Around
from sdxl_desktop.ui.library.offer_sheet import OfferSheet
from sdxl_desktop.ui.library.room import room_now


class Offering(QObject):
    """`looking` carries what is being looked up ("" when that is over), `not_found` that and the error; `started` comes
    when the person agreed. `stand` says what the sheet stands over."""

    looking = Signal(str)
    not_found = Signal(str, object)
    started = Signal()

    def __init__(self, around: Around, bringing: Bringing, stand: Callable[[], QWidget]) -> None:
        super().__init__(around.window)
        self._around, self._bringing, self._stand = around, bringing, stand
        self._questions = 0

    def look_up(self, what: str) -> None:
        """Find out what `what` (a path, an id or a URL) is, and offer it."""
        self._questions += 1
        self.looking.emit(what)
        if self._stand() is self._around.window:
            self._around.tell(f"Looking up {what}", answer="Stop", act=self.stop, stays=True)
        take = partial(self._take, self._questions, what)
        self._around.thread.look_up(what, take, take)

    def stop(self) -> None:
        """Do not wait for what is being looked up."""
        self._around.thread.stop_looking()

    def _take(self, question: int, what: str, found: Offer | SdxlDesktopError) -> None:
        if question != self._questions:
            return  # something else was asked for meanwhile, or the same again
        if self._stand() is self._around.window:
            self._around.hush()
        self.looking.emit("")
        if isinstance(found, DownloadStoppedError):
            return
        if isinstance(found, SdxlDesktopError):
            self.not_found.emit(what, found)
        else:
            self._offer(found, what)

    def _offer(self, offer: Offer, what: str) -> None:
        sheet = OfferSheet(
            offer, what, room_now(self._around.library(), self._bringing), self._around.thread, self._stand()
        )
        sheet.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        sheet.accepted.connect(lambda: self._start(sheet))
        sheet.open()

    def _start(self, sheet: OfferSheet) -> None:
        offer, note = sheet.value()
        self._around.quietly(lambda: self._bringing.add(offer, note))
        self.started.emit()
        if self._stand() is self._around.window:
            job = self._bringing.job_called(note.name)
            waits = job is not None and job.state is JobState.WAITING
            text = f"{note.title} waits for its turn" if waits else f"{note.title} is coming in"
            self._around.tell(text)
