"""Pictures dropped on the window as other applications offer them, delivered by Qt's own drag events."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDragMoveEvent, QDropEvent, QImage
from PySide6.QtWidgets import QApplication, QWidget

from sdxl_desktop.core.raster import UInt8Array
from sdxl_desktop.ui.main_window import MainWindow
from tests.typed import arrays_equal
from tests.ui.painting.conftest import LEFT, NO_KEYS, picture

pytestmark = pytest.mark.usefixtures("plain_style")

COPY = Qt.DropAction.CopyAction


def drag_and_drop(target: QWidget, data: QMimeData) -> bool:
    """Enter, move and drop over `target`, as the platform sends it; return whether the drop was accepted."""
    middle = target.rect().center()
    enter = QDragEnterEvent(middle, COPY, data, LEFT, NO_KEYS)
    enter.ignore()  # its initial state from the platform
    QApplication.sendEvent(target, enter)
    if not enter.isAccepted():
        return False
    move = QDragMoveEvent(middle + QPoint(1, 1), COPY, data, LEFT, NO_KEYS)
    QApplication.sendEvent(target, move)
    drop = QDropEvent(QPointF(middle), COPY, data, LEFT, NO_KEYS)
    drop.ignore()
    QApplication.sendEvent(target, drop)
    return drop.isAccepted()


def saved(folder: Path, name: str = "areas.png", pixels: UInt8Array | None = None) -> Path:
    file = folder / name
    Image.fromarray(picture() if pixels is None else pixels).save(file)
    return file


def files(*paths: Path) -> QMimeData:
    """Return what a file manager drags."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    return data


def png(pixels: UInt8Array) -> QByteArray:
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image(pixels).save(buffer, "PNG")  # type: ignore[call-overload]
    return buffer.data()


def image(pixels: UInt8Array) -> QImage:
    height, width = pixels.shape[:2]
    return QImage(pixels.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888).copy()


def from_an_editor(_: Path) -> QMimeData:
    """Pixels and nothing else."""
    data = QMimeData()
    data.setImageData(image(picture()))
    return data


def from_a_browser(_: Path) -> QMimeData:
    """A URL elsewhere, HTML, and the picture's bytes, which Qt's platforms also offer as an image."""
    data = QMimeData()
    data.setData("text/uri-list", b"https://example.org/areas.png\r\n")
    data.setHtml('<img src="https://example.org/areas.png">')
    data.setText("https://example.org/areas.png")
    data.setData("image/png", png(picture()))
    data.setImageData(image(picture()))
    return data


def from_a_browser_with_a_file(folder: Path) -> QMimeData:
    """A temporary file together with the pixels of another, smaller picture: the file is the original."""
    data = files(saved(folder))
    data.setImageData(image(picture()[:50, :50].copy()))
    return data


def by_uri_list(folder: Path) -> QMimeData:
    """The bytes of a uri-list, with a comment and a name that needs escaping."""
    file = saved(folder, "a picture, 100 %.png")
    data = QMimeData()
    data.setData("text/uri-list", b"# dragged\r\n" + QUrl.fromLocalFile(str(file)).toEncoded().data() + b"\r\n")
    return data


@pytest.mark.parametrize(
    "offered",
    [
        lambda folder: files(saved(folder)),
        from_an_editor,
        from_a_browser,
        from_a_browser_with_a_file,
        by_uri_list,
    ],
    ids=["file manager", "editor", "browser", "browser with a file", "uri list"],
)
def test_a_dropped_picture_lies_on_the_canvas_pixel_for_pixel(
    window: MainWindow, tmp_path: Path, offered: Callable[[Path], QMimeData]
) -> None:
    for target in (window.canvas_area.empty_state, window.canvas_area.canvas, window.canvas_area.canvas_bar):
        window.document.remove_picture()
        assert drag_and_drop(target, offered(tmp_path)), target
        assert arrays_equal(window.document.picture, picture()), target
        assert window.canvas_area.canvas_editor.is_attached


def test_of_several_files_the_first_goes_onto_the_canvas(window: MainWindow, tmp_path: Path) -> None:
    other = saved(tmp_path, "b.png", 255 - picture())
    assert drag_and_drop(window.canvas_area, files(saved(tmp_path, "a.png"), other))
    assert arrays_equal(window.document.picture, picture())
    assert window.document.name == "a.png"


def test_a_dropped_picture_takes_the_place_of_the_one_before_and_undo_brings_that_back(
    window: MainWindow, tmp_path: Path
) -> None:
    drag_and_drop(window.canvas_area, files(saved(tmp_path, "a.png")))
    window.document.invert()
    drag_and_drop(window.canvas_area.canvas, files(saved(tmp_path, "b.png", 255 - picture())))
    assert arrays_equal(window.document.picture, 255 - picture())
    assert not window.document.has_mask
    window.document.undo()
    assert arrays_equal(window.document.picture, picture())
    assert window.document.has_mask


def test_a_dropped_photograph_stands_upright(window: MainWindow, tmp_path: Path) -> None:
    file = tmp_path / "turned.png"
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: rotate by 90 degrees clockwise
    Image.fromarray(picture()).save(file, exif=exif)
    assert drag_and_drop(window.canvas_area, files(file))
    assert arrays_equal(window.document.picture, np.rot90(picture(), -1))


@pytest.mark.parametrize("kind", ["text", "nothing"])
def test_what_holds_no_picture_is_refused_before_it_is_dropped(window: MainWindow, kind: str) -> None:
    data = QMimeData()
    if kind == "text":
        data.setText("a red heart")
    assert not drag_and_drop(window.canvas_area.canvas, data)
    assert not window.document.has_picture


def test_a_file_that_is_no_picture_is_reported_and_changes_nothing(window: MainWindow, tmp_path: Path) -> None:
    drag_and_drop(window.canvas_area, files(saved(tmp_path)))
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n and then nothing of the kind")
    drag_and_drop(window.canvas_area.canvas, files(broken))
    assert arrays_equal(window.document.picture, picture())
    assert window.canvas_area.banner.isVisible()
