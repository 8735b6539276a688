"""The line at the bottom: current phase, progress, time, device and memory."""

from __future__ import annotations

import time

import psutil
from PySide6.QtCore import QRectF, Qt, QTimer, Signal
from PySide6.QtGui import QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import QProgressBar, QWidget

from sdxl_desktop.core.events import Progress, RunFinished
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.session.forecast import RunForecast
from sdxl_desktop.session.generation_session import GenerationSession
from sdxl_desktop.ui.widgets.layout_helpers import ElidedLabel, muted_label, row
from sdxl_desktop.ui.widgets.plain_text import PlainTextLabel, plain_text_tooltip

_SWEEP_SECONDS = 1.6
_FRAME_MS = 33


class SlimProgressBar(QProgressBar):
    """A thin progress bar; while the progress is unknown, a light sweeps along it."""

    def __init__(self) -> None:
        super().__init__()
        self.setTextVisible(False)
        self.setRange(0, 1000)
        self.setFixedWidth(160)
        self.setAccessibleName("Progress")
        self._indeterminate = False
        self._timer = QTimer(self, interval=_FRAME_MS)
        self._timer.timeout.connect(self.update)

    def set_fraction(self, fraction: float | None) -> None:
        """`fraction` in [0, 1], or None for unknown."""
        self._indeterminate = fraction is None
        self.setValue(round(1000 * (fraction or 0.0)))
        self._run_timer()

    def showEvent(self, event: object) -> None:
        self._run_timer()

    def hideEvent(self, event: object) -> None:
        self._timer.stop()

    def _run_timer(self) -> None:
        if self._indeterminate and self.isVisible():
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
        painter.drawRoundedRect(self._filled_rect(track), 3, 3)

    def _filled_rect(self, track: QRectF) -> QRectF:
        if not self._indeterminate:
            return QRectF(track.x(), track.y(), track.width() * self.value() / self.maximum(), track.height())
        part = time.monotonic() / _SWEEP_SECONDS % 1.0
        width = track.width() * 0.3
        left = (track.width() + width) * part - width
        return QRectF(left, track.y(), width, track.height()).intersected(track)


class StatusLine(QWidget):
    """Shows the session's run; between runs, the warm-up's progress and the next run's forecast.

    `shortage_changed` carries what memory the next run may lack and what helps, as text; empty if nothing.
    """

    shortage_changed = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("status")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._phase_label = PlainTextLabel("Ready")
        self._progress_bar = SlimProgressBar()
        self._steps_label, self._seconds_per_step_label, self._time_left_label = (
            muted_label(),
            muted_label(),
            muted_label(),
        )
        self._forecast_label = muted_label()
        self._forecast_label.setObjectName("plan")
        self._forecast: tuple[Size, RunForecast | None] | None = None
        self._engine_memory, self._shortage = 0, ""
        self._device_label, self._memory_label = ElidedLabel(), muted_label()
        self._lay_out()

    def _lay_out(self) -> None:
        self._seconds_per_step_label.setToolTip("Seconds that one step takes")
        self._time_left_label.setToolTip("Estimated time until this phase is done")
        self._forecast_label.setToolTip(forecast_tooltip(None))
        self._memory_label.setToolTip("Memory the engine uses now")
        self._progress_bar.hide()
        labels = (
            self._phase_label,
            self._forecast_label,
            self._progress_bar,
            self._steps_label,
            self._seconds_per_step_label,
            self._time_left_label,
        )
        line = row(*labels, spacing=16, margins=(16, 6, 16, 6))
        self._device_label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        line.addWidget(self._device_label, 1)
        line.addWidget(self._memory_label)
        self.setLayout(line)

    def refresh(self, session: GenerationSession) -> None:
        """Show the session's current state."""
        if session.run is None:
            self._show_idle(session.message or "Ready")
            return
        self.show_progress(session.run.progress, waiting=len(session.queue.waiting))
        if session.run.cancelling:
            self._phase_label.setText("Cancelling…")
        elif session.run.pausing is not None:
            self._phase_label.setText("Pausing…")

    def show_progress(self, progress: Progress, *, waiting: int = 0) -> None:
        self._phase_label.setText(format_phase(progress, waiting))
        self._forecast_label.hide()
        self._progress_bar.show()
        self._progress_bar.set_fraction(progress.fraction)
        steps = f"Step {progress.step} of {progress.total}"
        self._steps_label.setText(steps if progress.total and not progress.description_has_step else "")
        self._seconds_per_step_label.setText(
            "" if progress.seconds_per_step is None else f"{format_seconds_per_step(progress.seconds_per_step)} a step"
        )
        self._time_left_label.setText(
            "" if progress.seconds_left is None else f"{format_clock_duration(progress.seconds_left)} left"
        )

    def show_warm_up(self, progress: Progress | None) -> None:
        """Between runs: show the engine's warm-up progress; None when it is ready."""
        if progress is None:
            self._show_idle("Ready")
        else:
            self.show_progress(progress)

    def _show_idle(self, text: str) -> None:
        self._phase_label.setText(text)
        self._progress_bar.set_fraction(0.0)
        self._progress_bar.hide()
        self._forecast_label.show()
        for label in (self._steps_label, self._seconds_per_step_label, self._time_left_label):
            label.clear()

    def set_forecast(self, drawing_size: Size, forecast: RunForecast | None) -> None:
        """Between runs: show the next run's size and, if known, its time and memory."""
        if (drawing_size, forecast) == self._forecast:
            return  # the memory that is free is looked at each second, in `set_memory`
        self._forecast = (drawing_size, forecast)
        self._show_forecast(drawing_size, forecast)

    def _show_forecast(self, drawing_size: Size, forecast: RunForecast | None) -> None:
        free = self._engine_memory + psutil.virtual_memory().available
        self._forecast_label.setText(format_forecast(drawing_size, forecast))
        self._forecast_label.setToolTip(plain_text_tooltip(forecast_tooltip(forecast)))
        if (words := format_shortage(forecast, free)) != self._shortage:
            self._shortage = words
            self.shortage_changed.emit(words)

    def set_device(self, text: str) -> None:
        self._device_label.setText(text)

    def set_device_tooltip(self, text: str) -> None:
        """Show the devices that actually ran each part of the last picture."""
        self._device_label.setToolTip(plain_text_tooltip(text))

    def set_memory(self, used: int | None) -> None:
        """`used` in bytes; None if there is no engine process."""
        self._memory_label.setText("" if used is None else f"Memory {format_memory(used)}")
        self._engine_memory = used or 0
        if self._forecast is not None and not self._forecast_label.isHidden():
            self._show_forecast(*self._forecast)


def format_phase(progress: Progress, waiting: int) -> str:
    words = progress.description
    if progress.pictures > 1:
        words += f" · picture {progress.picture + 1} of {progress.pictures}"
    return words + (f" · {waiting} waiting" if waiting else "")


def format_forecast(drawing_size: Size, forecast: RunForecast | None) -> str:
    """ "Next: 512 × 512, about 2:40, peak 9.8 GB"; an estimate without a measurement says "perhaps"."""
    words = f"Next: {drawing_size.width} × {drawing_size.height}"
    if forecast is None:
        return words
    if forecast.seconds is not None:
        words += f", about {format_clock_duration(max(1, forecast.seconds))}"
    if forecast.peak_memory is not None:
        words += f", peak {'' if forecast.measured else 'perhaps '}{format_memory(forecast.peak_memory)}"
    return words


def forecast_tooltip(forecast: RunForecast | None) -> str:
    """Explain the forecast and its source."""
    words = "The size the next picture is drawn at, and about how long it takes and how much memory at most."
    if forecast is None or forecast.peak_memory is None:
        return words
    source = "by what it took before" if forecast.measured else "by the sizes of its files: nothing was measured yet"
    return f"{words} The memory is estimated {source}."


def format_shortage(forecast: RunForecast | None, free: int) -> str:
    """If the next picture may not fit into `free` bytes: how much it needs, and what helps. Else empty."""
    if forecast is None or forecast.peak_memory is None or not (offers := forecast.suggestions(free)):
        return ""
    return (
        f"This may take {format_memory(forecast.peak_memory)}, and {format_memory(free)} are free. "
        f"What helps: {', or '.join(offers)}. You can try anyway."
    )


def format_seconds_per_step(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 0.1 else f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.0f} s"


def format_clock_duration(seconds: float) -> str:
    """ "8 s", "1:05", "1:02:03"."""
    whole = max(0, round(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, last = divmod(rest, 60)
    if hours:
        return f"{hours}:{minutes:02}:{last:02}"
    return f"{minutes}:{last:02}" if minutes else f"{last} s"


def format_memory(used: int) -> str:
    return f"{used / 2**30:.1f} GB" if used >= 2**30 else f"{used / 2**20:.0f} MB"


def format_part_devices(finished: RunFinished) -> str:
    """Return each part's device, one per line."""
    return "\n".join(f"{part}: {device}" for part, device in finished.devices.items())
