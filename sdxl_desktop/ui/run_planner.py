"""The plan between runs: what the next one sees of the picture, at which size it draws, how long it may take."""

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
from sdxl_desktop.ui.painting.canvas_editor import CanvasEditor
from sdxl_desktop.ui.parameters_panel import ParametersPanel
from sdxl_desktop.ui.status_line import StatusLine


class RunPlanner(QObject):
    """Keeps the frame on the canvas, the desk and the status line saying the same of the next run.

    The plan is worked out at every keystroke, so what lies on the disk is looked up once for each checkpoint, until
    `forget`. `ground` is what a run would draw on, `execution` where.
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
        parameters_panel.changed.connect(self.refresh)
        canvas_editor.frame_changed.connect(lambda _: self._update_forecast())
        status_line.shortage_changed.connect(parameters_panel.set_shortage)

    def update_edit_source(self) -> None:
        """Something else lies on the canvas now."""
        self._shown_edit_source = self._edit_source()
        self._parameters_panel.set_edit_source(self._shown_edit_source)
        self.refresh()

    def refresh(self) -> None:
        """Show on the canvas what of the picture the next run sees, and below at which size and for how long."""
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
        self._parameters_panel.set_mask_left_out(frame is not None and frame.cuts_mask)

    def _footprint(self, folder: Path) -> MemoryFootprint:
        if folder not in self._footprints:
            self._footprints[folder] = MemoryFootprint.from_checkpoint(folder)
        return self._footprints[folder]

    def with_frame_size(self, request: GenerationRequest) -> GenerationRequest:
        """Drawn at the size that its frame says: the one that the canvas shows."""
        checkpoint = self._parameters_panel.checkpoint()
        multiple = SIZE_MULTIPLE if checkpoint is None else checkpoint.size_multiple
        return with_frame_size(
            request, multiple, self._precompiled_sizes.sizes_for(request.checkpoint, request.execution)
        )

    def record_timing(self, request: GenerationRequest, finished: RunFinished) -> None:
        """Take over what a run took, and what it may have compiled."""
        self._timing_history.add(request, finished)
        self.clear_caches()

    def clear_caches(self) -> None:
        """Other files may lie on the disk now: look again."""
        self._precompiled_sizes.clear_cache()
        self._footprints.clear()
        self.refresh()
