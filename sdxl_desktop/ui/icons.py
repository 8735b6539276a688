"""The application's own icons: line drawings tinted to the palette, and the application icon."""

from __future__ import annotations

from functools import cache

from PySide6.QtCore import QByteArray, QDir, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from sdxl_desktop.core.paths import resources_folder

_FOLDER = resources_folder() / "icons"
_SIDES = (18, 36, 72)
APP_SIDES = (16, 24, 32, 48, 64, 128, 256, 512)


def register_search_path() -> None:
    """Let style sheets use url("icons:…")."""
    QDir.setSearchPaths("icons", [str(_FOLDER)])


@cache
def icon(name: str, colour: str, disabled_colour: str = "") -> QIcon:
    """Return the line icon `name` in `colour` ("#rrggbb"), in `disabled_colour` if its control is disabled."""
    made = QIcon()
    for side in _SIDES:
        made.addPixmap(_pixmap(name, colour, side))
        made.addPixmap(_pixmap(name, disabled_colour or colour, side), QIcon.Mode.Disabled)
    return made


def application_icon() -> QIcon:
    """Return the application's icon in all shipped sizes."""
    made = QIcon()
    for side in APP_SIDES:
        made.addFile(str(_FOLDER / f"sdxl-desktop-{side}.png"), QSize(side, side))
    return made


@cache
def _svg_source(name: str) -> str:
    return (_FOLDER / f"{name}.svg").read_text(encoding="utf-8")


def _pixmap(name: str, colour: str, side: int) -> QPixmap:
    drawing = _svg_source(name).replace("currentColor", QColor(colour).name())
    pixmap = QPixmap(side, side)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    QSvgRenderer(QByteArray(drawing.encode())).render(painter, QRectF(0, 0, side, side))
    painter.end()
    return pixmap
