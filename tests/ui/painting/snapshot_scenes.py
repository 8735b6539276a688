"""The scenes of the snapshot tests: the canvas during painting, written as PNG files.

    QT_SCALE_FACTOR=2 python -m tests.ui.painting.snapshot_scenes FOLDER

Qt reads the display scale from its environment at startup, so each scale needs its own process. After an intended
change of the appearance run it at scales 1 and 2 for the folder `snapshots` beside this file, with `--wanted`, and
check the images before committing them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ["QT_QPA_PLATFORM"] = "offscreen"  # before Qt is loaded; each platform draws a little differently

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRect, Qt
from PySide6.QtGui import QColor, QImage, QMouseEvent, QPainter
from PySide6.QtWidgets import QApplication

from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.raster import UInt8Array
from sdxl_desktop.session.document import mask_shapes
from sdxl_desktop.session.document.brush import Brush
from sdxl_desktop.session.document.document import Document
from sdxl_desktop.session.document.frame import FramePolicy
from sdxl_desktop.ui.canvas import Canvas
from sdxl_desktop.ui.painting.canvas_editor import CanvasEditor
from sdxl_desktop.ui.painting.mask_layer import OverlayStyle
from sdxl_desktop.ui.painting.paint_bar import PaintBar
from sdxl_desktop.ui.painting.tool_settings import ToolKind, ToolSettings
from sdxl_desktop.ui.theme import DARK, LIGHT, build_palette

SIDES = (320, 240)
POLICY = FramePolicy(requested_size=Size(512, 512), only_masked=12)
PAINTING = ToolSettings(tool=ToolKind.BRUSH, size=48, hardness=0.5)
LABEL_RECT = QRect(92, 24, 130, 32)
"""The frame's label, which is masked out: text rendering depends on the font engine."""
GROWTH_LABEL_RECTS = (QRect(120, 213, 110, 27), QRect(225, 100, 74, 34))

Scene = Callable[[], QImage]


def picture() -> UInt8Array:
    """Return coloured hills under stripes, 240 x 180: light, dark, flat and detailed areas."""
    rows, columns = np.mgrid[:180, :240].astype(np.float64)
    waves = [127 + 110 * np.sin(columns / 37 + turn) * np.cos(rows / 29 + turn) for turn in (0, 1.1, 2.3)]
    stripes = np.where((columns // 6 + rows // 6) % 2 > 0, 30, -30) * (columns > 170)
    return np.asarray(np.clip(np.stack(waves, axis=2) + stripes[..., None], 0, 255), np.uint8)


@contextmanager
def _canvas(
    settings: ToolSettings, policy: FramePolicy, *, dark: bool
) -> Iterator[tuple[Canvas, CanvasEditor, Document]]:
    document, canvas, bar = Document(), Canvas(), PaintBar()
    canvas.setPalette(build_palette(DARK if dark else LIGHT))
    canvas.resize(*SIDES)
    canvas.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # whether a window is active depends on the platform
    easel = CanvasEditor(canvas, bar, document)
    document.open(picture())
    document.fill_shape(mask_shapes.ellipse(70, 60, 130, 130))
    stroke = document.begin_stroke(Brush(size=24, hardness=0.2))
    for place in ((90, 60), (120, 50), (150, 70)):
        stroke.move_to(*place)
    stroke.end()
    document.fill_shape(mask_shapes.rectangle(90, 85, 110, 105), "subtract")
    easel.set_frame_policy(policy)
    easel.attach()
    bar.set_value(settings)
    canvas.show()
    canvas.show_actual_size()
    canvas.zoom_to(canvas.devicePixelRatioF())
    QApplication.processEvents()
    try:
        yield canvas, easel, document
    finally:
        canvas.close()
        canvas.deleteLater()
        bar.deleteLater()
        QApplication.processEvents()


def _mouse(canvas: Canvas, kind: QEvent.Type, x: float, y: float, *, held: bool = False) -> None:
    """Send a mouse event over the picture's (x, y)."""
    spot = canvas.viewport.to_widget_point(QPointF(x, y))
    left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
    button = left if kind == QEvent.Type.MouseButtonPress else none
    place = canvas.mapToGlobal(spot)
    event = QMouseEvent(kind, spot, place, button, left if held else none, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(canvas, event)


def _grab_without_labels(canvas: Canvas, *labels: QRect) -> QImage:
    """Return the canvas's image with its labels painted over in grey."""
    image = canvas.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    painter = QPainter(image)
    for box in labels:
        painter.fillRect(box, QColor(128, 128, 128))
    painter.end()
    return image


def painting_scene(
    settings: ToolSettings = PAINTING, policy: FramePolicy = POLICY, *, dark: bool = False, at: float = 185.0
) -> QImage:
    """Return the picture, mask and frame with a brush cursor over them."""
    with _canvas(settings, policy, dark=dark) as (canvas, _, _):
        _mouse(canvas, QEvent.Type.MouseMove, at, 120.0)
        return _grab_without_labels(canvas, LABEL_RECT)


def frame_drag_scene(to: float = 264.0, *, dark: bool = False) -> QImage:
    """Return the frame tool during a drag of the right edge."""
    with _canvas(ToolSettings(tool=ToolKind.FRAME), POLICY, dark=dark) as (canvas, _, _):
        _mouse(canvas, QEvent.Type.MouseButtonPress, 240.0, 90.0, held=True)
        _mouse(canvas, QEvent.Type.MouseMove, to, 90.0, held=True)
        image = _grab_without_labels(canvas, *GROWTH_LABEL_RECTS)
        canvas.cancel_gesture()
        return image


SCENES: dict[str, Scene] = {
    "painting-light": painting_scene,
    "painting-dark": lambda: painting_scene(dark=True),
    "growing-light": frame_drag_scene,
    "growing-dark": lambda: frame_drag_scene(dark=True),
}
"""Scenes that are compared with the stored snapshots."""


def _tool_settings(**changes: Any) -> ToolSettings:
    return replace(PAINTING, **changes)


ALTERED_SCENES: dict[str, Scene] = {
    "painting-light+the overlay a little fainter": lambda: painting_scene(
        _tool_settings(overlay_style=OverlayStyle(opacity=0.38))
    ),
    "painting-light+the overlay in another red": lambda: painting_scene(
        _tool_settings(overlay_style=OverlayStyle("#ff5533"))
    ),
    "painting-light+the mask hidden": lambda: painting_scene(_tool_settings(overlay=False)),
    "painting-light+the brush two pixels larger": lambda: painting_scene(_tool_settings(size=50)),
    "painting-light+the rim a little harder": lambda: painting_scene(_tool_settings(hardness=0.6)),
    "painting-light+the pointer a pixel further": lambda: painting_scene(at=186.0),
    "painting-light+the frame two pixels wider": lambda: painting_scene(
        policy=FramePolicy(requested_size=Size(512, 512), only_masked=13)
    ),
    "painting-light+the other theme": lambda: painting_scene(dark=True),
    "growing-light+eight pixels more": lambda: frame_drag_scene(272.0),
}
"""Each differs from the snapshot named before the plus in one detail, which the comparison must detect."""


def main(folder: Path, *, wanted_only: bool) -> None:
    app = QApplication(["scene"])
    app.setStyle("Fusion")
    scale = os.environ.get("QT_SCALE_FACTOR", "1")
    for name, scene in (SCENES if wanted_only else {**SCENES, **ALTERED_SCENES}).items():
        scene().save(str(folder / f"{name}@{scale}x.png"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), wanted_only="--wanted" in sys.argv)
