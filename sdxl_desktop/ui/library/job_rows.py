"""The list of jobs: a row for each with its progress or outcome, and its buttons."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtWidgets import QFrame, QGridLayout, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from sdxl_desktop.library.hub.hub_errors import AccessError
from sdxl_desktop.library.quantize.comparison_result import CheckpointComparison
from sdxl_desktop.session.checkpoint_jobs import QuantizationJobSpec, QuantizationResult
from sdxl_desktop.session.library_jobs import JobState, LibraryJob
from sdxl_desktop.ui.library import library_formatting
from sdxl_desktop.ui.library.common_widgets import emit_on_click, scroll_area, set_tone
from sdxl_desktop.ui.library.common_widgets import wrapped_label as plain
from sdxl_desktop.ui.status_line import SlimProgressBar
from sdxl_desktop.ui.widgets.buttons import IconButton, with_role
from sdxl_desktop.ui.widgets.layout_helpers import column, heading_label, row
from sdxl_desktop.ui.widgets.plain_text import escape_mnemonic, plain_text_tooltip

_MAX_HEIGHT = 300
_QWIDGETSIZE_MAX = 16_777_215
"""Qt's QWIDGETSIZE_MAX: no maximum width."""


class JobRow(QFrame):
    """One job; the signals carry it."""

    pause_requested = Signal(object)
    resume_requested = Signal(object)
    discard_requested = Signal(object)
    token_requested = Signal(object)
    use_requested = Signal(object)
    compare_requested = Signal(object)
    report_requested = Signal(object)

    def __init__(self, job: LibraryJob) -> None:
        super().__init__()
        self.setObjectName("job")
        self._job = job
        self._title = heading_label(library_formatting.format_job_title(job.spec))
        self._status_label = plain()
        self._progress = SlimProgressBar()
        self.action_button = with_role(QPushButton(), "link")
        self.token_button = with_role(QPushButton("Enter a token…"), "link")
        self.use_button = with_role(QPushButton("Use it"), "link")
        self.compare_button = with_role(QPushButton(), "link")
        self.report_button = with_role(QPushButton("Open the report"), "link")
        self.discard_button = IconButton("close", "Discard", "Cancel it, and delete what there is of it")
        self._lay_out()
        self.action_button.clicked.connect(self._run_action)
        for button, signal in (
            (self.token_button, self.token_requested),
            (self.use_button, self.use_requested),
            (self.compare_button, self.compare_requested),
            (self.report_button, self.report_requested),
            (self.discard_button, self.discard_requested),
        ):
            emit_on_click(signal, button, lambda: self._job)
        self.refresh()

    def _lay_out(self) -> None:
        self._title.setWordWrap(True)
        self._progress.setMaximumWidth(_QWIDGETSIZE_MAX)
        self._progress.setMinimumWidth(80)
        for button in (self.action_button, self.token_button, self.use_button, self.compare_button, self.report_button):
            button.setAutoDefault(False)
        self._result_buttons = QWidget()
        answers = row(self.token_button, self.use_button, self.compare_button, self.report_button)
        answers.addStretch(1)
        self._result_buttons.setLayout(answers)
        grid = QGridLayout(self)
        grid.setContentsMargins(12, 6, 6, 8)
        grid.setVerticalSpacing(4)
        grid.setColumnStretch(0, 1)
        grid.addWidget(self._title, 0, 0)
        grid.addWidget(self.discard_button, 0, 1, Qt.AlignmentFlag.AlignRight)
        grid.addWidget(self._progress, 1, 0, 1, 2)
        grid.addWidget(self._status_label, 2, 0)
        grid.addWidget(self.action_button, 2, 1, Qt.AlignmentFlag.AlignTop)
        grid.addWidget(self._result_buttons, 3, 0, 1, 2)

    @property
    def job(self) -> LibraryJob:
        return self._job

    def refresh(self) -> None:
        """Show the job's current state."""
        job = self._job
        title = library_formatting.format_job_title(job.spec)
        self._title.setText(title)
        failed = job.state is JobState.FAILED and job.error is not None
        self._status_label.setText(str(job.error) if failed else library_formatting.format_job_status(job))
        set_tone(self._status_label, "bad" if failed else "")
        moving = job.state in (JobState.RUNNING, JobState.PAUSING)
        unknown = moving and (job.progress is None or job.fraction == 0.0)
        done = job.state is JobState.DONE
        self._progress.setVisible(not done and (moving or job.fraction is not None))
        self._progress.set_fraction(None if unknown else job.fraction or 0.0)
        self._progress.setAccessibleName(f"{title}: {library_formatting.format_job_status(job)}")
        act = _ACTION_LABELS[job.state] if job.can_pause or job.state is JobState.FAILED else "Stop"
        self.action_button.setText(act)
        self.action_button.setAccessibleName(f"{act} {job.spec.title}")
        self.action_button.setVisible(not done)
        self.action_button.setEnabled(job.state is not JobState.PAUSING)
        self._update_discard_button(
            "Dismiss" if done else "Discard" if job.can_pause else "Stop",
            _DISCARD_TOOLTIPS.get(job.state, _DISCARD_TOOLTIP),
        )
        self._update_result_buttons()

    def _update_discard_button(self, verb: str, tooltip: str) -> None:
        self.discard_button.setAccessibleName(f"{verb} {self._job.spec.title}")
        self.discard_button.setToolTip(plain_text_tooltip(tooltip))
        self.discard_button.setEnabled(not self._job.discarding)

    def _update_result_buttons(self) -> None:
        job = self._job
        note, made = job.spec, isinstance(job.outcome, QuantizationResult)
        if isinstance(note, QuantizationJobSpec):
            named = f"Compare with {note.source_name}"
            words = self.fontMetrics().elidedText(named, Qt.TextElideMode.ElideMiddle, 200)
            self.compare_button.setText(escape_mnemonic(words))
            self.compare_button.setAccessibleName(named)
            self.compare_button.setToolTip("Draw the same pictures with both, and see what it cost")
        shown = {
            self.token_button: isinstance(job.error, AccessError),
            self.use_button: made,
            self.compare_button: made,
            self.report_button: isinstance(job.outcome, CheckpointComparison),
        }
        for button, wanted in shown.items():
            button.setVisible(wanted)
        self._result_buttons.setVisible(any(shown.values()))

    def text(self) -> str:
        """Return the row's text."""
        return f"{self._title.text()}: {self._status_label.text()}"

    def _run_action(self) -> None:
        if self._job.state in (JobState.RUNNING, JobState.WAITING):
            (self.pause_requested if self._job.can_pause else self.discard_requested).emit(self._job)
        else:
            self.resume_requested.emit(self._job)


_ACTION_LABELS = {
    JobState.WAITING: "Pause",
    JobState.RUNNING: "Pause",
    JobState.PAUSING: "Pause",
    JobState.PAUSED: "Resume",
    JobState.FAILED: "Try again",
    JobState.DONE: "",
}
_DISCARD_TOOLTIP = "Cancel it, and delete what there is of it"
_DISCARD_TOOLTIPS = {JobState.DONE: "Do not show it any more; what was made stays"}


class JobRows(QWidget):
    """All jobs, stacked vertically; hidden when there are none."""

    pause_requested = Signal(object)
    resume_requested = Signal(object)
    discard_requested = Signal(object)
    token_requested = Signal(object)
    use_requested = Signal(object)
    compare_requested = Signal(object)
    report_requested = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._rows: list[JobRow] = []
        self._row_layout = QVBoxLayout()
        self._row_layout.setSpacing(8)
        self._row_layout.setContentsMargins(0, 0, 4, 0)
        self._scroll_area = scroll_area(self._row_layout)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        inside = self._scroll_area.widget()
        assert inside is not None
        inside.installEventFilter(self)
        self.setLayout(column(heading_label("At work"), self._scroll_area, spacing=8, margins=(0, 0, 0, 8)))
        self.hide()

    @property
    def rows(self) -> tuple[JobRow, ...]:
        return tuple(self._rows)

    def show_jobs(self, jobs: Sequence[LibraryJob]) -> None:
        """Show these jobs; existing rows (and the keyboard focus) are kept."""
        for gone in [line for line in self._rows if line.job not in jobs]:
            self._rows.remove(gone)
            self._row_layout.removeWidget(gone)
            gone.hide()
            gone.deleteLater()
        known = {line.job for line in self._rows}
        for job in jobs:
            if job not in known:
                self._add(job)
        for line in self._rows:
            line.refresh()
        self.setVisible(bool(self._rows))
        self._update_height()

    def _update_height(self) -> None:
        """Set the height to that of the rows, limited so that the list below keeps its room."""
        height = self._row_layout.heightForWidth(self._scroll_area.viewport().width())
        self._scroll_area.setFixedHeight(min(_MAX_HEIGHT, max(1, height)))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in (QEvent.Type.LayoutRequest, QEvent.Type.Resize):
            self._update_height()
        return super().eventFilter(watched, event)

    def _add(self, job: LibraryJob) -> None:
        line = JobRow(job)
        line.pause_requested.connect(self.pause_requested)
        line.resume_requested.connect(self.resume_requested)
        line.discard_requested.connect(self.discard_requested)
        line.token_requested.connect(self.token_requested)
        line.use_requested.connect(self.use_requested)
        line.compare_requested.connect(self.compare_requested)
        line.report_requested.connect(self.report_requested)
        self._rows.append(line)
        self._row_layout.addWidget(line)
