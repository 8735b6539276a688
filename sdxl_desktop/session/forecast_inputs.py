"""The inputs of a forecast: the visible region, the drawing size, and the expected time and memory."""

from __future__ import annotations

from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.edit import EditSource
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.request import Execution, Sampling
from sdxl_desktop.core.workspace_value import WorkspaceValue
from sdxl_desktop.engine.memory_footprint import MemoryFootprint
from sdxl_desktop.session.document.frame import FramePolicy
from sdxl_desktop.session.forecast import RunForecast
from sdxl_desktop.session.timing_history import TimingHistory


def frame_policy(
    workspace: WorkspaceValue, edit_source: EditSource, checkpoint: Checkpoint | None
) -> FramePolicy | None:
    """Return the parameters of the frame on the canvas picture; None without a picture."""
    if edit_source.picture is None:
        return None
    edit = workspace.edit
    return FramePolicy(
        requested_size=requested_size(workspace),
        only_masked=edit.margin if edit.only_masked else None,
        grow=edit.grow,
        fit=edit.fit,
        keep_size=edit.keep_size if edit_source.mask is None else edit.fill_keep_size,
        size_multiple=8 if checkpoint is None else checkpoint.size_multiple,
    )


def requested_size(workspace: WorkspaceValue) -> Size:
    """Return the requested size."""
    return (workspace.sampling or Sampling()).size


def forecast_run(
    timing_history: TimingHistory,
    footprint: MemoryFootprint | None,
    workspace: WorkspaceValue,
    edit_source: EditSource,
    checkpoint: Checkpoint | None,
    execution: Execution,
    drawing_size: Size,
) -> RunForecast | None:
    """Return the forecast for a run at `drawing_size`, from `timing_history` or, for memory, estimated from the
    checkpoint's `footprint`. None if nothing is known. Accesses no file."""
    if checkpoint is None or footprint is None or workspace.refiner.on or workspace.sampling is None:
        return None
    edit, folder, sampling = workspace.edit, checkpoint.folder, workspace.sampling
    strength = 1.0 if edit_source.picture is None else edit.strength if edit_source.mask is None else edit.fill_strength
    measured = timing_history.expected_peak(folder, execution, sampling, drawing_size)
    return RunForecast(
        size=drawing_size,
        seconds=timing_history.expected_seconds(folder, execution, sampling, drawing_size, strength),
        peak_memory=(footprint.peak(drawing_size) if footprint.unet else None) if measured is None else measured,
        measured=measured is not None,
        footprint=footprint if footprint.unet else None,
    )
