"""What is being done: a row for each job with its progress or its outcome, and the buttons that belong to it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtWidgets import QFrame, QGridLayout, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from sdxl_desktop.library.hub.errors import AccessError
from sdxl_desktop.library.quantize.comparison import Comparison
from sdxl_desktop.session.bringing import Job, JobState
from sdxl_desktop.session.tasks import QuantizationNote, Reduced
from sdxl_desktop.ui.library import words
from sdxl_desktop.ui.library.pieces import carries, scrolled, set_tone
from sdxl_desktop.ui.library.pieces import words as plain
from sdxl_desktop.ui.status import ProgressLine
from sdxl_desktop.ui.widgets.buttons import IconButton, dressed
from sdxl_desktop.ui.widgets.layout import column, heading, row
from sdxl_desktop.ui.widgets.plain import plain_action, plain_tip

_HIGHEST = 300
_LARGEST = 16_777_215
"""Qt's for "as wide as there is room"."""


class JobRow(QFrame):
    """One job; the signals carry it."""

    pause_wanted = Signal(object)
    resume_wanted = Signal(object)
    discard_wanted = Signal(object)
    token_wanted = Signal(object)
    use_wanted = Signal(object)
    compare_wanted = Signal(object)
    report_wanted = Signal(object)

    def __init__(self, job: Job) -> None:
        super().__init__()
        self.setObjectName("job")
        self._job = job
        self._title = heading(words.job_title(job.note))
        self._line = plain()
        self._progress = ProgressLine()
        self.act = dressed(QPushButton(), "link")
        self.token = dressed(QPushButton("Enter a token…"), "link")
        self.use = dressed(QPushButton("Use it"), "link")
        self.compare = dressed(QPushButton(), "link")
        self.report = dressed(QPushButton("Open the report"), "link")
        self.discard = IconButton("close", "Discard", "Give it up, and throw away what there is of it")
        self._lay_out()
        self.act.clicked.connect(self._act)
        for button, signal in (
            (self.token, self.token_wanted),
            (self.use, self.use_wanted),
            (self.compare, self.compare_wanted),
            (self.report, self.report_wanted),
            (self.discard, self.discard_wanted),
        ):
            carries(signal, button, lambda: self._job)
        self.show_job()

    def _lay_out(self) -> None:
        self._title.setWordWrap(True)
        self._progress.setMaximumWidth(_LARGEST)
        self._progress.setMinimumWidth(80)
        for button in (self.act, self.token, self.use, self.compare, self.report):
            button.setAutoDefault(False)
        self._answers = QWidget()
        answers = row(self.token, self.use, self.compare, self.report)
        answers.addStretch(1)
        self._answers.setLayout(answers)
        grid = QGridLayout(self)
        grid.setContentsMargins(12, 6, 6, 8)
        grid.setVerticalSpacing(4)
        grid.setColumnStretch(0, 1)
        grid.addWidget(self._title, 0, 0)
        grid.addWidget(self.discard, 0, 1, Qt.AlignmentFlag.AlignRight)
        grid.addWidget(self._progress, 1, 0, 1, 2)
        grid.addWidget(self._line, 2, 0)
        grid.addWidget(self.act, 2, 1, Qt.AlignmentFlag.AlignTop)
        grid.addWidget(self._answers, 3, 0, 1, 2)

    @property
    def job(self) -> Job:
        return self._job

    def show_job(self) -> None:
        """Show where the job stands now."""
        job = self._job
        title = words.job_title(job.note)
        self._title.setText(title)
        failed = job.state is JobState.FAILED and job.error is not None
        self._line.setText(str(job.error) if failed else words.job_line(job))
        set_tone(self._line, "bad" if failed else "")
        moving = job.state in (JobState.RUNNING, JobState.PAUSING)
        unknown = moving and (job.progress is None or job.fraction == 0.0)
        done = job.state is JobState.DONE
        self._progress.setVisible(not done and (moving or job.fraction is not None))
        self._progress.show_fraction(None if unknown else job.fraction or 0.0)
        self._progress.setAccessibleName(f"{title}: {words.job_line(job)}")
        act = _ACTS[job.state] if job.can_pause or job.state is JobState.FAILED else "Stop"
        self.act.setText(act)
        self.act.setAccessibleName(f"{act} {job.note.title}")
        self.act.setVisible(not done)
        self.act.setEnabled(job.state is not JobState.PAUSING)
        self._show_discard(
            "Dismiss" if done else "Discard" if job.can_pause else "Stop", _TIPS.get(job.state, _GIVE_UP)
        )
        self._show_answers()

    def _show_discard(self, word: str, tip: str) -> None:
        self.discard.setAccessibleName(f"{word} {self._job.note.title}")
        self.discard.setToolTip(plain_tip(tip))
        self.discard.setEnabled(not self._job.discarding)

    def _show_answers(self) -> None:
        job = self._job
        note, made = job.note, isinstance(job.outcome, Reduced)
        if isinstance(note, QuantizationNote):
            named = f"Compare with {note.source_name}"
            words = self.fontMetrics().elidedText(named, Qt.TextElideMode.ElideMiddle, 200)
            self.compare.setText(plain_action(words))
            self.compare.setAccessibleName(named)
            self.compare.setToolTip("Draw the same pictures with both, and see what it cost")
        shown = {
            self.token: isinstance(job.error, AccessError),
            self.use: made,
            self.compare: made,
            self.report: isinstance(job.outcome, Comparison),
        }
        for button, wanted in shown.items():
            button.setVisible(wanted)
        self._answers.setVisible(any(shown.values()))

    def text(self) -> str:
        """What the row says."""
        return f"{self._title.text()}: {self._line.text()}"

    def _act(self) -> None:
        if self._job.state in (JobState.RUNNING, JobState.WAITING):
            (self.pause_wanted if self._job.can_pause else self.discard_wanted).emit(self._job)
        else:
            self.resume_wanted.emit(self._job)


_ACTS = {
    JobState.WAITING: "Pause",
    JobState.RUNNING: "Pause",
    JobState.PAUSING: "Pause",
    JobState.PAUSED: "Resume",
    JobState.FAILED: "Try again",
    JobState.DONE: "",
}
_GIVE_UP = "Give it up, and throw away what there is of it"
_TIPS = {JobState.DONE: "Do not show it any more; what was made stays"}


class JobRows(QWidget):
    """All jobs, one under the other; not there while there are none."""

    pause_wanted = Signal(object)
    resume_wanted = Signal(object)
    discard_wanted = Signal(object)
    token_wanted = Signal(object)
    use_wanted = Signal(object)
    compare_wanted = Signal(object)
    report_wanted = Signal(object)

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
        self.setLayout(column(heading("At work"), self._area, spacing=8, margins=(0, 0, 0, 8)))
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
        line.use_wanted.connect(self.use_wanted)
        line.compare_wanted.connect(self.compare_wanted)
        line.report_wanted.connect(self.report_wanted)
        self._rows.append(line)
        self._list.addWidget(line)
