"""What the next run will see of the picture, at which size it draws, and what that may take of time and memory."""

from __future__ import annotations

from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.edit import Ground
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.request import Execution, Sampling
from sdxl_desktop.core.settings import WorkspaceValue
from sdxl_desktop.engine.footprint import Footprint
from sdxl_desktop.session.document.frame import FramePolicy
from sdxl_desktop.session.forecast import Forecast
from sdxl_desktop.session.paces import Paces


def frame_policy(workspace: WorkspaceValue, ground: Ground, checkpoint: Checkpoint | None) -> FramePolicy | None:
    """What decides which part of the picture on the canvas is drawn, and how large; None where there is none."""
    if ground.picture is None:
        return None
    edit = workspace.edit
    return FramePolicy(
        asked=size_of(workspace),
        only_masked=edit.margin if edit.only_masked else None,
        grow=edit.grow,
        fit=edit.fit,
        keep_size=edit.keep_size if ground.mask is None else edit.fill_keep_size,
        multiple=8 if checkpoint is None else checkpoint.size_multiple,
    )


def size_of(workspace: WorkspaceValue) -> Size:
    """The size that is asked for."""
    return (workspace.sampling or Sampling()).size


def expected(
    paces: Paces,
    footprint: Footprint | None,
    workspace: WorkspaceValue,
    ground: Ground,
    checkpoint: Checkpoint | None,
    execution: Execution,
    drawn: Size,
) -> Forecast | None:
    """What the next run may take when it draws at `drawn`: as `paces` know, else, of memory, as the `footprint` of the
    checkpoint tells. None where nothing can be known. Touches no file."""
    if checkpoint is None or footprint is None or workspace.refiner.on or workspace.sampling is None:
        return None
    edit, folder, sampling = workspace.edit, checkpoint.folder, workspace.sampling
    strength = 1.0 if ground.picture is None else edit.strength if ground.mask is None else edit.fill_strength
    measured = paces.peak(folder, execution, sampling, drawn)
    return Forecast(
        size=drawn,
        seconds=paces.expected(folder, execution, sampling, drawn, strength),
        peak=(footprint.peak(drawn) if footprint.unet else None) if measured is None else measured,
        measured=measured is not None,
        footprint=footprint if footprint.unet else None,
    )
