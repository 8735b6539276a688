"""Pictures as browsers, chats and editors offer them, dropped and pasted: accepted, confirmed, or rejected."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TypeVar
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QMimeData, Qt, QUrl
from PySide6.QtWidgets import QApplication, QPlainTextEdit, QSpinBox, QWidget
from pytestqt.qtbot import QtBot

from sdxl_desktop.ui.main_window import MainWindow
from tests.typed import arrays_equal, not_none
from tests.ui.painting.conftest import picture
from tests.ui.painting.test_picture_drops import drag_and_drop, files, image, png, saved

pytestmark = pytest.mark.usefixtures("plain_style")

W = TypeVar("W", bound=QWidget)
CTRL = Qt.KeyboardModifier.ControlModifier


def carrying(*, html: str = "", text: str = "", urls: tuple[str, ...] = ()) -> QMimeData:
    data = QMimeData()
    if html:
        data.setHtml(html)
    if urls:
        data.setUrls([QUrl(url) for url in urls])
    if text:
        data.setText(text)
    return data


def as_data(file: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(file.read_bytes()).decode()


TAKEN: dict[str, Callable[[Path], QMimeData]] = {
    "data address": lambda file: carrying(urls=(as_data(file),)),
    "data address, escaped": lambda file: carrying(text="data:image/png," + quote(file.read_bytes())),
    "HTML with a data address": lambda file: carrying(
        html=f"<a href='https://a.org'><IMG alt=x SRC='{as_data(file)}'>"
    ),
    "HTML with a file": lambda file: carrying(html=f'<img src="{QUrl.fromLocalFile(str(file)).toString()}">'),
    "path as text": lambda file: carrying(text=f"{file}\n"),
    "quoted path": lambda file: carrying(text=f"'{file}'"),
    "file address as text": lambda file: carrying(text=QUrl.fromLocalFile(str(file)).toString()),
    "file at localhost": lambda file: carrying(urls=(f"file://localhost{quote(str(file))}",)),
    "raw bytes": lambda file: raw("image/webp", file),
}


def raw(kind: str, file: Path) -> QMimeData:
    data = QMimeData()
    other = file.with_suffix(".webp")
    Image.open(file).save(other, lossless=True)
    data.setData(kind, other.read_bytes())
    return data


def test_a_picture_is_taken_as_it_is_offered(window: MainWindow, tmp_path: Path) -> None:
    file = saved(tmp_path, "a picture 100 %.png")
    for kind, offered in TAKEN.items():
        assert drag_and_drop(window.canvas_area, offered(file)), kind
        assert arrays_equal(window.document.picture, picture()), kind
        window.document.remove_picture()
        QApplication.clipboard().setMimeData(offered(file))
        window.router.paste()
        assert arrays_equal(window.document.picture, picture()), kind
        window.document.remove_picture()


def test_what_cannot_be_taken_is_refused_with_a_reason(window: MainWindow) -> None:
    for offered, words in (
        (carrying(urls=("smb://nas/a.png",)), "smb"),
        (carrying(urls=("blob:https://example.org/5",)), "blob"),
        (carrying(urls=("file:///gone/away.png",)), "There is no file"),
        (carrying(urls=("file://nas/a.png",)), "another computer"),
        (carrying(urls=("data:text/plain,hello",)), "no picture"),
        (carrying(urls=("data:image/png;base64,!!!",)), "damaged"),
        (carrying(urls=("data:image/png;base64,AAAA",)), "not a picture"),
        (carrying(urls=("https://example.org/model.safetensors",)), "no picture"),
        (carrying(urls=("https://example.org/4x.PTH?download=1",)), "no picture"),
        (carrying(html="<img src='a.png'>"), "no whole address"),
        (carrying(html="<img src='https://a.org/1.png'><img src='https://a.org/2.png'>"), "2 pictures"),
    ):
        QApplication.clipboard().setMimeData(offered)
        window.router.paste()
        assert words in window.canvas_area.banner.accessibleName()
        assert not window.document.has_picture
        window.controller.dismiss()


@pytest.fixture
def picture_server(tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    body = saved(tmp_path, "served.png").read_bytes()
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body if self.path.endswith(".png") else b"not a picture")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}", asked
        listening.shutdown()
        thread.join()


def test_a_picture_on_the_web_is_fetched_only_after_a_question(
    window: MainWindow, picture_server: tuple[str, list[str]]
) -> None:
    base, asked = picture_server
    assert drag_and_drop(window.canvas_area, carrying(urls=(f"{base}/cats/tom.png",)))
    assert "Download" in window.canvas_area.toast.accessibleName()
    assert "127.0.0.1" in window.canvas_area.toast.accessibleName()
    assert not asked
    window.canvas_area.toast.action_triggered.emit()
    assert asked == ["/cats/tom.png"]
    assert arrays_equal(window.document.picture, picture())
    assert window.document.name == "tom.png"


def test_the_picture_within_a_link_is_meant_and_what_is_none_is_reported(
    window: MainWindow, picture_server: tuple[str, list[str]]
) -> None:
    base, asked = picture_server
    link = carrying(html=f"<a href='{base}/page'><img src='{base}/a.gif'></a>", urls=(f"{base}/page",))
    assert drag_and_drop(window.canvas_area, link)
    window.canvas_area.toast.action_triggered.emit()
    assert asked == ["/a.gif"]
    assert "a.gif is not a picture" in window.canvas_area.banner.accessibleName()


def test_a_problem_with_a_picture_goes_when_one_comes(window: MainWindow, tmp_path: Path) -> None:
    drag_and_drop(window.canvas_area, carrying(urls=("smb://nas/a.png",)))
    assert window.canvas_area.banner.isVisible()
    drag_and_drop(window.canvas_area, files(saved(tmp_path)))
    assert not window.canvas_area.banner.isVisible()


# Ctrl+V


def focus_on(qtbot: QtBot, window: MainWindow, kind: type[W]) -> W:
    window.activateWindow()
    field = next(one for one in window.findChildren(kind) if one.isVisible() and one.isEnabled())
    field.setFocus()
    qtbot.waitUntil(field.hasFocus)
    return field


@pytest.mark.parametrize("kind", [QPlainTextEdit, QSpinBox])
def test_ctrl_v_puts_a_picture_onto_the_canvas_wherever_the_focus_is(
    window: MainWindow, qtbot: QtBot, kind: type[QWidget]
) -> None:
    field = focus_on(qtbot, window, kind)
    data = QMimeData()
    data.setData("image/png", png(picture()))
    data.setImageData(image(picture()))
    QApplication.clipboard().setMimeData(data)
    qtbot.keyClick(field, Qt.Key.Key_V, CTRL)
    assert arrays_equal(window.document.picture, picture())


def test_ctrl_v_puts_copied_files_onto_the_canvas_too(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    field = focus_on(qtbot, window, QPlainTextEdit)
    QApplication.clipboard().setMimeData(files(saved(tmp_path)))
    qtbot.keyClick(field, Qt.Key.Key_V, CTRL)
    assert window.document.name == "areas.png"
    assert field.toPlainText() == ""


@pytest.mark.parametrize("words", ["a red heart", "https://example.org/a.png", "/tmp"])
def test_ctrl_v_puts_text_into_the_prompt(window: MainWindow, qtbot: QtBot, words: str) -> None:
    field = focus_on(qtbot, window, QPlainTextEdit)
    QApplication.clipboard().setText(words)
    qtbot.keyClick(field, Qt.Key.Key_V, CTRL)
    assert field.toPlainText() == words
    assert not window.document.has_picture


# several files, transparency


def test_of_several_files_the_first_that_opens_lies_on_the_canvas_and_is_named(
    window: MainWindow, tmp_path: Path
) -> None:
    broken = [tmp_path / f"{name}-broken.png" for name in "ab"]
    for each in broken:
        each.write_bytes(b"no picture")
    drag_and_drop(window.canvas_area, files(*broken, saved(tmp_path, "good.png"), saved(tmp_path, "other.png")))
    reported = window.canvas_area.toast.accessibleName()
    assert window.document.name == "good.png"
    assert "good.png is on the canvas; the others" in reported
    assert "a-broken.png, b-broken.png could not be opened" in reported
    assert not window.canvas_area.banner.isVisible()


def test_of_files_that_are_all_broken_none_is_reported_as_there(window: MainWindow, tmp_path: Path) -> None:
    broken = [tmp_path / f"{name}.png" for name in "ab"]
    for each in broken:
        each.write_bytes(b"no picture")
    drag_and_drop(window.canvas_area, files(*broken))
    assert "None of the 2 files" in window.canvas_area.banner.accessibleName()
    assert not window.canvas_area.toast.isVisible()


def test_transparency_can_be_put_over_something_else_and_undone(window: MainWindow, tmp_path: Path) -> None:
    rgba = np.zeros((32, 48, 4), np.uint8)
    rgba[..., 3] = np.linspace(0, 255, 48).astype(np.uint8)
    Image.fromarray(rgba).save(tmp_path / "soft.png")
    drag_and_drop(window.canvas_area, files(tmp_path / "soft.png"))
    assert "white" in window.canvas_area.toast.accessibleName()
    white = np.array(window.document.picture)
    assert white[0, :, 0].tolist() == (255 - rgba[0, :, 3].astype(int)).tolist()
    window.document.invert()
    window.import_controller.set_backdrop("black")
    assert not not_none(window.document.picture).any()
    assert window.document.has_mask
    assert window.import_controller.current_backdrop() == "black"
    window.document.undo()
    assert arrays_equal(window.document.picture, white)
    assert window.import_controller.current_backdrop() == "white"
    window.import_controller.set_mask_from_transparency()
    assert arrays_equal(window.document.mask, 255 - rgba[..., 3])
