"""The desk lets a person do every workflow: what is set comes out as the right request, and what cannot be says why."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QComboBox,
    QFileDialog,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QSlider,
    QSpinBox,
    QTabBar,
    QWidget,
)
from pytestqt.qtbot import QtBot
from safetensors.numpy import save_file

from sdxl_desktop.core.additions import Additions, EmbeddingUse, LoraUse
from sdxl_desktop.core.checkpoint import Checkpoint, CheckpointKind, Recommended
from sdxl_desktop.core.edit import Edit, Fit, Ground
from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.geometry import Point, Size
from sdxl_desktop.core.paths import resources
from sdxl_desktop.core.raster import Raster
from sdxl_desktop.core.refine import Refine, RefineWay
from sdxl_desktop.core.request import (
    Execution,
    GenerationRequest,
    MicroConditioning,
    Mode,
    Output,
    Prompts,
    Sampling,
)
from sdxl_desktop.core.sampling import parse_timesteps
from sdxl_desktop.core.schedulers import SchedulerName
from sdxl_desktop.core.settings import AdditionsValue, EditValue, ListedLora, RefinerValue
from sdxl_desktop.core.speed import Speed
from sdxl_desktop.library.tokens import TokenCounter
from sdxl_desktop.ui.desk import Desk
from sdxl_desktop.ui.panels.additions import AdditionsPanel
from sdxl_desktop.ui.panels.micro import MicroPanel, MicroValue
from sdxl_desktop.ui.panels.refiner import RefinerPanel
from sdxl_desktop.ui.panels.sampling import SamplingPanel
from sdxl_desktop.ui.panels.section import Section
from sdxl_desktop.ui.widgets.buttons import Switch
from sdxl_desktop.ui.widgets.prompt_edit import PromptField
from tests.ui.typed import child, named

Kind = TypeVar("Kind", bound=QWidget)

NOTHING = Ground()
NATIVE = Recommended(size=Size(1024, 1024))


def checkpoint(name: str, kind: CheckpointKind = CheckpointKind.BASE, **more: object) -> Checkpoint:
    given = {"title": name.capitalize(), "folder": Path("/checkpoints") / name, "recommended": NATIVE, **more}
    return Checkpoint(name=name, kind=kind, **given)  # type: ignore[arg-type]


BASE = checkpoint("base")
OTHER = checkpoint("other", recommended=Recommended(size=Size(512, 512), steps=12, guidance_scale=3.0))
REFINER = checkpoint("refiner", CheckpointKind.REFINER)
SECOND_REFINER = checkpoint("polish", CheckpointKind.REFINER)
INPAINT = checkpoint("inpaint", CheckpointKind.INPAINT)
BLIND = checkpoint("blind", has_encoder=False)
FEW = checkpoint(
    "few",
    few_step=True,
    recommended=Recommended(size=Size(1024, 1024), steps=4, guidance_scale=1.0, scheduler=SchedulerName.LCM),
)

PICTURE = Raster.of(np.zeros((90, 160, 3), np.uint8), "holiday.png")
MASK = Raster.of(np.pad(np.full((10, 10), 255, np.uint8), ((40, 40), (70, 80))))
ON_PICTURE, ON_MASK = Ground(PICTURE), Ground(PICTURE, MASK)


@pytest.fixture
def desk(app: QApplication, qtbot: QtBot) -> Desk:
    made = Desk()
    qtbot.addWidget(made)
    made.set_checkpoints((BASE, OTHER, REFINER, SECOND_REFINER, INPAINT, BLIND, FEW))
    made.resize(384, 740)
    made.show()
    qtbot.waitExposed(made)
    return made


def choose(desk: Desk, wanted: Checkpoint) -> None:
    box = named(desk, QComboBox, "Checkpoint")
    box.setCurrentIndex(box.findText(wanted.title))


def asked(desk: Desk, ground: Ground = NOTHING) -> GenerationRequest:
    request = desk.request(Execution(), ground)
    assert request is not None
    return request


def put(desk: Desk, **changed: object) -> None:
    desk.set_value(replace(desk.value(), **changed))  # type: ignore[arg-type]


def readable(inside: QWidget) -> str:
    """All the words a person can see."""
    QApplication.processEvents()  # what was just made appears
    return "\n".join(label.text() for label in inside.findChildren(QLabel) if label.isVisibleTo(inside))


def generate(desk: Desk) -> QPushButton:
    return child(desk, QPushButton, "generate")


# what lies on the canvas decides


@pytest.mark.parametrize(
    ("ground", "words", "mode"),
    [
        (Ground(), "Generate", Mode.TEXT_TO_IMAGE),
        (ON_PICTURE, "Redraw picture", Mode.IMAGE_TO_IMAGE),
        (ON_MASK, "Fill masked area", Mode.INPAINT),
    ],
)
def test_the_button_says_what_the_request_will_do(desk: Desk, ground: Ground, words: str, mode: Mode) -> None:
    desk.show_ground(ground)
    assert generate(desk).text() == words
    assert "Ctrl+Enter" in generate(desk).toolTip()
    assert generate(desk).isEnabled()
    assert asked(desk, ground).mode is mode


def test_the_edit_panel_is_there_only_with_a_picture_and_its_mask_rows_only_with_a_mask(desk: Desk) -> None:
    def visible(name: str) -> bool:
        return named(desk, QSlider, f"{name} slider").isVisibleTo(desk)

    named(desk, QAbstractButton, "Details").click()
    seen = []
    for ground in (Ground(), ON_PICTURE, ON_MASK, Ground()):
        desk.show_ground(ground)
        seen.append((visible("Strength"), visible("Mask blur in pixels")))
    assert seen == [(False, False), (True, False), (True, True), (False, False)]


def test_a_picture_is_edited_as_the_panel_says(desk: Desk) -> None:
    desk.show_ground(ON_PICTURE)
    named(desk, QSlider, "Strength slider").setValue(35)
    named(desk, QTabBar, "Fit").setCurrentIndex(2)
    named(desk, QAbstractButton, "Paste back at the picture's own size").click()
    assert asked(desk, ON_PICTURE).edit == Edit(picture=PICTURE, strength=0.35, fit=Fit.STRETCH, keep_size=True)
    assert asked(desk).edit is None, "what is given to the request counts, not what was shown"


def test_a_mask_brings_its_own_strength_blur_and_margin(desk: Desk) -> None:
    put(desk, edit=EditValue(strength=0.4, fill_strength=0.9, mask_blur=6.5, margin=48))
    desk.show_ground(ON_MASK)
    named(desk, QAbstractButton, "Details").click()
    only = named(desk, QAbstractButton, "Draw only the masked area")
    filled = Edit(picture=PICTURE, mask=MASK, strength=0.9, mask_blur=6.5, keep_size=True)
    assert asked(desk, ON_MASK).edit == filled, "what is filled comes back at the picture's own size"
    only.click()
    assert named(desk, QSpinBox, "Margin in pixels").isVisibleTo(desk)
    assert asked(desk, ON_MASK).edit == replace(filled, only_masked=48)
    desk.show_ground(ON_PICTURE)
    assert asked(desk, ON_PICTURE).edit == Edit(picture=PICTURE, strength=0.4), "a mask's settings need a mask"


def test_the_two_strengths_do_not_mix(desk: Desk) -> None:
    slider = named(desk, QSlider, "Strength slider")
    for ground, strength in ((ON_PICTURE, 30), (ON_MASK, 80)):
        desk.show_ground(ground)
        slider.setValue(strength)
    desk.show_ground(Ground())
    value = desk.value().edit
    assert (value.strength, value.fill_strength) == (0.3, 0.8)


def test_the_size_can_take_the_pictures_shape(desk: Desk) -> None:
    desk.show_ground(ON_PICTURE)
    link = named(desk, QPushButton, "Draw in the picture's shape")
    assert link.isVisibleTo(desk)
    link.click()
    size = asked(desk, ON_PICTURE).sampling.size
    assert size == Size(1368, 768), "16 to 9 at about 1024 × 1024 pixels, in steps of 8"
    assert not link.isVisibleTo(desk)


def test_what_a_checkpoint_cannot_do_is_said_before_and_refused(desk: Desk) -> None:
    for chosen, ground, reason in (
        (REFINER, Ground(), "A refiner finishes a picture: put one on the canvas"),
        (REFINER, ON_PICTURE, ""),
        (REFINER, ON_MASK, ""),
        (INPAINT, Ground(), "put a picture on the canvas and paint a mask"),
        (INPAINT, ON_PICTURE, "paint a mask"),
        (INPAINT, ON_MASK, ""),
        (BLIND, Ground(), ""),
        (BLIND, ON_PICTURE, "no VAE encoder"),
    ):
        choose(desk, chosen)
        desk.show_ground(ground)
        assert generate(desk).isEnabled() == (not reason)
        if not reason:
            assert asked(desk, ground).checkpoint == chosen.folder
            continue
        assert reason in generate(desk).toolTip()
        assert reason in readable(desk), "whoever does not point at the button reads it too"
        with pytest.raises(RequestError, match=reason):
            desk.request(Execution(), ground)


def test_a_vae_of_ones_own_can_bring_the_encoder(desk: Desk, tmp_path: Path) -> None:
    choose(desk, BLIND)
    put(desk, additions=AdditionsValue(vae=tmp_path))
    desk.show_ground(ON_PICTURE)
    assert generate(desk).isEnabled()
    assert asked(desk, ON_PICTURE).additions.vae == tmp_path


def test_a_run_can_be_cancelled_whatever_the_canvas_says(desk: Desk, qtbot: QtBot) -> None:
    choose(desk, REFINER)
    desk.show_run(running=True, cancelling=False, waiting=0)
    assert (generate(desk).text(), generate(desk).isEnabled()) == ("Cancel", True)
    with qtbot.waitSignal(desk.cancel_wanted):
        generate(desk).click()


def test_the_first_choice_draws_from_words(app: QApplication, qtbot: QtBot) -> None:
    desk = Desk()
    qtbot.addWidget(desk)
    desk.set_checkpoints((REFINER, INPAINT, BASE))
    assert desk.checkpoint() == BASE


# the refiner


def test_only_refiners_are_offered_and_the_first_one_is_ready(desk: Desk) -> None:
    box = named(desk, QComboBox, "Refiner checkpoint")
    assert [box.itemText(row) for row in range(box.count())] == [REFINER.title, SECOND_REFINER.title]
    assert asked(desk).refine is None
    put(desk, refiner=RefinerValue(on=True, steps=12))
    assert asked(desk).refine == Refine(checkpoint=REFINER.folder, handoff=0.8, steps=12)


def test_both_ways_of_refining_come_out(desk: Desk) -> None:
    put(desk, refiner=RefinerValue(on=True, checkpoint="polish", handoff=0.7, strength=0.2))
    assert asked(desk).refine == Refine(checkpoint=SECOND_REFINER.folder, handoff=0.7, strength=0.2)
    named(desk, QTabBar, "When the refiner comes in").setCurrentIndex(1)
    assert asked(desk).refine == Refine(
        checkpoint=SECOND_REFINER.folder, way=RefineWay.IMG2IMG, handoff=0.7, strength=0.2
    )


def test_the_closed_refiner_says_what_is_set(desk: Desk) -> None:
    put(desk, refiner=RefinerValue(on=True))
    assert "Refiner, takes over at 80 %" in readable(desk)
    put(desk, refiner=RefinerValue(on=True, way=RefineWay.IMG2IMG, strength=0.25))
    assert "Refiner, retouches with strength 0.25" in readable(desk)
    put(desk, refiner=RefinerValue())
    assert "retouches" not in readable(desk)


def test_scores_are_only_told_to_refiners(desk: Desk) -> None:
    scored = RefinerValue(aesthetic_score=7.5, negative_aesthetic_score=1.0)
    told = MicroConditioning(aesthetic_score=7.5, negative_aesthetic_score=1.0)
    put(desk, refiner=scored)
    assert asked(desk).micro_conditioning == MicroConditioning()
    put(desk, refiner=replace(scored, on=True))
    assert asked(desk).micro_conditioning == told
    put(desk, refiner=scored)
    choose(desk, REFINER)
    request = asked(desk, ON_PICTURE)
    assert (request.micro_conditioning, request.refine) == (told, None), "the checkpoint is itself a refiner"


def test_a_library_without_refiners_says_so_plainly(desk: Desk) -> None:
    desk.set_checkpoints((BASE,))
    child(desk, RefinerPanel).section.set_open(True)
    assert "No refiner was found" in readable(desk)
    assert not named(desk, Switch, "Refiner").isEnabled()


def test_a_refiner_that_has_gone_is_named_not_replaced(desk: Desk) -> None:
    put(desk, refiner=RefinerValue(on=True, checkpoint="lost"))
    assert "lost (not found)" in named(desk, QComboBox, "Refiner checkpoint").currentText()
    with pytest.raises(RequestError, match="lost"):
        desk.request(Execution())
    named(desk, QComboBox, "Refiner checkpoint").setCurrentIndex(1)
    named(desk, QComboBox, "Refiner checkpoint").activated.emit(1)
    assert asked(desk).refine == Refine(checkpoint=SECOND_REFINER.folder)


# speed


def test_a_speed_is_asked_for_and_comes_back_with_a_pictures_settings(desk: Desk, qtbot: QtBot) -> None:
    assert asked(desk).sampling.speed is Speed.BALANCED
    with qtbot.waitSignal(desk.changed):
        named(desk, QTabBar, "Speed").setCurrentIndex(2)
    made = asked(desk)
    assert made.sampling.speed is desk.speed() is Speed.FAST
    named(desk, QTabBar, "Speed").setCurrentIndex(0)
    desk.reuse(made, 5)
    assert desk.speed() is Speed.FAST


# LoRA, embeddings, VAE


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    made = {name: tmp_path / f"{name}.safetensors" for name in ("pixel", "ink", "style", "other")}
    for file in made.values():
        file.write_bytes(b"weights")
    return made


def test_added_loras_count_with_their_weights(desk: Desk, files: dict[str, Path], qtbot: QtBot) -> None:
    with qtbot.waitSignal(desk.changed):
        desk.add_lora(files["pixel"])
    desk.add_lora(files["ink"])
    named(desk, QSlider, "Weight of ink slider").setValue(-10)
    assert asked(desk).additions == Additions(loras=(LoraUse(files["pixel"], 1.0), LoraUse(files["ink"], -0.5)))
    named(desk, QAbstractButton, "Use pixel").click()
    assert asked(desk).additions.loras == (LoraUse(files["ink"], -0.5),)
    desk.add_lora(files["pixel"])
    assert len(desk.value().additions.loras) == 2, "adding one again switches it on"
    assert len(asked(desk).additions.loras) == 2
    named(desk, QAbstractButton, "Remove ink").click()
    assert desk.value().additions.loras == (ListedLora(LoraUse(files["pixel"])),)


def test_a_weight_beyond_the_slider_is_kept(desk: Desk, files: dict[str, Path]) -> None:
    put(desk, additions=AdditionsValue(loras=(ListedLora(LoraUse(files["pixel"], 6.5)),)))
    assert asked(desk).additions.loras == (LoraUse(files["pixel"], 6.5),)


def test_an_embedding_costs_as_many_tokens_as_it_has_vectors(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "style.safetensors"
    save_file({"clip_l": np.zeros((4, 8), np.float32), "clip_g": np.zeros((6, 16), np.float32)}, file)
    starter = resources() / "checkpoints" / "starter"
    desk.set_counters(TokenCounter(starter / "tokenizer"), TokenCounter(starter / "tokenizer_2"))
    fields = {child(field, QPlainTextEdit).accessibleName(): field for field in desk.findChildren(PromptField)}
    prompt, second = fields["Prompt"], fields["Prompt for encoder 2"]
    for field in (prompt, second):
        field.set_value("<style>")
    desk.add_embedding(file, "<style>")
    assert prompt.count_label.text() == "6 / 77"
    assert second.count_label.text() == "8 / 77"
    named(desk, QAbstractButton, "Remove style").click()
    assert prompt.count_label.text() != "6 / 77"


def test_an_embedding_counts_where_its_word_is_in_a_prompt(desk: Desk, files: dict[str, Path]) -> None:
    desk.add_embedding(files["style"], "<style>")
    desk.add_embedding(files["other"], "<style>")
    first, second = desk.value().additions.embeddings
    assert (first.token, second.token) == ("<style>", "<style-2>"), "two files need two words"
    assert asked(desk).additions.embeddings == ()
    put(desk, prompts=Prompts(negative_prompt_2="no <style-2>"))
    assert asked(desk).additions.embeddings == (EmbeddingUse(files["other"], "<style-2>"),)
    with pytest.raises(RequestError):
        desk.add_embedding(files["pixel"], "two words")


def test_a_click_on_the_word_writes_it_where_the_cursor_is(desk: Desk, files: dict[str, Path]) -> None:
    desk.add_embedding(files["style"], "<style>")
    put(desk, prompts=Prompts(prompt="a fox, red"))
    edit = named(desk, QPlainTextEdit, "Prompt")
    cursor = edit.textCursor()
    cursor.setPosition(len("a fox"))
    edit.setTextCursor(cursor)
    named(desk, QPushButton, "Write <style> into the prompt").click()
    assert desk.value().prompts.prompt == "a fox <style>, red"
    assert asked(desk).additions.embeddings == (EmbeddingUse(files["style"], "<style>"),)


def test_missing_files_are_shown_as_missing_and_left_out(desk: Desk, files: dict[str, Path], tmp_path: Path) -> None:
    desk.add_lora(files["pixel"])
    desk.add_lora(files["ink"])
    desk.add_embedding(files["style"], "style")
    put(desk, prompts=Prompts(prompt="style"))
    put(desk, additions=replace(desk.value().additions, vae=tmp_path / "gone"))
    before = desk.value().additions
    files["ink"].unlink()
    files["style"].unlink()
    assert asked(desk).additions == Additions(loras=(LoraUse(files["pixel"]),))
    assert "ink (missing)" in readable(desk)
    assert "style (missing)" in readable(desk)
    assert named(desk, QComboBox, "VAE").currentText() == "gone (missing)"
    assert desk.value().additions == before, "they stay in the list"
    child(desk, AdditionsPanel).section.set_open(False)
    assert "1 LoRA · 3 missing" in readable(desk)
    files["ink"].write_bytes(b"back again")
    assert len(asked(desk).additions.loras) == 2


def test_dropped_weight_files_are_offered_to_whoever_can_read_them(desk: Desk, files: dict[str, Path]) -> None:
    offered: list[tuple[Path, ...]] = []
    desk.additions_offered.connect(offered.append)
    dragged = QMimeData()
    dragged.setUrls([QUrl.fromLocalFile(str(file)) for file in (files["pixel"], Path("/notes.txt"), files["style"])])
    drop = QDropEvent(
        QPointF(5, 5),
        Qt.DropAction.CopyAction,
        dragged,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    child(desk, AdditionsPanel).dropEvent(drop)
    assert offered == [(files["pixel"], files["style"])]
    assert desk.value().additions == AdditionsValue()


def test_the_add_button_asks_for_files(desk: Desk, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: ([str(files["ink"])], ""))
    offered: list[tuple[Path, ...]] = []
    desk.additions_offered.connect(offered.append)
    named(desk, QPushButton, "Add files…").click()
    assert offered == [(files["ink"],)]


def test_another_vae_is_chosen_from_a_folder_and_given_back(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = named(desk, QComboBox, "VAE")
    for answer, expected in ((str(tmp_path), tmp_path), ("", tmp_path)):
        monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_, chosen=answer: chosen)
        box.activated.emit(box.count() - 1)
        assert asked(desk).additions.vae == expected, "a cancelled dialog changes nothing"
    box.activated.emit(0)
    assert asked(desk).additions.vae is None


def test_a_vae_may_be_a_file_chosen_or_dropped(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen, dropped = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    chosen.touch()
    dropped.touch()
    box = named(desk, QComboBox, "VAE")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(chosen), ""))
    box.activated.emit(box.findText("Choose a file…"))
    assert asked(desk).additions.vae == chosen
    desk.use_vae(dropped)
    assert asked(desk).additions.vae == dropped
    assert box.currentText() == "b.safetensors"


# variation, timesteps, few steps


def test_a_variation_keeps_the_seed_and_takes_another_second_one_each_time(desk: Desk) -> None:
    named(desk, QSlider, "Variation strength slider").setValue(20)
    first, second = asked(desk).sampling, asked(desk).sampling
    assert first.variation_strength == 0.2
    assert first.seed == second.seed, "it is this seed's picture that varies"
    assert first.variation_seed != second.variation_seed
    named(desk, QAbstractButton, "Lock the variation seed").click()
    assert asked(desk).sampling == asked(desk).sampling
    child(desk, SamplingPanel).variation.section.set_open(False)
    assert f"20 % towards seed {asked(desk).sampling.variation_seed}" in readable(desk)


def test_timesteps_of_ones_own_decide_the_steps_until_they_are_cleared(desk: Desk) -> None:
    steps = named(desk, QSpinBox, "Steps")
    edit = named(desk, QLineEdit, "Timesteps")
    before = steps.value()
    edit.setText("999, 600,200")
    assert (steps.value(), steps.isEnabled()) == (3, False)
    sampling = asked(desk).sampling
    assert (sampling.steps, sampling.timesteps) == (3, (999, 600, 200))
    edit.clear()
    assert (steps.value(), steps.isEnabled()) == (before, True)
    assert asked(desk).sampling.timesteps == ()


def test_timesteps_that_make_no_sense_are_told_at_the_field_and_not_drawn(desk: Desk) -> None:
    child(desk, SamplingPanel).advanced.section.set_open(True)
    for text in ("1, 2", "5, 5", "1000, 3", "-3", "9; 8", "a", "999, 500.5"):
        named(desk, QLineEdit, "Timesteps").setText(text)
        with pytest.raises(RequestError) as refused:
            desk.request(Execution())
        assert str(refused.value) in readable(desk)
        assert desk.value().sampling is not None, "and the settings can still be kept"
        named(desk, QLineEdit, "Timesteps").clear()
        assert str(refused.value) not in readable(desk)
        assert asked(desk).sampling.timesteps == ()


def test_timesteps_are_read_however_they_are_spaced() -> None:
    assert parse_timesteps(" 999,800 ,  3\n") == (999, 800, 3)
    assert parse_timesteps("  ") == ()


def drawn_like(desk: Desk) -> tuple[SchedulerName, int, float]:
    sampling = desk.value().sampling
    assert sampling is not None
    return sampling.scheduler, sampling.steps, sampling.guidance_scale


MINE = Sampling(size=Size(1216, 832), scheduler=SchedulerName.HEUN, steps=44, guidance_scale=7.5)


def test_a_few_step_checkpoint_sets_what_it_needs_and_says_so_and_leaving_it_restores(desk: Desk) -> None:
    put(desk, sampling=MINE)
    choose(desk, FEW)
    assert drawn_like(desk) == (SchedulerName.LCM, 4, 1.0)
    assert "LCM, 4 steps, guidance 1" in readable(desk)
    choose(desk, BASE)
    assert desk.value().sampling == MINE
    assert "LCM, 4 steps" not in readable(desk)


def test_a_few_step_checkpoints_settings_can_be_declined(desk: Desk) -> None:
    put(desk, sampling=MINE)
    choose(desk, FEW)
    named(desk, QPushButton, "Keep mine").click()
    assert desk.value().checkpoint == "few"
    assert drawn_like(desk) == (SchedulerName.HEUN, 44, 7.5)
    assert "Set for it" not in readable(desk)


def test_going_on_to_a_third_checkpoint_takes_what_that_was_made_for(desk: Desk) -> None:
    put(desk, sampling=MINE)
    choose(desk, FEW)
    choose(desk, OTHER)
    assert drawn_like(desk) == (SchedulerName.EULER, 12, 3.0)
    choose(desk, BASE)
    assert drawn_like(desk) == (SchedulerName.EULER, 30, 5.0), "what was remembered is not brought back later"


# micro-conditioning


@pytest.fixture
def micro(app: QApplication, qtbot: QtBot) -> MicroPanel:
    panel = MicroPanel()
    qtbot.addWidget(panel)
    panel.set_value(MicroValue(True))
    panel.section.set_open(True)
    panel.resize(348, 600)
    panel.show()
    qtbot.waitExposed(panel)
    return panel


def drag(qtbot: QtBot, widget: QWidget, start: QPointF, by: QPoint) -> None:
    place = start.toPoint()
    qtbot.mousePress(widget, Qt.MouseButton.LeftButton, pos=place)
    qtbot.mouseMove(widget, place + by / 2)
    qtbot.mouseMove(widget, place + by)
    qtbot.mouseRelease(widget, Qt.MouseButton.LeftButton, pos=place + by)


def test_pulling_the_corners_sets_the_sizes_and_the_numbers_follow(micro: MicroPanel, qtbot: QtBot) -> None:
    drawing = micro.towards.original_drawing
    drag(qtbot, drawing, drawing.corner_place(), QPoint(-20, -8))
    original = micro.value().conditioning.original_size
    assert original is not None
    assert 1024 > original.height > original.width > 512
    assert (original.width % 8, original.height % 8) == (0, 0)
    assert named(micro, QSpinBox, "Original size width").value() == original.width
    crop = micro.towards.crop_drawing
    drag(qtbot, crop, crop.corner_place(), QPoint(-20, 0))
    target = micro.value().conditioning.target_size
    assert target is not None
    assert target.width < 1024 == target.height
    assert micro.value().conditioning.crop_top_left is None, "pulling the corner moves nothing"


def test_dragging_the_box_moves_the_crop_but_never_outside_at_the_top_left(micro: MicroPanel, qtbot: QtBot) -> None:
    drawing = micro.towards.crop_drawing
    drag(qtbot, drawing, QPointF(drawing.rect().center()), QPoint(12, 5))
    crop = micro.value().conditioning.crop_top_left
    assert crop is not None
    assert crop.x > crop.y > 0
    assert micro.value().conditioning.target_size is None, "moving resizes nothing"
    drag(qtbot, drawing, QPointF(drawing.rect().center()), QPoint(-80, -80))
    assert micro.value().conditioning.crop_top_left == Point(0, 0)


def test_the_drawings_can_be_used_from_the_keyboard(micro: MicroPanel, qtbot: QtBot) -> None:
    keys, modifiers = Qt.Key, Qt.KeyboardModifier
    none, shift, ctrl = modifiers.NoModifier, modifiers.ShiftModifier, modifiers.ControlModifier
    crop, original = micro.towards.crop_drawing, micro.towards.original_drawing
    for key, modifier in ((keys.Key_Right, none), (keys.Key_Right, none), (keys.Key_Down, ctrl)):
        qtbot.keyClick(crop, key, modifier)
    qtbot.keyClick(crop, keys.Key_Left, shift)
    qtbot.keyClick(original, keys.Key_Up)
    assert micro.value().conditioning == MicroConditioning(
        crop_top_left=Point(16, 1), target_size=Size(1016, 1024), original_size=Size(1024, 1016)
    )
    assert "16, 1" in crop.accessibleDescription()
    for drawing in (crop, original):
        qtbot.keyClick(drawing, keys.Key_Home)
    assert micro.value().conditioning == MicroConditioning()


def test_a_drag_is_told_and_typed_numbers_move_the_box(micro: MicroPanel, qtbot: QtBot) -> None:
    drawing = micro.towards.original_drawing
    with qtbot.waitSignal(micro.changed):
        drag(qtbot, drawing, drawing.corner_place(), QPoint(-10, -10))
    named(micro, QSpinBox, "Original size width").setValue(4096)
    assert drawing.box().width() == 4096


def test_each_value_can_be_reset_alone(micro: MicroPanel) -> None:
    given = MicroConditioning(
        original_size=Size(512, 512),
        crop_top_left=Point(8, 8),
        target_size=Size(640, 640),
        negative_crop_top_left=Point(64, 0),
    )
    micro.set_value(MicroValue(True, given))
    named(micro, QAbstractButton, "Reset crop").click()
    assert micro.value().conditioning == replace(given, crop_top_left=None)
    assert not named(micro, QAbstractButton, "Reset crop").isEnabled()
    named(micro, QAbstractButton, "Reset negative crop").click()
    assert micro.value().conditioning == replace(given, crop_top_left=None, negative_crop_top_left=None)


def test_the_other_side_is_edited_by_itself(micro: MicroPanel, qtbot: QtBot) -> None:
    named(micro, QTabBar, "Which side is edited").setCurrentIndex(1)
    assert micro.away.isVisible()
    assert not micro.towards.isVisible()
    qtbot.keyClick(micro.away.crop_drawing, Qt.Key.Key_Right)
    assert micro.value().conditioning == MicroConditioning(negative_crop_top_left=Point(8, 0))


def test_each_value_is_explained_in_plain_sight(micro: MicroPanel) -> None:
    for side in range(2):
        named(micro, QTabBar, "Which side is edited").setCurrentIndex(side)
        sentences = [line for line in readable(micro).splitlines() if line.endswith(".")]
        assert len(sentences) == 3


def test_compare_asks_for_the_same_seed_without_and_with(desk: Desk, qtbot: QtBot) -> None:
    values = MicroConditioning(original_size=Size(256, 256))
    put(
        desk,
        micro_conditioning=values,
        micro_conditioning_on=True,
        sampling=replace(MINE, seed=5, count=4),
        refiner=RefinerValue(on=True, aesthetic_score=9.0),
    )
    with qtbot.waitSignal(desk.compare_wanted):
        named(desk, QPushButton, "Compare with and without").click()
    both = desk.requests_to_compare(Execution(), ON_PICTURE, output=Output(watermark=False))
    assert both is not None
    without, with_it = both
    assert without.micro_conditioning == MicroConditioning(aesthetic_score=9.0)
    assert with_it.micro_conditioning == replace(values, aesthetic_score=9.0)
    assert replace(without, micro_conditioning=with_it.micro_conditioning) == with_it
    assert (with_it.sampling.seed, with_it.sampling.count) == (5, 1)
    assert with_it.edit is not None
    assert not with_it.output.watermark


def test_there_is_nothing_to_compare_while_all_is_auto(micro: MicroPanel) -> None:
    button = named(micro, QPushButton, "Compare with and without")
    assert not button.isEnabled()
    micro.set_value(MicroValue(True, MicroConditioning(crop_top_left=Point(0, 9))))
    assert button.isEnabled()


# all of it, there and back


def everything(files: dict[str, Path], folder: Path, edit: Edit | None) -> GenerationRequest:
    return GenerationRequest(
        checkpoint=OTHER.folder,
        prompts=Prompts(prompt="a <style> fox", negative_prompt="dust", prompt_2="b", clip_skip=1),
        sampling=Sampling(
            size=Size(640, 512),
            steps=3,
            timesteps=(900, 500, 100),
            guidance_scale=6.25,
            guidance_rescale=0.333,
            scheduler=SchedulerName.DDIM,
            seed=1234,
            variation_seed=99,
            variation_strength=0.125,
        ),
        micro_conditioning=MicroConditioning(
            original_size=Size(300, 200), negative_crop_top_left=Point(1, 2), aesthetic_score=7.25
        ),
        edit=edit,
        refine=Refine(checkpoint=SECOND_REFINER.folder, way=RefineWay.IMG2IMG, handoff=0.725, steps=7, strength=0.123),
        additions=Additions(
            loras=(LoraUse(files["ink"], 0.125), LoraUse(files["pixel"], -3.0)),
            embeddings=(EmbeddingUse(files["style"], "<style>"),),
            vae=folder,
        ),
        output=Output(watermark=False, keep_latents="steps"),
        execution=Execution(threads=2),
    )


@pytest.mark.parametrize(
    ("edit", "ground"),
    [
        (None, Ground()),
        (Edit(picture=PICTURE, strength=0.333, fit=Fit.PAD, keep_size=True), ON_PICTURE),
        (Edit(picture=PICTURE, mask=MASK, strength=0.777, mask_blur=3.25, only_masked=17), ON_MASK),
        (Edit(picture=PICTURE, mask=MASK, strength=1.0), ON_MASK),
    ],
    ids=["text to image", "image to image", "only masked", "inpaint"],
)
def test_reuse_brings_back_exactly_what_made_a_picture(
    desk: Desk, files: dict[str, Path], tmp_path: Path, edit: Edit | None, ground: Ground
) -> None:
    """Of a result of this sitting, and of a file's record, whose names mean what is listed."""
    made_by = everything(files, tmp_path, edit)
    missing = desk.reuse(made_by.recorded(), made_by.sampling.seed)
    assert missing is not None
    for name in ("ink.safetensors", "style.safetensors"):
        assert name in str(missing), "what is not listed is told"
    for record in (made_by, made_by.recorded()):
        assert desk.reuse(record, made_by.sampling.seed) is None
        desk.show_ground(ground)
        assert desk.request(made_by.execution, ground, output=made_by.output) == made_by


def test_reuse_takes_nothing_away_from_the_list(desk: Desk, files: dict[str, Path]) -> None:
    desk.add_lora(files["pixel"])
    desk.add_embedding(files["other"], "other")
    desk.reuse(GenerationRequest(checkpoint=BASE.folder), seed=3)
    assert desk.value().additions == AdditionsValue(
        loras=(ListedLora(LoraUse(files["pixel"]), on=False),), embeddings=(EmbeddingUse(files["other"], "other"),)
    )
    assert asked(desk) == GenerationRequest(checkpoint=BASE.folder, sampling=Sampling(seed=3))
    assert not desk.value().refiner.on


def test_a_request_that_is_refused_does_not_take_a_new_seed(desk: Desk) -> None:
    choose(desk, REFINER)
    before = desk.value().sampling
    with pytest.raises(RequestError):
        desk.request(Execution())
    assert desk.value().sampling == before


def test_closed_sections_are_the_default_and_say_nothing_unless_something_is_set(desk: Desk) -> None:
    assert desk.value().open_sections == ()
    assert all(not section.summary() for section in desk.findChildren(Section))


def test_nothing_is_cut_off_where_the_desk_is_as_narrow_as_it_gets(desk: Desk, files: dict[str, Path]) -> None:
    desk.show_ground(ON_MASK)
    desk.add_lora(files["pixel"])
    desk.add_embedding(files["style"], "<a-rather-long-word-for-a-style>")
    desk.resize(desk.minimumWidth(), 740)
    for section in desk.findChildren(Section):
        section.set_open(True)
    QApplication.processEvents()
    content = desk.findChild(QWidget, "deskContent")
    assert content is not None
    shown = content.parentWidget()
    assert shown is not None
    assert content.width() <= shown.width()
