"""Updates the frame on the canvas when the mask changes, without delaying strokes."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer, Signal

from sdxl_desktop.session.document.document import Document
from sdxl_desktop.session.document.frame import Frame, FramePolicy, frame_for
from sdxl_desktop.session.document.layers import DocumentChange
from sdxl_desktop.session.document.mask_bounds import MaskBounds
from sdxl_desktop.ui.painting.frame_layer import FrameLayer
from sdxl_desktop.ui.painting.picture_view import PictureView

REFRESH_DELAY_MS = 60
"""How long the frame may lag behind a stroke in progress."""


class FrameTracker(QObject):
    """`frame_changed` carries the Frame, or None if there is no picture or no frame policy."""

    frame_changed = Signal(object)

    def __init__(self, canvas: PictureView, document: Document) -> None:
        super().__init__(canvas)
        self._canvas, self._document = canvas, document
        self._policy: FramePolicy | None = None
        self._extent = MaskBounds()
        self._frame: Frame | None = None
        self._frame_visible = False
        self._timer = QTimer(self, singleShot=True, interval=REFRESH_DELAY_MS)
        self._timer.timeout.connect(self.refresh)
        self.layer = FrameLayer(canvas)
        canvas.add_layer(self.layer)
        canvas.zoomed.connect(self.repaint_label)

    @property
    def frame(self) -> Frame | None:
        """Return the region that a run would draw, as of the last refresh."""
        return self._frame

    def set_policy(self, policy: FramePolicy | None) -> None:
        if policy != self._policy:
            self._policy = policy
            self.refresh()

    def handle_change(self, change: DocumentChange) -> None:
        """Handle a document change: refresh at once, or after a delay for a stroke in progress."""
        if change.mask or change.rect is None:
            self._extent.mark_changed(change.rect)
            if change.rect is None or not self._document.in_stroke:
                self.refresh()
            elif not self._timer.isActive() and self._policy is not None:
                self._timer.start()

    def set_frame_visible(self, visible: bool) -> None:
        """Show or hide the frame; it is tracked either way."""
        self._frame_visible = visible
        self._update_layer()

    def refresh(self) -> None:
        """Compute the frame from the current mask."""
        self._timer.stop()
        policy, size = self._policy, self._document.size
        frame = None
        if policy is not None and size is not None:
            frame = frame_for(policy, size, self._extent.compute(self._document.mask))
        changed, self._frame = frame != self._frame, frame
        self._update_layer()
        if changed:
            self.frame_changed.emit(frame)

    def repaint_label(self) -> None:
        """Repaint the label, which is positioned by the widget's edge and not by the picture."""
        shown = self.layer.visible_frame
        if shown is not None:
            self._canvas.update(self.layer.label_rect(shown, self._canvas.viewport).toAlignedRect())

    def _update_layer(self) -> None:
        """Update the layer; a frame around exactly the whole picture is not shown, as it adds no information."""
        size, before = self._document.size, self.layer.visible_frame
        self.layer.frame = self._frame
        whole = self._frame is None or size is None or self._frame.shows_whole_picture(size)
        self.layer.visible = self._frame_visible and not whole
        if self.layer.visible_frame != before:
            self._canvas.update(self.layer.changed_region(before, self._canvas.viewport))
