"""Renders the application icon's PNG sizes and its .ico from resources/icons/sdxl-desktop.svg.

Run from the repository after changing the drawing: python -m tools.render_icons
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QImage, QPainter
from PySide6.QtSvg import QSvgRenderer

ICONS = Path(__file__).resolve().parent.parent / "resources" / "icons"
SIDES = (16, 24, 32, 48, 64, 128, 256, 512)
_CROWDED = 24  # up to this side the icon's margin is cropped, so that the shape keeps its size


def main() -> None:
    renderer = QSvgRenderer(str(ICONS / "sdxl-desktop.svg"))
    for side in SIDES:
        if side <= _CROWDED:
            renderer.setViewBox(QRectF(24, 24, 464, 464))
        else:
            renderer.setViewBox(QRectF(0, 0, 512, 512))
        render(renderer, side).save(str(ICONS / f"sdxl-desktop-{side}.png"))
    pictures = [Image.open(ICONS / f"sdxl-desktop-{side}.png") for side in SIDES if side <= 256]
    pictures[-1].save(
        ICONS / "sdxl-desktop.ico", append_images=pictures[:-1], sizes=[picture.size for picture in pictures]
    )


def render(renderer: QSvgRenderer, side: int) -> QImage:
    """Render at four times the size and average down: smoother than the renderer's own edges."""
    image = QImage(side * 4, side * 4, QImage.Format.Format_ARGB32_Premultiplied)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    renderer.render(painter)
    painter.end()
    return image.scaled(side, side, mode=Qt.TransformationMode.SmoothTransformation)


if __name__ == "__main__":
    main()
