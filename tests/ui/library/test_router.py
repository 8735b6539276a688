"""Whatever comes in by any entrance is routed to the right place; for the rest, a message says what can be opened."""

from __future__ import annotations

import contextlib
import functools
import threading
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QMimeData, QUrl
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QApplication, QFileDialog, QMenu
from pytestqt.qtbot import QtBot

from sdxl_desktop.core.app_log import application_log
from sdxl_desktop.core.latents import SavedLatents
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.request import GenerationRequest
from sdxl_desktop.core.schedulers import SchedulerName
from sdxl_desktop.core.workspace_value import AdditionsPanelState
from sdxl_desktop.formats.families import Family
from sdxl_desktop.library.importer.import_preview import ImportPreview
from sdxl_desktop.library.scan import Library
from sdxl_desktop.metadata.latent_files import write_latents
from sdxl_desktop.session.document.project_file import Project, save_project
from sdxl_desktop.ui.main_window import MainWindow
from tests.ui.conftest import make_checkpoint, wait_until_idle
from tests.ui.library.conftest import FakeLibraryService, OpenWindow
from tests.ui.painting.test_picture_drops import drag_and_drop
from tests.unit.library.fake_safetensors import original_shapes, write_sparse_file

pytestmark = pytest.mark.usefixtures("plain_style")

SIDE = 24


def picture(file: Path) -> Path:
    Image.fromarray(np.full((SIDE, SIDE, 3), 200, np.uint8)).save(file, "PNG")
    return file


def project(file: Path) -> Path:
    save_project(Project(picture=np.full((SIDE, SIDE, 3), 90, np.uint8), picture_name="inside.png"), file)
    return file


def lora(file: Path) -> Path:
    return write_sparse_file(file, {"lora_unet_a.lora_down.weight": (4, 8)})


def embedding(file: Path) -> Path:
    return write_sparse_file(file, {"clip_l": (2, 768), "clip_g": (2, 1280)})


def checkpoint(file: Path) -> Path:
    return write_sparse_file(file, original_shapes(Family.BASE))


def latents(file: Path) -> Path:
    kept = SavedLatents(
        final=np.zeros((4, 8, 8), np.float32), seed=5, steps=3, scheduler=SchedulerName.EULER, timesteps=()
    )
    write_latents(file, kept, GenerationRequest(checkpoint=Path("starter")))
    return file


def text(file: Path) -> Path:
    file.write_text("nothing of the kind", encoding="utf-8")
    return file


def nothing(file: Path) -> Path:
    file.touch()
    return file


def archive(file: Path) -> Path:
    with zipfile.ZipFile(file, "w") as whole:
        whole.writestr("notes.txt", "nothing of the kind")
    return file


def place_of(window: MainWindow, service: FakeLibraryService) -> str:
    """Return where the input ended up."""
    if window.document.picture is not None:
        return f"canvas {window.document.picture[0, 0, 0]}"
    added = window.parameters_panel.value().additions
    if added.loras or added.embeddings or added.vae:
        return "additions"
    if service.queries:
        return f"look-up of {Path(service.queries[-1]).name}"
    if window.session.results:
        return "strip"
    return "told" if window.canvas_area.banner.isVisible() else "nowhere"


KINDS: dict[str, tuple[Callable[[Path], Path], str, str]] = {
    "picture": (picture, "a.png", "canvas 200"),
    "picture under another name": (picture, "a.dat", "canvas 200"),
    "picture called a project": (picture, "a.sdxld", "canvas 200"),
    "picture called weights": (picture, "a.safetensors", "canvas 200"),
    "project": (project, "a.sdxld", "canvas 90"),
    "project under another name": (project, "a.png", "canvas 90"),
    "LoRA": (lora, "style.safetensors", "additions"),
    "LoRA without an ending": (lora, "style", "additions"),
    "embedding": (embedding, "word.safetensors", "additions"),
    "checkpoint": (checkpoint, "dream.safetensors", "look-up of dream.safetensors"),
    "checkpoint under another name": (checkpoint, "dream.png", "look-up of dream.png"),
    "pickled checkpoint": (text, "dream.ckpt", "look-up of dream.ckpt"),
    "folder": (lambda file: make_checkpoint(file, title="Ready"), "ready", "look-up of ready"),
    "kept latents": (latents, "kept.safetensors", "strip"),
    "damaged weights": (text, "broken.safetensors", "look-up of broken.safetensors"),
    "damaged picture": (text, "broken.png", "told"),
    "damaged project": (text, "broken.sdxld", "told"),
    "text": (text, "notes.txt", "told"),
    "another archive": (archive, "notes.zip", "told"),
    "nothing at all": (nothing, "empty", "told"),
}


def by_drop(window: MainWindow, file: Path, _: pytest.MonkeyPatch) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(file))])
    assert drag_and_drop(window.canvas_area, data)


def by_paste(window: MainWindow, file: Path, _: pytest.MonkeyPatch) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(file))])
    QApplication.clipboard().setMimeData(data)
    menu_entry(window, "Paste").trigger()


def by_pasted_path(window: MainWindow, file: Path, _: pytest.MonkeyPatch) -> None:
    QApplication.clipboard().setText(str(file))
    menu_entry(window, "Paste").trigger()


def by_open(window: MainWindow, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(file), ""))
    menu_entry(window, "Open…").trigger()


def by_command_line(window: MainWindow, file: Path, _: pytest.MonkeyPatch) -> None:
    window.start(files=[file])


def by_recent(window: MainWindow, file: Path, _: pytest.MonkeyPatch) -> None:
    window.project_controller.add_recent(file)
    menu = next(m for m in window.menuBar().findChildren(QMenu) if m.title() == "Open &recent")
    menu.aboutToShow.emit()
    named = [action for action in menu.actions() if action.text() == file.name]
    if file.is_dir():
        assert not named, "recent files are files"
        window.project_controller.open_file_requested.emit(file)
    else:
        named[0].trigger()


ENTRANCES = {
    "drop": by_drop,
    "paste": by_paste,
    "pasted path": by_pasted_path,
    "open": by_open,
    "command line": by_command_line,
    "recent": by_recent,
}


def menu_entry(window: MainWindow, words: str) -> QAction:
    actions = [action for menu in window.menuBar().findChildren(QMenu) for action in menu.actions()]
    return next(action for action in actions if action.text().replace("&", "") == words)


def start_again(window: MainWindow, service: FakeLibraryService) -> None:
    window.library_controller.actions.imports.cancel_resolve()
    window.document.remove_picture()
    window.session.results.clear()
    window.parameters_panel.set_value(replace(window.parameters_panel.value(), additions=AdditionsPanelState()))
    window.controller.dismiss()
    service.queries.clear()


ONE_OF_EACH_PLACE = {place: kind for kind, (_, _, place) in reversed(KINDS.items())}.values()
"""All entrances lead to one router, so every kind comes in through one of them in every run."""


@pytest.mark.parametrize(
    ("entrance", "kinds"),
    [
        pytest.param("drop", KINDS, id="drop, every kind"),
        *(pytest.param(each, ONE_OF_EACH_PLACE, id=each) for each in ENTRANCES if each != "drop"),
        *(
            pytest.param(each, KINDS, id=f"{each}, every kind", marks=pytest.mark.slow)
            for each in ENTRANCES
            if each != "drop"
        ),
    ],
)
def test_everything_ends_where_it_belongs(
    window: MainWindow,
    library_service: FakeLibraryService,
    tmp_path: Path,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
    entrance: str,
    kinds: Iterable[str],
) -> None:
    library_service.may_resolve.clear()
    ended: dict[str, str] = {}
    for number, kind in enumerate(kinds):
        make, name, place = KINDS[kind]
        folder = tmp_path / str(number)
        folder.mkdir()
        start_again(window, library_service)
        ENTRANCES[entrance](window, make(folder / name), monkeypatch)
        with contextlib.suppress(TimeoutError):
            qtbot.waitUntil(functools.partial(_is_at, window, library_service, place), timeout=2000)
        wait_until_idle(qtbot, window)
        ended[kind] = place_of(window, library_service)
    assert ended == {kind: KINDS[kind][2] for kind in kinds}


def _is_at(window: MainWindow, service: FakeLibraryService, place: str) -> bool:
    return place_of(window, service) == place


def test_what_cannot_be_opened_is_reported_with_what_can(window: MainWindow, tmp_path: Path) -> None:
    window.router.open_files([text(tmp_path / "notes.txt")])
    message = window.canvas_area.banner.accessibleName()
    assert "notes.txt cannot be opened" in message
    for kind in ("picture", "project", "checkpoint", "LoRA", "embedding", "VAE", "latents"):
        assert kind in message


def test_the_index_of_a_checkpoint_stands_for_its_folder(
    window: MainWindow, library_service: FakeLibraryService, tmp_path: Path, qtbot: QtBot
) -> None:
    folder = make_checkpoint(tmp_path / "ready", title="Ready")
    window.router.open_files([folder / "model_index.json"])
    qtbot.waitUntil(lambda: library_service.queries == [str(folder)])


@pytest.mark.parametrize("entrance", ["drop", "paste", "command line"])
def test_a_page_of_the_hub_is_looked_up_by_every_entrance(
    window: MainWindow, library_service: FakeLibraryService, qtbot: QtBot, entrance: str
) -> None:
    page = "https://huggingface.co/someone/tiny-xl"
    match entrance:
        case "drop":
            data = QMimeData()
            data.setUrls([QUrl(page)])
            assert drag_and_drop(window.canvas_area, data)
        case "paste":
            QApplication.clipboard().setText(page)
            menu_entry(window, "Paste").trigger()
        case _:
            window.start(files=[page])
    qtbot.waitUntil(lambda: library_service.queries == [page])


def test_several_additions_come_in_together_with_a_picture(window: MainWindow, tmp_path: Path) -> None:
    window.router.open_files(
        [lora(tmp_path / "a.safetensors"), picture(tmp_path / "p.png"), lora(tmp_path / "b.safetensors")]
    )
    assert [one.use.file.name for one in window.parameters_panel.value().additions.loras] == [
        "a.safetensors",
        "b.safetensors",
    ]
    assert window.document.name == "p.png"


class Stumbling(FakeLibraryService):
    """Fails with an unexpected error."""

    def resolve(
        self, what: str, library: Library, *, name: str | None, openvino: bool, cancel: threading.Event
    ) -> ImportPreview:
        raise KeyError("of all things")


def test_a_look_up_that_fails_unexpectedly_is_reported_and_logged(
    own: Path, open_window: OpenWindow, paths: AppPaths, tmp_path: Path, qtbot: QtBot
) -> None:
    window = open_window(Stumbling())
    with application_log(paths.logs):
        window.router.open_files([checkpoint(tmp_path / "dream.safetensors")])
        qtbot.waitUntil(window.canvas_area.banner.isVisible)
    assert "of all things" in window.canvas_area.banner.accessibleName()
    assert "Open the log" in window.canvas_area.banner.accessibleName()
    assert "KeyError: 'of all things'" in paths.log.read_text(encoding="utf-8")
