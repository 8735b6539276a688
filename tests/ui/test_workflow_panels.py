"""The parameters panel supports every workflow: settings give the right request, and invalid ones say why."""

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

from sdxl_desktop.core.additions import Additions, EmbeddingReference, LoraReference
from sdxl_desktop.core.checkpoint import Checkpoint, CheckpointKind, RecommendedSettings
from sdxl_desktop.core.edit import EditParameters, EditSource, FitMode
from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.geometry import Point, Size
from sdxl_desktop.core.paths import resources_folder
from sdxl_desktop.core.raster import Raster
from sdxl_desktop.core.refine import RefinerMode, RefinerParameters
from sdxl_desktop.core.request import (
    Execution,
    GenerationMode,
    GenerationRequest,
    MicroConditioning,
    OutputOptions,
    Prompts,
    Sampling,
)
from sdxl_desktop.core.sampling import parse_timesteps
from sdxl_desktop.core.schedulers import SchedulerName
from sdxl_desktop.core.settings import AdditionsPanelState, EditPanelState, LoraListItem, RefinerPanelState
from sdxl_desktop.core.speed import SpeedPreset
from sdxl_desktop.library.token_count import TokenCounter
from sdxl_desktop.ui.panels.adapters_panel import AdaptersPanel
from sdxl_desktop.ui.panels.micro_conditioning_panel import MicroConditioningPanel, MicroConditioningValue
from sdxl_desktop.ui.panels.panel_section import PanelSection
from sdxl_desktop.ui.panels.refiner_panel import RefinerPanel
from sdxl_desktop.ui.panels.sampling_panel import SamplingPanel
from sdxl_desktop.ui.parameters_panel import ParametersPanel
from sdxl_desktop.ui.widgets.buttons import Switch
from sdxl_desktop.ui.widgets.prompt_edit import PromptField
from tests.ui.widget_lookup import find_child, find_named

Kind = TypeVar("Kind", bound=QWidget)

NOTHING = EditSource()
NATIVE = RecommendedSettings(size=Size(1024, 1024))


def checkpoint(name: str, kind: CheckpointKind = CheckpointKind.BASE, **more: object) -> Checkpoint:
    given = {"title": name.capitalize(), "folder": Path("/checkpoints") / name, "recommended": NATIVE, **more}
    return Checkpoint(name=name, kind=kind, **given)  # type: ignore[arg-type]


BASE = checkpoint("base")
OTHER = checkpoint("other", recommended=RecommendedSettings(size=Size(512, 512), steps=12, guidance_scale=3.0))
REFINER = checkpoint("refiner", CheckpointKind.REFINER)
SECOND_REFINER = checkpoint("polish", CheckpointKind.REFINER)
INPAINT = checkpoint("inpaint", CheckpointKind.INPAINT)
BLIND = checkpoint("blind", has_vae_encoder=False)
FEW = checkpoint(
    "few",
    is_few_step=True,
    recommended=RecommendedSettings(size=Size(1024, 1024), steps=4, guidance_scale=1.0, scheduler=SchedulerName.LCM),
)

PICTURE = Raster.from_pixels(np.zeros((90, 160, 3), np.uint8), "holiday.png")
MASK = Raster.from_pixels(np.pad(np.full((10, 10), 255, np.uint8), ((40, 40), (70, 80))))
ON_PICTURE, ON_MASK = EditSource(PICTURE), EditSource(PICTURE, MASK)


@pytest.fixture
def desk(app: QApplication, qtbot: QtBot) -> ParametersPanel:
    made = ParametersPanel()
    qtbot.addWidget(made)
    made.set_checkpoints((BASE, OTHER, REFINER, SECOND_REFINER, INPAINT, BLIND, FEW))
    made.resize(384, 740)
    made.show()
    qtbot.waitExposed(made)
    return made


def choose(desk: ParametersPanel, wanted: Checkpoint) -> None:
    box = find_named(desk, QComboBox, "Checkpoint")
    box.setCurrentIndex(box.findText(wanted.title))


def requested(desk: ParametersPanel, ground: EditSource = NOTHING) -> GenerationRequest:
    request = desk.build_request(Execution(), ground)
    assert request is not None
    return request


def set_parameters(desk: ParametersPanel, **changed: object) -> None:
    desk.set_value(replace(desk.value(), **changed))  # type: ignore[arg-type]


def visible_text(inside: QWidget) -> str:
    """Return all visible text."""
    QApplication.processEvents()  # so that new widgets appear
    return "\n".join(label.text() for label in inside.findChildren(QLabel) if label.isVisibleTo(inside))


def generate(desk: ParametersPanel) -> QPushButton:
    return find_child(desk, QPushButton, "generate")


# the picture on the canvas determines the mode


@pytest.mark.parametrize(
    ("ground", "words", "mode"),
    [
        (EditSource(), "Generate", GenerationMode.TEXT_TO_IMAGE),
        (ON_PICTURE, "Redraw picture", GenerationMode.IMAGE_TO_IMAGE),
        (ON_MASK, "Fill masked area", GenerationMode.INPAINT),
    ],
)
def test_the_button_says_what_the_request_will_do(
    desk: ParametersPanel, ground: EditSource, words: str, mode: GenerationMode
) -> None:
    desk.set_edit_source(ground)
    assert generate(desk).text() == words
    assert "Ctrl+Enter" in generate(desk).toolTip()
    assert generate(desk).isEnabled()
    assert requested(desk, ground).mode is mode


def test_the_edit_panel_is_there_only_with_a_picture_and_its_mask_rows_only_with_a_mask(desk: ParametersPanel) -> None:
    def visible(name: str) -> bool:
        return find_named(desk, QSlider, f"{name} slider").isVisibleTo(desk)

    find_named(desk, QAbstractButton, "Details").click()
    seen = []
    for ground in (EditSource(), ON_PICTURE, ON_MASK, EditSource()):
        desk.set_edit_source(ground)
        seen.append((visible("Strength"), visible("Mask blur in pixels")))
    assert seen == [(False, False), (True, False), (True, True), (False, False)]


def test_a_picture_is_edited_as_the_panel_says(desk: ParametersPanel) -> None:
    desk.set_edit_source(ON_PICTURE)
    find_named(desk, QSlider, "Strength slider").setValue(35)
    find_named(desk, QTabBar, "Fit").setCurrentIndex(2)
    find_named(desk, QAbstractButton, "Paste back at the picture's own size").click()
    assert requested(desk, ON_PICTURE).edit == EditParameters(
        picture=PICTURE, strength=0.35, fit=FitMode.STRETCH, keep_size=True
    )
    assert requested(desk).edit is None, "what is given to the request counts, not what was shown"


def test_a_mask_brings_its_own_strength_blur_and_margin(desk: ParametersPanel) -> None:
    set_parameters(desk, edit=EditPanelState(strength=0.4, fill_strength=0.9, mask_blur=6.5, margin=48))
    desk.set_edit_source(ON_MASK)
    find_named(desk, QAbstractButton, "Details").click()
    only = find_named(desk, QAbstractButton, "Draw only the masked area")
    filled = EditParameters(picture=PICTURE, mask=MASK, strength=0.9, mask_blur=6.5, keep_size=True)
    assert requested(desk, ON_MASK).edit == filled, "what is filled comes back at the picture's own size"
    only.click()
    assert find_named(desk, QSpinBox, "Margin in pixels").isVisibleTo(desk)
    assert requested(desk, ON_MASK).edit == replace(filled, only_masked=48)
    desk.set_edit_source(ON_PICTURE)
    assert requested(desk, ON_PICTURE).edit == EditParameters(picture=PICTURE, strength=0.4), (
        "a mask's settings need a mask"
    )


def test_the_two_strengths_do_not_mix(desk: ParametersPanel) -> None:
    slider = find_named(desk, QSlider, "Strength slider")
    for ground, strength in ((ON_PICTURE, 30), (ON_MASK, 80)):
        desk.set_edit_source(ground)
        slider.setValue(strength)
    desk.set_edit_source(EditSource())
    value = desk.value().edit
    assert (value.strength, value.fill_strength) == (0.3, 0.8)


def test_the_size_can_take_the_pictures_shape(desk: ParametersPanel) -> None:
    desk.set_edit_source(ON_PICTURE)
    link = find_named(desk, QPushButton, "Draw in the picture's shape")
    assert link.isVisibleTo(desk)
    link.click()
    size = requested(desk, ON_PICTURE).sampling.size
    assert size == Size(1368, 768), "16 to 9 at about 1024 × 1024 pixels, in steps of 8"
    assert not link.isVisibleTo(desk)


def test_what_a_checkpoint_cannot_do_is_said_before_and_refused(desk: ParametersPanel) -> None:
    for chosen, ground, reason in (
        (REFINER, EditSource(), "A refiner finishes a picture: put one on the canvas"),
        (REFINER, ON_PICTURE, ""),
        (REFINER, ON_MASK, ""),
        (INPAINT, EditSource(), "put a picture on the canvas and paint a mask"),
        (INPAINT, ON_PICTURE, "paint a mask"),
        (INPAINT, ON_MASK, ""),
        (BLIND, EditSource(), ""),
        (BLIND, ON_PICTURE, "no VAE encoder"),
    ):
        choose(desk, chosen)
        desk.set_edit_source(ground)
        assert generate(desk).isEnabled() == (not reason)
        if not reason:
            assert requested(desk, ground).checkpoint == chosen.folder
            continue
        assert reason in generate(desk).toolTip()
        assert reason in visible_text(desk), "whoever does not point at the button reads it too"
        with pytest.raises(RequestError, match=reason):
            desk.build_request(Execution(), ground)


def test_a_vae_of_ones_own_can_bring_the_encoder(desk: ParametersPanel, tmp_path: Path) -> None:
    choose(desk, BLIND)
    set_parameters(desk, additions=AdditionsPanelState(vae=tmp_path))
    desk.set_edit_source(ON_PICTURE)
    assert generate(desk).isEnabled()
    assert requested(desk, ON_PICTURE).additions.vae == tmp_path


def test_a_run_can_be_cancelled_whatever_the_canvas_says(desk: ParametersPanel, qtbot: QtBot) -> None:
    choose(desk, REFINER)
    desk.set_run_status(running=True, cancelling=False, waiting=0)
    assert (generate(desk).text(), generate(desk).isEnabled()) == ("Cancel", True)
    with qtbot.waitSignal(desk.cancel_requested):
        generate(desk).click()


def test_the_first_choice_draws_from_words(app: QApplication, qtbot: QtBot) -> None:
    desk = ParametersPanel()
    qtbot.addWidget(desk)
    desk.set_checkpoints((REFINER, INPAINT, BASE))
    assert desk.checkpoint() == BASE


# the refiner


def test_only_refiners_are_offered_and_the_first_one_is_ready(desk: ParametersPanel) -> None:
    box = find_named(desk, QComboBox, "Refiner checkpoint")
    assert [box.itemText(row) for row in range(box.count())] == [REFINER.title, SECOND_REFINER.title]
    assert requested(desk).refine is None
    set_parameters(desk, refiner=RefinerPanelState(on=True, steps=12))
    assert requested(desk).refine == RefinerParameters(checkpoint=REFINER.folder, handoff=0.8, steps=12)


def test_both_ways_of_refining_come_out(desk: ParametersPanel) -> None:
    set_parameters(desk, refiner=RefinerPanelState(on=True, checkpoint="polish", handoff=0.7, strength=0.2))
    assert requested(desk).refine == RefinerParameters(checkpoint=SECOND_REFINER.folder, handoff=0.7, strength=0.2)
    find_named(desk, QTabBar, "When the refiner comes in").setCurrentIndex(1)
    assert requested(desk).refine == RefinerParameters(
        checkpoint=SECOND_REFINER.folder, way=RefinerMode.IMG2IMG, handoff=0.7, strength=0.2
    )


def test_the_closed_refiner_says_what_is_set(desk: ParametersPanel) -> None:
    set_parameters(desk, refiner=RefinerPanelState(on=True))
    assert "Refiner, takes over at 80 %" in visible_text(desk)
    set_parameters(desk, refiner=RefinerPanelState(on=True, way=RefinerMode.IMG2IMG, strength=0.25))
    assert "Refiner, retouches with strength 0.25" in visible_text(desk)
    set_parameters(desk, refiner=RefinerPanelState())
    assert "retouches" not in visible_text(desk)


def test_scores_are_only_told_to_refiners(desk: ParametersPanel) -> None:
    scored = RefinerPanelState(aesthetic_score=7.5, negative_aesthetic_score=1.0)
    told = MicroConditioning(aesthetic_score=7.5, negative_aesthetic_score=1.0)
    set_parameters(desk, refiner=scored)
    assert requested(desk).micro_conditioning == MicroConditioning()
    set_parameters(desk, refiner=replace(scored, on=True))
    assert requested(desk).micro_conditioning == told
    set_parameters(desk, refiner=scored)
    choose(desk, REFINER)
    request = requested(desk, ON_PICTURE)
    assert (request.micro_conditioning, request.refine) == (told, None), "the checkpoint is itself a refiner"


def test_a_library_without_refiners_says_so_plainly(desk: ParametersPanel) -> None:
    desk.set_checkpoints((BASE,))
    find_child(desk, RefinerPanel).section.set_open(True)
    assert "No refiner was found" in visible_text(desk)
    assert not find_named(desk, Switch, "Refiner").isEnabled()


def test_a_refiner_that_has_gone_is_named_not_replaced(desk: ParametersPanel) -> None:
    set_parameters(desk, refiner=RefinerPanelState(on=True, checkpoint="lost"))
    assert "lost (not found)" in find_named(desk, QComboBox, "Refiner checkpoint").currentText()
    with pytest.raises(RequestError, match="lost"):
        desk.build_request(Execution())
    find_named(desk, QComboBox, "Refiner checkpoint").setCurrentIndex(1)
    find_named(desk, QComboBox, "Refiner checkpoint").activated.emit(1)
    assert requested(desk).refine == RefinerParameters(checkpoint=SECOND_REFINER.folder)


# speed


def test_a_speed_is_asked_for_and_comes_back_with_a_pictures_settings(desk: ParametersPanel, qtbot: QtBot) -> None:
    assert requested(desk).sampling.speed is SpeedPreset.BALANCED
    with qtbot.waitSignal(desk.changed):
        find_named(desk, QTabBar, "Speed").setCurrentIndex(2)
    made = requested(desk)
    assert made.sampling.speed is desk.speed() is SpeedPreset.FAST
    find_named(desk, QTabBar, "Speed").setCurrentIndex(0)
    desk.apply_recorded(made, 5)
    assert desk.speed() is SpeedPreset.FAST


# LoRA, embeddings, VAE


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    made = {name: tmp_path / f"{name}.safetensors" for name in ("pixel", "ink", "style", "other")}
    for file in made.values():
        file.write_bytes(b"weights")
    return made


def test_added_loras_count_with_their_weights(desk: ParametersPanel, files: dict[str, Path], qtbot: QtBot) -> None:
    with qtbot.waitSignal(desk.changed):
        desk.add_lora(files["pixel"])
    desk.add_lora(files["ink"])
    find_named(desk, QSlider, "Weight of ink slider").setValue(-10)
    assert requested(desk).additions == Additions(
        loras=(LoraReference(files["pixel"], 1.0), LoraReference(files["ink"], -0.5))
    )
    find_named(desk, QAbstractButton, "Use pixel").click()
    assert requested(desk).additions.loras == (LoraReference(files["ink"], -0.5),)
    desk.add_lora(files["pixel"])
    assert len(desk.value().additions.loras) == 2, "adding one again switches it on"
    assert len(requested(desk).additions.loras) == 2
    find_named(desk, QAbstractButton, "Remove ink").click()
    assert desk.value().additions.loras == (LoraListItem(LoraReference(files["pixel"])),)


def test_a_weight_beyond_the_slider_is_kept(desk: ParametersPanel, files: dict[str, Path]) -> None:
    set_parameters(desk, additions=AdditionsPanelState(loras=(LoraListItem(LoraReference(files["pixel"], 6.5)),)))
    assert requested(desk).additions.loras == (LoraReference(files["pixel"], 6.5),)


def test_an_embedding_costs_as_many_tokens_as_it_has_vectors(desk: ParametersPanel, tmp_path: Path) -> None:
    file = tmp_path / "style.safetensors"
    save_file({"clip_l": np.zeros((4, 8), np.float32), "clip_g": np.zeros((6, 16), np.float32)}, file)
    starter = resources_folder() / "checkpoints" / "starter"
    desk.set_counters(TokenCounter(starter / "tokenizer"), TokenCounter(starter / "tokenizer_2"))
    fields = {find_child(field, QPlainTextEdit).accessibleName(): field for field in desk.findChildren(PromptField)}
    prompt, second = fields["Prompt"], fields["Prompt for encoder 2"]
    for field in (prompt, second):
        field.set_value("<style>")
    desk.add_embedding(file, "<style>")
    assert prompt.count_label.text() == "6 / 77"
    assert second.count_label.text() == "8 / 77"
    find_named(desk, QAbstractButton, "Remove style").click()
    assert prompt.count_label.text() != "6 / 77"


def test_an_embedding_counts_where_its_word_is_in_a_prompt(desk: ParametersPanel, files: dict[str, Path]) -> None:
    desk.add_embedding(files["style"], "<style>")
    desk.add_embedding(files["other"], "<style>")
    first, second = desk.value().additions.embeddings
    assert (first.token, second.token) == ("<style>", "<style-2>"), "two files need two words"
    assert requested(desk).additions.embeddings == ()
    set_parameters(desk, prompts=Prompts(negative_prompt_2="no <style-2>"))
    assert requested(desk).additions.embeddings == (EmbeddingReference(files["other"], "<style-2>"),)
    with pytest.raises(RequestError):
        desk.add_embedding(files["pixel"], "two words")


def test_a_click_on_the_word_writes_it_where_the_cursor_is(desk: ParametersPanel, files: dict[str, Path]) -> None:
    desk.add_embedding(files["style"], "<style>")
    set_parameters(desk, prompts=Prompts(prompt="a fox, red"))
    edit = find_named(desk, QPlainTextEdit, "Prompt")
    cursor = edit.textCursor()
    cursor.setPosition(len("a fox"))
    edit.setTextCursor(cursor)
    find_named(desk, QPushButton, "Write <style> into the prompt").click()
    assert desk.value().prompts.prompt == "a fox <style>, red"
    assert requested(desk).additions.embeddings == (EmbeddingReference(files["style"], "<style>"),)


def test_missing_files_are_shown_as_missing_and_left_out(
    desk: ParametersPanel, files: dict[str, Path], tmp_path: Path
) -> None:
    desk.add_lora(files["pixel"])
    desk.add_lora(files["ink"])
    desk.add_embedding(files["style"], "style")
    set_parameters(desk, prompts=Prompts(prompt="style"))
    set_parameters(desk, additions=replace(desk.value().additions, vae=tmp_path / "gone"))
    before = desk.value().additions
    files["ink"].unlink()
    files["style"].unlink()
    assert requested(desk).additions == Additions(loras=(LoraReference(files["pixel"]),))
    assert "ink (missing)" in visible_text(desk)
    assert "style (missing)" in visible_text(desk)
    assert find_named(desk, QComboBox, "VAE").currentText() == "gone (missing)"
    assert desk.value().additions == before, "they stay in the list"
    find_child(desk, AdaptersPanel).section.set_open(False)
    assert "1 LoRA · 3 missing" in visible_text(desk)
    files["ink"].write_bytes(b"back again")
    assert len(requested(desk).additions.loras) == 2


def test_dropped_weight_files_are_offered_to_whoever_can_read_them(
    desk: ParametersPanel, files: dict[str, Path]
) -> None:
    offered: list[tuple[Path, ...]] = []
    desk.adapter_files_added.connect(offered.append)
    dragged = QMimeData()
    dragged.setUrls([QUrl.fromLocalFile(str(file)) for file in (files["pixel"], Path("/notes.txt"), files["style"])])
    drop = QDropEvent(
        QPointF(5, 5),
        Qt.DropAction.CopyAction,
        dragged,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    find_child(desk, AdaptersPanel).dropEvent(drop)
    assert offered == [(files["pixel"], files["style"])]
    assert desk.value().additions == AdditionsPanelState()


def test_the_add_button_asks_for_files(
    desk: ParametersPanel, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: ([str(files["ink"])], ""))
    offered: list[tuple[Path, ...]] = []
    desk.adapter_files_added.connect(offered.append)
    find_named(desk, QPushButton, "Add files…").click()
    assert offered == [(files["ink"],)]


def test_another_vae_is_chosen_from_a_folder_and_given_back(
    desk: ParametersPanel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = find_named(desk, QComboBox, "VAE")
    for answer, expected in ((str(tmp_path), tmp_path), ("", tmp_path)):
        monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_, chosen=answer: chosen)
        box.activated.emit(box.count() - 1)
        assert requested(desk).additions.vae == expected, "a cancelled dialog changes nothing"
    box.activated.emit(0)
    assert requested(desk).additions.vae is None


def test_a_vae_may_be_a_file_chosen_or_dropped(
    desk: ParametersPanel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen, dropped = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    chosen.touch()
    dropped.touch()
    box = find_named(desk, QComboBox, "VAE")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(chosen), ""))
    box.activated.emit(box.findText("Choose a file…"))
    assert requested(desk).additions.vae == chosen
    desk.set_vae(dropped)
    assert requested(desk).additions.vae == dropped
    assert box.currentText() == "b.safetensors"


# variation, timesteps, few steps


def test_a_variation_keeps_the_seed_and_takes_another_second_one_each_time(desk: ParametersPanel) -> None:
    find_named(desk, QSlider, "Variation strength slider").setValue(20)
    first, second = requested(desk).sampling, requested(desk).sampling
    assert first.variation_strength == 0.2
    assert first.seed == second.seed, "it is this seed's picture that varies"
    assert first.variation_seed != second.variation_seed
    find_named(desk, QAbstractButton, "Lock the variation seed").click()
    assert requested(desk).sampling == requested(desk).sampling
    find_child(desk, SamplingPanel).variation_panel.section.set_open(False)
    assert f"20 % towards seed {requested(desk).sampling.variation_seed}" in visible_text(desk)


def test_timesteps_of_ones_own_decide_the_steps_until_they_are_cleared(desk: ParametersPanel) -> None:
    steps = find_named(desk, QSpinBox, "Steps")
    edit = find_named(desk, QLineEdit, "Timesteps")
    before = steps.value()
    edit.setText("999, 600,200")
    assert (steps.value(), steps.isEnabled()) == (3, False)
    sampling = requested(desk).sampling
    assert (sampling.steps, sampling.timesteps) == (3, (999, 600, 200))
    edit.clear()
    assert (steps.value(), steps.isEnabled()) == (before, True)
    assert requested(desk).sampling.timesteps == ()


def test_timesteps_that_make_no_sense_are_told_at_the_field_and_not_drawn(desk: ParametersPanel) -> None:
    find_child(desk, SamplingPanel).advanced_panel.section.set_open(True)
    for text in ("1, 2", "5, 5", "1000, 3", "-3", "9; 8", "a", "999, 500.5"):
        find_named(desk, QLineEdit, "Timesteps").setText(text)
        with pytest.raises(RequestError) as refused:
            desk.build_request(Execution())
        assert str(refused.value) in visible_text(desk)
        assert desk.value().sampling is not None, "and the settings can still be kept"
        find_named(desk, QLineEdit, "Timesteps").clear()
        assert str(refused.value) not in visible_text(desk)
        assert requested(desk).sampling.timesteps == ()


def test_timesteps_are_read_however_they_are_spaced() -> None:
    assert parse_timesteps(" 999,800 ,  3\n") == (999, 800, 3)
    assert parse_timesteps("  ") == ()


def sampling_summary(desk: ParametersPanel) -> tuple[SchedulerName, int, float]:
    sampling = desk.value().sampling
    assert sampling is not None
    return sampling.scheduler, sampling.steps, sampling.guidance_scale


MINE = Sampling(size=Size(1216, 832), scheduler=SchedulerName.HEUN, steps=44, guidance_scale=7.5)


def test_a_few_step_checkpoint_sets_what_it_needs_and_says_so_and_leaving_it_restores(desk: ParametersPanel) -> None:
    set_parameters(desk, sampling=MINE)
    choose(desk, FEW)
    assert sampling_summary(desk) == (SchedulerName.LCM, 4, 1.0)
    assert "LCM, 4 steps, guidance 1" in visible_text(desk)
    choose(desk, BASE)
    assert desk.value().sampling == MINE
    assert "LCM, 4 steps" not in visible_text(desk)


def test_a_few_step_checkpoints_settings_can_be_declined(desk: ParametersPanel) -> None:
    set_parameters(desk, sampling=MINE)
    choose(desk, FEW)
    find_named(desk, QPushButton, "Keep mine").click()
    assert desk.value().checkpoint == "few"
    assert sampling_summary(desk) == (SchedulerName.HEUN, 44, 7.5)
    assert "Set for it" not in visible_text(desk)


def test_going_on_to_a_third_checkpoint_takes_what_that_was_made_for(desk: ParametersPanel) -> None:
    set_parameters(desk, sampling=MINE)
    choose(desk, FEW)
    choose(desk, OTHER)
    assert sampling_summary(desk) == (SchedulerName.EULER, 12, 3.0)
    choose(desk, BASE)
    assert sampling_summary(desk) == (SchedulerName.EULER, 30, 5.0), "what was remembered is not brought back later"


# micro-conditioning


@pytest.fixture
def micro(app: QApplication, qtbot: QtBot) -> MicroConditioningPanel:
    panel = MicroConditioningPanel()
    qtbot.addWidget(panel)
    panel.set_value(MicroConditioningValue(True))
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


def test_pulling_the_corners_sets_the_sizes_and_the_numbers_follow(micro: MicroConditioningPanel, qtbot: QtBot) -> None:
    drawing = micro.positive.original_drawing
    drag(qtbot, drawing, drawing.corner_position(), QPoint(-20, -8))
    original = micro.value().conditioning.original_size
    assert original is not None
    assert 1024 > original.height > original.width > 512
    assert (original.width % 8, original.height % 8) == (0, 0)
    assert find_named(micro, QSpinBox, "Original size width").value() == original.width
    crop = micro.positive.crop_drawing
    drag(qtbot, crop, crop.corner_position(), QPoint(-20, 0))
    target = micro.value().conditioning.target_size
    assert target is not None
    assert target.width < 1024 == target.height
    assert micro.value().conditioning.crop_top_left is None, "pulling the corner moves nothing"


def test_dragging_the_box_moves_the_crop_but_never_outside_at_the_top_left(
    micro: MicroConditioningPanel, qtbot: QtBot
) -> None:
    drawing = micro.positive.crop_drawing
    drag(qtbot, drawing, QPointF(drawing.rect().center()), QPoint(12, 5))
    crop = micro.value().conditioning.crop_top_left
    assert crop is not None
    assert crop.x > crop.y > 0
    assert micro.value().conditioning.target_size is None, "moving resizes nothing"
    drag(qtbot, drawing, QPointF(drawing.rect().center()), QPoint(-80, -80))
    assert micro.value().conditioning.crop_top_left == Point(0, 0)


def test_the_drawings_can_be_used_from_the_keyboard(micro: MicroConditioningPanel, qtbot: QtBot) -> None:
    keys, modifiers = Qt.Key, Qt.KeyboardModifier
    none, shift, ctrl = modifiers.NoModifier, modifiers.ShiftModifier, modifiers.ControlModifier
    crop, original = micro.positive.crop_drawing, micro.positive.original_drawing
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


def test_a_drag_is_told_and_typed_numbers_move_the_box(micro: MicroConditioningPanel, qtbot: QtBot) -> None:
    drawing = micro.positive.original_drawing
    with qtbot.waitSignal(micro.changed):
        drag(qtbot, drawing, drawing.corner_position(), QPoint(-10, -10))
    find_named(micro, QSpinBox, "Original size width").setValue(4096)
    assert drawing.box().width() == 4096


def test_each_value_can_be_reset_alone(micro: MicroConditioningPanel) -> None:
    given = MicroConditioning(
        original_size=Size(512, 512),
        crop_top_left=Point(8, 8),
        target_size=Size(640, 640),
        negative_crop_top_left=Point(64, 0),
    )
    micro.set_value(MicroConditioningValue(True, given))
    find_named(micro, QAbstractButton, "Reset crop").click()
    assert micro.value().conditioning == replace(given, crop_top_left=None)
    assert not find_named(micro, QAbstractButton, "Reset crop").isEnabled()
    find_named(micro, QAbstractButton, "Reset negative crop").click()
    assert micro.value().conditioning == replace(given, crop_top_left=None, negative_crop_top_left=None)


def test_the_other_side_is_edited_by_itself(micro: MicroConditioningPanel, qtbot: QtBot) -> None:
    find_named(micro, QTabBar, "Which side is edited").setCurrentIndex(1)
    assert micro.negative.isVisible()
    assert not micro.positive.isVisible()
    qtbot.keyClick(micro.negative.crop_drawing, Qt.Key.Key_Right)
    assert micro.value().conditioning == MicroConditioning(negative_crop_top_left=Point(8, 0))


def test_each_value_is_explained_in_plain_sight(micro: MicroConditioningPanel) -> None:
    for side in range(2):
        find_named(micro, QTabBar, "Which side is edited").setCurrentIndex(side)
        sentences = [line for line in visible_text(micro).splitlines() if line.endswith(".")]
        assert len(sentences) == 3


def test_compare_asks_for_the_same_seed_without_and_with(desk: ParametersPanel, qtbot: QtBot) -> None:
    values = MicroConditioning(original_size=Size(256, 256))
    set_parameters(
        desk,
        micro_conditioning=values,
        micro_conditioning_on=True,
        sampling=replace(MINE, seed=5, count=4),
        refiner=RefinerPanelState(on=True, aesthetic_score=9.0),
    )
    with qtbot.waitSignal(desk.compare_requested):
        find_named(desk, QPushButton, "Compare with and without").click()
    both = desk.build_comparison_requests(Execution(), ON_PICTURE, output=OutputOptions(watermark=False))
    assert both is not None
    without, with_it = both
    assert without.micro_conditioning == MicroConditioning(aesthetic_score=9.0)
    assert with_it.micro_conditioning == replace(values, aesthetic_score=9.0)
    assert replace(without, micro_conditioning=with_it.micro_conditioning) == with_it
    assert (with_it.sampling.seed, with_it.sampling.count) == (5, 1)
    assert with_it.edit is not None
    assert not with_it.output.watermark


def test_there_is_nothing_to_compare_while_all_is_auto(micro: MicroConditioningPanel) -> None:
    button = find_named(micro, QPushButton, "Compare with and without")
    assert not button.isEnabled()
    micro.set_value(MicroConditioningValue(True, MicroConditioning(crop_top_left=Point(0, 9))))
    assert button.isEnabled()


# round trip of all settings


def everything(files: dict[str, Path], folder: Path, edit: EditParameters | None) -> GenerationRequest:
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
        refine=RefinerParameters(
            checkpoint=SECOND_REFINER.folder, way=RefinerMode.IMG2IMG, handoff=0.725, steps=7, strength=0.123
        ),
        additions=Additions(
            loras=(LoraReference(files["ink"], 0.125), LoraReference(files["pixel"], -3.0)),
            embeddings=(EmbeddingReference(files["style"], "<style>"),),
            vae=folder,
        ),
        output=OutputOptions(watermark=False, keep_latents="steps"),
        execution=Execution(threads=2),
    )


@pytest.mark.parametrize(
    ("edit", "ground"),
    [
        (None, EditSource()),
        (EditParameters(picture=PICTURE, strength=0.333, fit=FitMode.PAD, keep_size=True), ON_PICTURE),
        (EditParameters(picture=PICTURE, mask=MASK, strength=0.777, mask_blur=3.25, only_masked=17), ON_MASK),
        (EditParameters(picture=PICTURE, mask=MASK, strength=1.0), ON_MASK),
    ],
    ids=["text to image", "image to image", "only masked", "inpaint"],
)
def test_reuse_brings_back_exactly_what_made_a_picture(
    desk: ParametersPanel, files: dict[str, Path], tmp_path: Path, edit: EditParameters | None, ground: EditSource
) -> None:
    """From a result of this session, and from a file's metadata, whose names refer to the listed files."""
    made_by = everything(files, tmp_path, edit)
    missing = desk.apply_recorded(made_by.for_metadata(), made_by.sampling.seed)
    assert missing is not None
    for name in ("ink.safetensors", "style.safetensors"):
        assert name in str(missing), "what is not listed is told"
    for record in (made_by, made_by.for_metadata()):
        assert desk.apply_recorded(record, made_by.sampling.seed) is None
        desk.set_edit_source(ground)
        assert desk.build_request(made_by.execution, ground, output=made_by.output) == made_by


def test_reuse_takes_nothing_away_from_the_list(desk: ParametersPanel, files: dict[str, Path]) -> None:
    desk.add_lora(files["pixel"])
    desk.add_embedding(files["other"], "other")
    desk.apply_recorded(GenerationRequest(checkpoint=BASE.folder), seed=3)
    assert desk.value().additions == AdditionsPanelState(
        loras=(LoraListItem(LoraReference(files["pixel"]), on=False),),
        embeddings=(EmbeddingReference(files["other"], "other"),),
    )
    assert requested(desk) == GenerationRequest(checkpoint=BASE.folder, sampling=Sampling(seed=3))
    assert not desk.value().refiner.on


def test_a_request_that_is_refused_does_not_take_a_new_seed(desk: ParametersPanel) -> None:
    choose(desk, REFINER)
    before = desk.value().sampling
    with pytest.raises(RequestError):
        desk.build_request(Execution())
    assert desk.value().sampling == before


def test_closed_sections_are_the_default_and_say_nothing_unless_something_is_set(desk: ParametersPanel) -> None:
    assert desk.value().open_sections == ()
    assert all(not section.summary() for section in desk.findChildren(PanelSection))


def test_nothing_is_cut_off_where_the_desk_is_as_narrow_as_it_gets(
    desk: ParametersPanel, files: dict[str, Path]
) -> None:
    desk.set_edit_source(ON_MASK)
    desk.add_lora(files["pixel"])
    desk.add_embedding(files["style"], "<a-rather-long-word-for-a-style>")
    desk.resize(desk.minimumWidth(), 740)
    for section in desk.findChildren(PanelSection):
        section.set_open(True)
    QApplication.processEvents()
    content = desk.findChild(QWidget, "panelContent")
    assert content is not None
    shown = content.parentWidget()
    assert shown is not None
    assert content.width() <= shown.width()
