"""The line at the bottom: what is going on, how far it is, how long it takes, the device and the memory."""

from __future__ import annotations

import time

import psutil
from PySide6.QtCore import QRectF, Qt, QTimer, Signal
from PySide6.QtGui import QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import QProgressBar, QWidget

from sdxl_desktop.core.events import Finished, Progress
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.session.forecast import Forecast
from sdxl_desktop.session.session import Session
from sdxl_desktop.ui.widgets.layout import ElidedLabel, muted, row
from sdxl_desktop.ui.widgets.plain import PlainLabel, plain_tip

_SWEEP_SECONDS = 1.6
_FRAME_MS = 33


class ProgressLine(QProgressBar):
    """A thin progress bar; while nobody knows how far things are, a light sweeps along it."""

    def __init__(self) -> None:
        super().__init__()
        self.setTextVisible(False)
        self.setRange(0, 1000)
        self.setFixedWidth(160)
        self.setAccessibleName("Progress")
        self._unknown = False
        self._timer = QTimer(self, interval=_FRAME_MS)
        self._timer.timeout.connect(self.update)

    def show_fraction(self, fraction: float | None) -> None:
        """`fraction` in [0, 1], or None for unknown."""
        self._unknown = fraction is None
        self.setValue(round(1000 * (fraction or 0.0)))
        self._run_timer()

    def showEvent(self, event: object) -> None:
        self._run_timer()

    def hideEvent(self, event: object) -> None:
        self._timer.stop()

    def _run_timer(self) -> None:
        if self._unknown and self.isVisible():
            self._timer.start()
        else:
            self._timer.stop()
        self.update()

    def paintEvent(self, _: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        track = QRectF(0, (self.height() - 6) / 2, self.width(), 6)
        painter.setBrush(self.palette().color(QPalette.ColorRole.Midlight))
        painter.drawRoundedRect(track, 3, 3)
        painter.setBrush(self.palette().color(QPalette.ColorRole.Accent))
        painter.drawRoundedRect(self._filled(track), 3, 3)

    def _filled(self, track: QRectF) -> QRectF:
        if not self._unknown:
            return QRectF(track.x(), track.y(), track.width() * self.value() / self.maximum(), track.height())
        part = time.monotonic() / _SWEEP_SECONDS % 1.0
        width = track.width() * 0.3
        left = (track.width() + width) * part - width
        return QRectF(left, track.y(), width, track.height()).intersected(track)


class StatusLine(QWidget):
    """Redrawn from the session's run; between runs it tells what warming up does, and what the next run may take.

    `shortage_changed` tells in words what may be missing for the next run and what helps; empty when nothing is.
    """

    shortage_changed = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("status")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._phase = PlainLabel("Ready")
        self._bar = ProgressLine()
        self._steps, self._pace, self._left = muted(), muted(), muted()
        self._plan = muted()
        self._plan.setObjectName("plan")
        self._planned: tuple[Size, Forecast | None] | None = None
        self._used, self._shortage = 0, ""
        self._device, self._memory = ElidedLabel(), muted()
        self._lay_out()

    def _lay_out(self) -> None:
        self._pace.setToolTip("Seconds that one step takes")
        self._left.setToolTip("Estimated time until this phase is done")
        self._plan.setToolTip(plan_help(None))
        self._memory.setToolTip("Memory the engine uses now")
        self._bar.hide()
        told = (self._phase, self._plan, self._bar, self._steps, self._pace, self._left)
        line = row(*told, spacing=16, margins=(16, 6, 16, 6))
        self._device.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        line.addWidget(self._device, 1)
        line.addWidget(self._memory)
        self.setLayout(line)

    def redraw(self, session: Session) -> None:
        """Show where the session stands."""
        if session.run is None:
            self._rest(session.message or "Ready")
            return
        self.show_progress(session.run.progress, waiting=len(session.queue))
        if session.run.cancelling:
            self._phase.setText("Cancelling…")

    def show_progress(self, progress: Progress, *, waiting: int = 0) -> None:
        self._phase.setText(phase_text(progress, waiting))
        self._plan.hide()
        self._bar.show()
        self._bar.show_fraction(progress.fraction)
        steps = f"Step {progress.step} of {progress.total}"
        self._steps.setText(steps if progress.total and not progress.words_say_step else "")
        self._pace.setText("" if progress.seconds_per_step is None else f"{pace(progress.seconds_per_step)} a step")
        self._left.setText("" if progress.seconds_left is None else f"{duration(progress.seconds_left)} left")

    def show_warming(self, progress: Progress | None) -> None:
        """Between runs: what the engine gets ready; None when it is ready."""
        if progress is None:
            self._rest("Ready")
        else:
            self.show_progress(progress)

    def _rest(self, words: str) -> None:
        self._phase.setText(words)
        self._bar.show_fraction(0.0)
        self._bar.hide()
        self._plan.show()
        for label in (self._steps, self._pace, self._left):
            label.clear()

    def show_plan(self, drawn: Size, forecast: Forecast | None) -> None:
        """Between runs: what the next one will draw, and what that takes where it is known."""
        self._planned = (drawn, forecast)
        free = self._used + psutil.virtual_memory().available
        self._plan.setText(plan_text(drawn, forecast))
        self._plan.setToolTip(plain_tip(plan_help(forecast)))
        if (words := shortage_text(forecast, free)) != self._shortage:
            self._shortage = words
            self.shortage_changed.emit(words)

    def show_device(self, words: str) -> None:
        self._device.setText(words)

    def show_parts(self, words: str) -> None:
        """What really ran each part of the last picture."""
        self._device.setToolTip(plain_tip(words))

    def show_memory(self, used: int | None) -> None:
        """`used` in bytes; None while there is no engine process."""
        self._memory.setText("" if used is None else f"Memory {memory(used)}")
        self._used = used or 0
        if self._planned is not None and not self._plan.isHidden():
            self.show_plan(*self._planned)


def phase_text(progress: Progress, waiting: int) -> str:
    words = progress.words
    if progress.pictures > 1:
        words += f" · picture {progress.picture + 1} of {progress.pictures}"
    return words + (f" · {waiting} waiting" if waiting else "")


def plan_text(drawn: Size, forecast: Forecast | None) -> str:
    """ "Next: 512 × 512, about 2:40, peak 9.8 GB"; an estimate that nobody has measured yet says "perhaps"."""
    words = f"Next: {drawn.width} × {drawn.height}"
    if forecast is None:
        return words
    if forecast.seconds is not None:
        words += f", about {duration(max(1, forecast.seconds))}"
    if forecast.peak is not None:
        words += f", peak {'' if forecast.measured else 'perhaps '}{memory(forecast.peak)}"
    return words


def plan_help(forecast: Forecast | None) -> str:
    """What the forecast means, and where it comes from."""
    words = "The size the next picture is drawn at, and about how long it takes and how much memory at most."
    if forecast is None or forecast.peak is None:
        return words
    source = "by what it took before" if forecast.measured else "by the sizes of its files: nothing was measured yet"
    return f"{words} The memory is estimated {source}."


def shortage_text(forecast: Forecast | None, free: int) -> str:
    """Where the next picture may not fit into `free` bytes: how much it takes, and what helps. Else empty."""
    if forecast is None or forecast.peak is None or not (offers := forecast.help(free)):
        return ""
    return (
        f"This may take {memory(forecast.peak)}, and {memory(free)} are free. What helps: {', or '.join(offers)}. "
        "You can try anyway."
    )


def pace(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 0.1 else f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.0f} s"


def duration(seconds: float) -> str:
    """ "8 s", "1:05", "1:02:03"."""
    whole = max(0, round(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, last = divmod(rest, 60)
    if hours:
        return f"{hours}:{minutes:02}:{last:02}"
    return f"{minutes}:{last:02}" if minutes else f"{last} s"


def memory(used: int) -> str:
    return f"{used / 2**30:.1f} GB" if used >= 2**30 else f"{used / 2**20:.0f} MB"


def devices_text(finished: Finished) -> str:
    """What ran each part, one a line."""
    return "\n".join(f"{part}: {device}" for part, device in finished.devices.items())
