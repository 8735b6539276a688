"""Plans the next run: its frame of the picture, its size, and its estimated time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject

from sdxl_desktop.core.edit import EditSource
from sdxl_desktop.core.events import RunFinished
from sdxl_desktop.core.request import SIZE_MULTIPLE, Execution, GenerationRequest
from sdxl_desktop.engine.memory_footprint import MemoryFootprint
from sdxl_desktop.session.document.frame import with_frame_size
from sdxl_desktop.session.forecast_inputs import forecast_run, frame_policy, requested_size
from sdxl_desktop.session.timing_history import TimingHistory
from sdxl_desktop.ui.devices.precompiled_sizes import PrecompiledSizes
from sdxl_desktop.ui.formatting import format_duration
from sdxl_desktop.ui.painting.canvas_editor import CanvasEditor
from sdxl_desktop.ui.parameters_panel import ParametersPanel
from sdxl_desktop.ui.status_line import StatusLine


class RunPlanner(QObject):
    """Keeps the canvas's frame, the parameters panel and the status line consistent for the next run.

    The plan is computed at every keystroke, so files on disk are read once per checkpoint, until `clear_caches`.
    `edit_source` returns what a run would start from, `execution` where it runs.
    """

    def __init__(
        self,
        parameters_panel: ParametersPanel,
        canvas_editor: CanvasEditor,
        status_line: StatusLine,
        edit_source: Callable[[], EditSource],
        execution: Callable[[], Execution],
        precompiled_sizes: PrecompiledSizes,
        timing_history: TimingHistory,
    ) -> None:
        super().__init__(parameters_panel)
        self._parameters_panel, self._canvas_editor, self._status_line = parameters_panel, canvas_editor, status_line
        self._edit_source, self._execution = edit_source, execution
        self._precompiled_sizes, self._timing_history = precompiled_sizes, timing_history
        self._shown_edit_source = EditSource()
        self._footprints: dict[Path, MemoryFootprint] = {}
        self._seconds: float | None = None
        parameters_panel.changed.connect(self.refresh)
        canvas_editor.frame_changed.connect(lambda _: self._update_forecast())
        status_line.shortage_changed.connect(parameters_panel.set_shortage)

    def update_edit_source(self) -> None:
        """Handle a change of the picture on the canvas."""
        self._shown_edit_source = self._edit_source()
        self._parameters_panel.set_edit_source(self._shown_edit_source)
        self.refresh()

    def refresh(self) -> None:
        """Show the next run's frame on the canvas, and its size and estimated time below."""
        checkpoint = self._parameters_panel.checkpoint()
        policy = frame_policy(self._parameters_panel.value(), self._shown_edit_source, checkpoint)
        self._canvas_editor.set_frame_policy(
            self._precompiled_sizes.with_compiled_sizes(policy, checkpoint, self._execution())
        )
        self._update_forecast()

    def _update_forecast(self) -> None:
        frame, workspace, checkpoint = (
            self._canvas_editor.frame,
            self._parameters_panel.value(),
            self._parameters_panel.checkpoint(),
        )
        drawn = requested_size(workspace) if frame is None else frame.drawing_size
        footprint = None if checkpoint is None else self._footprint(checkpoint.folder)
        forecast = forecast_run(
            self._timing_history, footprint, workspace, self._shown_edit_source, checkpoint, self._execution(), drawn
        )
        self._status_line.set_forecast(drawn, forecast)
        self._seconds = None if forecast is None else forecast.seconds
        self._parameters_panel.set_mask_left_out(frame is not None and frame.cuts_mask)

    def expected_time(self, pictures: int) -> str:
        """Return how long so many pictures like the next one take, as text; "" if unknown."""
        if self._seconds is None:
            return ""
        sampling = self._parameters_panel.value().sampling
        return format_duration(self._seconds / (1 if sampling is None else sampling.count) * pictures)

    def _footprint(self, folder: Path) -> MemoryFootprint:
        if folder not in self._footprints:
            self._footprints[folder] = MemoryFootprint.from_checkpoint(folder)
        return self._footprints[folder]

    def with_frame_size(self, request: GenerationRequest) -> GenerationRequest:
        """Return the request at its frame's size, as shown on the canvas."""
        checkpoint = self._parameters_panel.checkpoint()
        multiple = SIZE_MULTIPLE if checkpoint is None else checkpoint.size_multiple
        return with_frame_size(
            request, multiple, self._precompiled_sizes.sizes_for(request.checkpoint, request.execution)
        )

    def record_timing(self, request: GenerationRequest, finished: RunFinished) -> None:
        """Record a run's duration, and clear the caches since it may have compiled parts."""
        self._timing_history.add(request, finished)
        self.clear_caches()

    def clear_caches(self) -> None:
        """Clear the caches, because the files on disk may have changed."""
        self._precompiled_sizes.clear_cache()
        self._footprints.clear()
        self.refresh()
