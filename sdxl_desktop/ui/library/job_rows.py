"""What is being brought in: a row for each job with its progress, and the buttons that pause, go on and give up."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtWidgets import QFrame, QGridLayout, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from sdxl_desktop.library.hub.errors import AccessError
from sdxl_desktop.session.bringing import Job, JobState
from sdxl_desktop.ui.library import words
from sdxl_desktop.ui.library.pieces import scrolled
from sdxl_desktop.ui.library.pieces import words as plain
from sdxl_desktop.ui.status import ProgressLine
from sdxl_desktop.ui.widgets.buttons import IconButton, dressed
from sdxl_desktop.ui.widgets.layout import column, heading, row

_HIGHEST = 300
_LARGEST = 16_777_215
"""Qt's for "as wide as there is room"."""


class JobRow(QFrame):
    """One job; the signals carry it."""

    pause_wanted = Signal(object)
    resume_wanted = Signal(object)
    discard_wanted = Signal(object)
    token_wanted = Signal(object)

    def __init__(self, job: Job) -> None:
        super().__init__()
        self.setObjectName("job")
        self._job = job
        self._title = heading(job.note.title)
        self._line = plain()
        self._progress = ProgressLine()
        self.act = dressed(QPushButton(), "link")
        self.token = dressed(QPushButton("Enter a token…"), "link")
        self.discard = IconButton("close", "Discard", "Give it up, and throw away what there is of it")
        self._lay_out()
        self.act.clicked.connect(self._act)
        self.token.clicked.connect(lambda: self.token_wanted.emit(self._job))
        self.discard.clicked.connect(lambda: self.discard_wanted.emit(self._job))
        self.show_job()

    def _lay_out(self) -> None:
        self._title.setWordWrap(True)
        self._progress.setMaximumWidth(_LARGEST)
        self._progress.setMinimumWidth(80)
        for button in (self.act, self.token):
            button.setAutoDefault(False)
        self._token_line = QWidget()
        self._token_line.setLayout(row(self.token))
        grid = QGridLayout(self)
        grid.setContentsMargins(12, 6, 6, 8)
        grid.setVerticalSpacing(4)
        grid.setColumnStretch(0, 1)
        grid.addWidget(self._title, 0, 0)
        grid.addWidget(self.discard, 0, 1, Qt.AlignmentFlag.AlignRight)
        grid.addWidget(self._progress, 1, 0, 1, 2)
        grid.addWidget(self._line, 2, 0)
        grid.addWidget(self.act, 2, 1, Qt.AlignmentFlag.AlignTop)
        grid.addWidget(self._token_line, 3, 0, Qt.AlignmentFlag.AlignLeft)

    @property
    def job(self) -> Job:
        return self._job

    def show_job(self) -> None:
        """Show where the job stands now."""
        job = self._job
        weights = f" ({job.note.weights})" if job.note.weights is not None else ""
        self._title.setText(f"{job.note.title}{weights}")
        failed = job.state is JobState.FAILED and job.error is not None
        self._line.setText(str(job.error) if failed else words.job_line(job))
        self._line.setProperty("tone", "bad" if failed else "")
        self._line.style().unpolish(self._line)
        self._line.style().polish(self._line)
        moving = job.state in (JobState.RUNNING, JobState.PAUSING)
        unknown = moving and (job.progress is None or job.fraction == 0.0)
        self._progress.setVisible(moving or job.fraction is not None)
        self._progress.show_fraction(None if unknown else job.fraction or 0.0)
        self._progress.setAccessibleName(f"{job.note.title}: {words.job_line(job)}")
        self.act.setText(_ACTS[job.state])
        self.act.setAccessibleName(f"{_ACTS[job.state]} {job.note.title}")
        self.act.setEnabled(job.state is not JobState.PAUSING)
        self.discard.setAccessibleName(f"Discard {job.note.title}")
        self.discard.setEnabled(not job.discarding)
        self._token_line.setVisible(isinstance(job.error, AccessError))

    def text(self) -> str:
        """What the row says."""
        return f"{self._title.text()}: {self._line.text()}"

    def _act(self) -> None:
        if self._job.state in (JobState.RUNNING, JobState.WAITING):
            self.pause_wanted.emit(self._job)
        else:
            self.resume_wanted.emit(self._job)


_ACTS = {
    JobState.WAITING: "Pause",
    JobState.RUNNING: "Pause",
    JobState.PAUSING: "Pause",
    JobState.PAUSED: "Resume",
    JobState.FAILED: "Try again",
}


class JobRows(QWidget):
    """All jobs, one under the other; not there while there are none."""

    pause_wanted = Signal(object)
    resume_wanted = Signal(object)
    discard_wanted = Signal(object)
    token_wanted = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._rows: list[JobRow] = []
        self._list = QVBoxLayout()
        self._list.setSpacing(8)
        self._list.setContentsMargins(0, 0, 4, 0)
        self._area = scrolled(self._list)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        inside = self._area.widget()
        assert inside is not None
        inside.installEventFilter(self)
        self.setLayout(column(heading("Coming in"), self._area, spacing=8, margins=(0, 0, 0, 8)))
        self.hide()

    @property
    def rows(self) -> tuple[JobRow, ...]:
        return tuple(self._rows)

    def show_jobs(self, jobs: Sequence[Job]) -> None:
        """Show these, keeping the rows (and the keyboard's place) of those that were there."""
        for gone in [line for line in self._rows if line.job not in jobs]:
            self._rows.remove(gone)
            self._list.removeWidget(gone)
            gone.hide()
            gone.deleteLater()
        known = {line.job for line in self._rows}
        for job in jobs:
            if job not in known:
                self._add(job)
        for line in self._rows:
            line.show_job()
        self.setVisible(bool(self._rows))
        self._fit()

    def _fit(self) -> None:
        """As high as the rows are, and no higher than leaves room for the list below."""
        height = self._list.heightForWidth(self._area.viewport().width())
        self._area.setFixedHeight(min(_HIGHEST, max(1, height)))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in (QEvent.Type.LayoutRequest, QEvent.Type.Resize):
            self._fit()
        return super().eventFilter(watched, event)

    def _add(self, job: Job) -> None:
        line = JobRow(job)
        line.pause_wanted.connect(self.pause_wanted)
        line.resume_wanted.connect(self.resume_wanted)
        line.discard_wanted.connect(self.discard_wanted)
        line.token_wanted.connect(self.token_wanted)
        self._rows.append(line)
        self._list.addWidget(line)
