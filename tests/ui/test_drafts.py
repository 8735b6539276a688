"""The drafts dialog: quick pictures appear, some are selected, the full checkpoint finishes them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import shiboken6
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication, QPushButton
from pytestqt.qtbot import QtBot

from sdxl_desktop.bridge.engine_thread import EngineThread
from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.request import Execution, GenerationRequest
from sdxl_desktop.engine.fake_engine import gradient
from sdxl_desktop.history.folder_files import DRAFTS_FOLDER
from sdxl_desktop.library.scan import read_checkpoint
from sdxl_desktop.session.drafts import DraftingSession
from sdxl_desktop.session.result_files import PictureStore
from sdxl_desktop.ui.drafts.draft_actions import DraftActions
from sdxl_desktop.ui.drafts.draft_tile import DraftTile
from sdxl_desktop.ui.drafts.drafts_dialog import DraftsDialog
from sdxl_desktop.ui.panels.segmented_control import SegmentedControl
from sdxl_desktop.ui.parameters_panel import ParametersPanel
from tests.ui.conftest import GatedEngine, make_checkpoint
from tests.ui.widget_lookup import rgb

pytestmark = pytest.mark.usefixtures("plain_style")


def checkpoint(folder: Path, *, title: str, few_step: bool = False, side: int = 64) -> Checkpoint:
    make_checkpoint(folder, title=title, side=side, steps=4 if few_step else 20)
    (folder / "vae_encoder").mkdir()
    for suffix in ("xml", "bin"):
        (folder / "vae_encoder" / f"openvino_model.{suffix}").write_text("not a network")
    if few_step:
        card = json.loads((folder / "checkpoint.json").read_text())
        (folder / "checkpoint.json").write_text(json.dumps({**card, "scheduler": "lcm"}))
    return read_checkpoint(folder)


@dataclass
class DraftsDriver:
    """A parameters panel, a session with a fake engine, and the draft actions that connect them."""

    engine: GatedEngine
    parameters_panel: ParametersPanel
    session: DraftingSession
    verbs: DraftActions
    pictures: Path
    problems: list[SdxlDesktopError] = field(default_factory=list)

    @property
    def dialog(self) -> DraftsDialog:
        return self.verbs.dialog

    @property
    def tiles(self) -> list[DraftTile]:
        found = self.dialog.findChildren(DraftTile)
        return sorted((tile for tile in found if not tile.isHidden()), key=lambda tile: tile.accessibleName())

    def button(self, words: str) -> QPushButton:
        """Return the button with this text; fails if there is none."""
        message = [button for button in self.dialog.findChildren(QPushButton) if button.text() == words]
        assert message, [button.text() for button in self.dialog.findChildren(QPushButton)]
        return message[0]


@pytest.fixture
def drafts_driver(app: QApplication, qtbot: QtBot, tmp_path: Path) -> Iterator[DraftsDriver]:
    full = checkpoint(tmp_path / "checkpoints" / "full", title="Full")
    quick = checkpoint(tmp_path / "checkpoints" / "full-lcm", title="Full, quick", few_step=True)
    engine = GatedEngine()
    engine.gate.set()
    thread, parameters_panel = EngineThread(engine), ParametersPanel()
    session = DraftingSession(thread, PictureStore(tmp_path / "pictures"))
    problems: list[SdxlDesktopError] = []

    def ask() -> GenerationRequest | None:
        return parameters_panel.build_request(Execution())

    verbs = DraftActions(session, parameters_panel, ask, problems.append, parameters_panel)
    thread.event_received.connect(session.handle)
    session.changed = verbs.refresh
    parameters_panel.set_checkpoints((full, quick))
    verbs.set_checkpoints((full, quick))
    parameters_panel.set_prompt("a red heart")
    parameters_panel.show()
    verbs.open()
    qtbot.waitExposed(verbs.dialog)
    yield DraftsDriver(engine, parameters_panel, session, verbs, tmp_path / "pictures", problems)
    engine.gate.set()
    verbs.dialog.close()
    thread.close()
    parameters_panel.close()
    app.processEvents()
    shiboken6.delete(parameters_panel)


def draw(drafts_driver: DraftsDriver, qtbot: QtBot, words: str = "Draw 4 drafts") -> None:
    qtbot.mouseClick(drafts_driver.button(words), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: drafts_driver.session.run is None and not drafts_driver.session.waiting, timeout=10_000)


def test_four_different_drafts_are_drawn_by_the_few_step_checkpoint(drafts_driver: DraftsDriver, qtbot: QtBot) -> None:
    draw(drafts_driver, qtbot)
    drafts = drafts_driver.session.drafts
    assert len({draft.picture.seed for draft in drafts}) == 4
    assert {draft.request.checkpoint.name for draft in drafts} == {"full-lcm"}
    assert {draft.request.prompts.prompt for draft in drafts} == {"a red heart"}
    assert [tile.draft for tile in drafts_driver.tiles] == drafts
    assert drafts_driver.session.results == []


@pytest.mark.styled
def test_what_is_seen_is_what_was_drawn(drafts_driver: DraftsDriver, qtbot: QtBot) -> None:
    draw(drafts_driver, qtbot)
    tile = drafts_driver.tiles[2]
    assert tile.draft is not None
    place = tile.picture_rect()
    seen = tile.grab().toImage().convertToFormat(QImage.Format.Format_RGB888).pixelColor(place.center())
    middle = gradient(tile.draft.request.sampling.size, tile.draft.picture.seed)[32, 32]
    assert all(abs(a - int(b)) <= 4 for a, b in zip(rgb(seen), middle, strict=True))


def test_the_chosen_ones_are_finished_by_the_full_checkpoint(drafts_driver: DraftsDriver, qtbot: QtBot) -> None:
    draw(drafts_driver, qtbot)
    qtbot.mouseClick(drafts_driver.tiles[1], Qt.MouseButton.LeftButton)
    qtbot.keyClick(drafts_driver.tiles[3], Qt.Key.Key_Space)
    chosen = [drafts_driver.session.drafts[1].picture.seed, drafts_driver.session.drafts[3].picture.seed]
    draw(drafts_driver, qtbot, "Finish 2")
    results = drafts_driver.session.results
    assert [result.picture.seed for result in results] == chosen
    assert {result.request.checkpoint.name for result in results} == {"full"}
    assert all(result.request.edit is not None and result.request.edit.strength == 0.6 for result in results)
    assert len(list((drafts_driver.pictures / DRAFTS_FOLDER).iterdir())) == 2
    assert drafts_driver.dialog.selected_drafts() == []
    assert "finished" in drafts_driver.tiles[1].accessibleName()


def test_more_drafts_of_the_same_prompt_join_those_that_are_there(drafts_driver: DraftsDriver, qtbot: QtBot) -> None:
    drafts_driver.parameters_panel.set_seed(5)
    draw(drafts_driver, qtbot)
    qtbot.mouseClick(drafts_driver.tiles[0], Qt.MouseButton.LeftButton)
    draw(drafts_driver, qtbot, "Draw 4 more")
    assert [draft.picture.seed for draft in drafts_driver.session.drafts] == list(range(5, 13)), (
        "even with a locked seed"
    )
    assert len(drafts_driver.dialog.selected_drafts()) == 1, "what was chosen stays so"
    drafts_driver.parameters_panel.set_prompt("a blue star")
    draw(drafts_driver, qtbot, "Draw 4 more")
    assert {draft.request.prompts.prompt for draft in drafts_driver.session.drafts} == {"a blue star"}
    assert len(drafts_driver.tiles) == 4


def test_places_are_shown_for_what_is_to_come_and_a_press_stops_it(drafts_driver: DraftsDriver, qtbot: QtBot) -> None:
    drafts_driver.engine.gate.clear()
    qtbot.mouseClick(drafts_driver.button("Draw 4 drafts"), Qt.MouseButton.LeftButton)
    assert len(drafts_driver.tiles) == 4
    assert not any(tile.isEnabled() for tile in drafts_driver.tiles), "nothing to choose yet"
    assert not drafts_driver.button("Finish").isEnabled()
    draw(drafts_driver, qtbot, "Cancel")
    assert drafts_driver.tiles == []


def test_a_checkpoint_without_a_quick_relative_drafts_itself(
    drafts_driver: DraftsDriver, qtbot: QtBot, tmp_path: Path
) -> None:
    alone = checkpoint(tmp_path / "checkpoints" / "alone", title="Alone", side=256)
    drafts_driver.parameters_panel.set_checkpoints((alone,))
    drafts_driver.verbs.set_checkpoints((alone,))
    draw(drafts_driver, qtbot)
    assert {draft.request.checkpoint.name for draft in drafts_driver.session.drafts} == {"alone"}
    sampling = drafts_driver.parameters_panel.value().sampling
    assert sampling is not None
    assert drafts_driver.session.drafts[0].request.sampling.steps < sampling.steps


def test_what_cannot_be_finished_is_reported_before_drawing(drafts_driver: DraftsDriver, qtbot: QtBot) -> None:
    known = drafts_driver.parameters_panel.checkpoint()
    assert known is not None
    drafts_driver.parameters_panel.set_checkpoints((replace(known, has_vae_encoder=False),))
    qtbot.mouseClick(drafts_driver.button("Draw 4 drafts"), Qt.MouseButton.LeftButton)
    assert [problem.what for problem in drafts_driver.problems] == ["Full cannot finish a draft."]
    assert drafts_driver.session.run is None


@pytest.mark.styled
def test_nine_make_three_rows(drafts_driver: DraftsDriver, qtbot: QtBot) -> None:
    drafts_driver.dialog.findChildren(SegmentedControl)[0].setCurrentIndex(1)
    draw(drafts_driver, qtbot, "Draw 9 drafts")
    rows = {tile.mapTo(drafts_driver.dialog, tile.rect().topLeft()).y() for tile in drafts_driver.tiles}
    assert (len(drafts_driver.tiles), len(rows)) == (9, 3)


@pytest.mark.styled
def test_the_dialog_is_small_enough_for_small_screens(drafts_driver: DraftsDriver) -> None:
    hint = drafts_driver.dialog.minimumSizeHint()
    assert hint.width() <= 640
    assert hint.height() <= 560
