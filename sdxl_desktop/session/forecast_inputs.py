"""What the next run will see of the picture, at which size it draws, and what that may take of time and memory."""

from __future__ import annotations

from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.edit import EditSource
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.request import Execution, Sampling
from sdxl_desktop.core.settings import WorkspaceValue
from sdxl_desktop.engine.memory_footprint import MemoryFootprint
from sdxl_desktop.session.document.frame import FramePolicy
from sdxl_desktop.session.forecast import RunForecast
from sdxl_desktop.session.timing_history import TimingHistory


def frame_policy(
    workspace: WorkspaceValue, edit_source: EditSource, checkpoint: Checkpoint | None
) -> FramePolicy | None:
    """What decides which part of the picture on the canvas is drawn, and how large; None where there is none."""
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
    """The size that is asked for."""
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
    """What the next run may take when it draws at `drawn`: as `paces` know, else, of memory, as the `footprint` of the
    checkpoint tells. None where nothing can be known. Touches no file."""
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
