"""The plan between runs: what the next one sees of the picture, at which size it draws, how long it may take."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject

from sdxl_desktop.core.edit import Ground
from sdxl_desktop.core.events import Finished
from sdxl_desktop.core.request import SIZE_MULTIPLE, Execution, GenerationRequest
from sdxl_desktop.engine.footprint import Footprint
from sdxl_desktop.session.document.frame import framed
from sdxl_desktop.session.outlook import expected, frame_policy, size_of
from sdxl_desktop.session.paces import Paces
from sdxl_desktop.ui.desk import Desk
from sdxl_desktop.ui.devices.ready import ReadySizes
from sdxl_desktop.ui.painting.easel import Easel
from sdxl_desktop.ui.status import StatusLine


class Planner(QObject):
    """Keeps the frame on the canvas, the desk and the status line saying the same of the next run.

    The plan is worked out at every keystroke, so what lies on the disk is looked up once for each checkpoint, until
    `forget`. `ground` is what a run would draw on, `execution` where.
    """

    def __init__(
        self,
        desk: Desk,
        easel: Easel,
        status: StatusLine,
        ground: Callable[[], Ground],
        execution: Callable[[], Execution],
        ready: ReadySizes,
        paces: Paces,
    ) -> None:
        super().__init__(desk)
        self._desk, self._easel, self._status = desk, easel, status
        self._ground, self._execution = ground, execution
        self._ready, self._paces = ready, paces
        self._shown_ground = Ground()
        self._footprints: dict[Path, Footprint] = {}
        desk.changed.connect(self.show)
        easel.frame_changed.connect(lambda _: self._tell())
        status.shortage_changed.connect(desk.show_shortage)

    def show_ground(self) -> None:
        """Something else lies on the canvas now."""
        self._shown_ground = self._ground()
        self._desk.show_ground(self._shown_ground)
        self.show()

    def show(self) -> None:
        """Show on the canvas what of the picture the next run sees, and below at which size and for how long."""
        checkpoint = self._desk.checkpoint()
        policy = frame_policy(self._desk.value(), self._shown_ground, checkpoint)
        self._easel.set_frame_policy(self._ready.preferred(policy, checkpoint, self._execution()))
        self._tell()

    def _tell(self) -> None:
        frame, workspace, checkpoint = self._easel.frame, self._desk.value(), self._desk.checkpoint()
        drawn = size_of(workspace) if frame is None else frame.drawn
        footprint = None if checkpoint is None else self._footprint(checkpoint.folder)
        forecast = expected(self._paces, footprint, workspace, self._shown_ground, checkpoint, self._execution(), drawn)
        self._status.show_plan(drawn, forecast)
        self._desk.show_left_out(frame is not None and frame.leaves_out)

    def _footprint(self, folder: Path) -> Footprint:
        if folder not in self._footprints:
            self._footprints[folder] = Footprint.of(folder)
        return self._footprints[folder]

    def framed(self, request: GenerationRequest) -> GenerationRequest:
        """Drawn at the size that its frame says: the one that the canvas shows."""
        checkpoint = self._desk.checkpoint()
        multiple = SIZE_MULTIPLE if checkpoint is None else checkpoint.size_multiple
        return framed(request, multiple, self._ready.known(request.checkpoint, request.execution))

    def learn(self, request: GenerationRequest, finished: Finished) -> None:
        """Take over what a run took, and what it may have compiled."""
        self._paces.learn(request, finished)
        self.forget()

    def forget(self) -> None:
        """Other files may lie on the disk now: look again."""
        self._ready.forget()
        self._footprints.clear()
        self.show()
