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
from sdxl_desktop.core.speed import SpeedPreset
from sdxl_desktop.core.workspace_value import AdditionsPanelState, EditPanelState, LoraListItem, RefinerPanelState
from sdxl_desktop.library.token_count import TokenCounter
from sdxl_desktop.ui.panels.adapters_panel import AdaptersPanel
from sdxl_desktop.ui.panels.generate_bar import RunStatus
from sdxl_desktop.ui.panels.micro_conditioning_panel import MicroConditioningPanel, MicroConditioningValue
from sdxl_desktop.ui.panels.panel_section import PanelSection
from sdxl_desktop.ui.panels.refiner_panel import RefinerPanel
from sdxl_desktop.ui.panels.sampling_panel import SamplingPanel
from sdxl_desktop.ui.parameters_panel import ParametersPanel
from sdxl_desktop.ui.widgets.buttons import Switch
from sdxl_desktop.ui.widgets.prompt_edit import PromptField
from tests.ui.widget_lookup import find_child, find_named

pytestmark = pytest.mark.usefixtures("plain_style")

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
def parameters_panel(app: QApplication, qtbot: QtBot) -> ParametersPanel:
    made = ParametersPanel()
    qtbot.addWidget(made)
    made.set_checkpoints((BASE, OTHER, REFINER, SECOND_REFINER, INPAINT, BLIND, FEW))
    made.resize(384, 740)
    made.show()
    qtbot.waitExposed(made)
    return made


def choose(parameters_panel: ParametersPanel, wanted: Checkpoint) -> None:
    box = find_named(parameters_panel, QComboBox, "Checkpoint")
    box.setCurrentIndex(box.findText(wanted.title))


def requested(parameters_panel: ParametersPanel, ground: EditSource = NOTHING) -> GenerationRequest:
    request = parameters_panel.build_request(Execution(), ground)
    assert request is not None
    return request


def set_parameters(parameters_panel: ParametersPanel, **changed: object) -> None:
    parameters_panel.set_value(replace(parameters_panel.value(), **changed))  # type: ignore[arg-type]


def visible_text(inside: QWidget) -> str:
    """Return all visible text."""
    QApplication.processEvents()  # so that new widgets appear
    return "\n".join(label.text() for label in inside.findChildren(QLabel) if label.isVisibleTo(inside))


def generate(parameters_panel: ParametersPanel) -> QPushButton:
    return find_child(parameters_panel, QPushButton, "generate")


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
    parameters_panel: ParametersPanel, ground: EditSource, words: str, mode: GenerationMode
) -> None:
    parameters_panel.set_edit_source(ground)
    assert generate(parameters_panel).text() == words
    assert "Ctrl+Enter" in generate(parameters_panel).toolTip()
    assert generate(parameters_panel).isEnabled()
    assert requested(parameters_panel, ground).mode is mode


def test_the_edit_panel_is_there_only_with_a_picture_and_its_mask_rows_only_with_a_mask(
    parameters_panel: ParametersPanel,
) -> None:
    def visible(name: str) -> bool:
        return find_named(parameters_panel, QSlider, f"{name} slider").isVisibleTo(parameters_panel)

    find_named(parameters_panel, QAbstractButton, "Details").click()
    seen = []
    for ground in (EditSource(), ON_PICTURE, ON_MASK, EditSource()):
        parameters_panel.set_edit_source(ground)
        seen.append((visible("Strength"), visible("Mask blur in pixels")))
    assert seen == [(False, False), (True, False), (True, True), (False, False)]


def test_a_picture_is_edited_as_the_panel_says(parameters_panel: ParametersPanel) -> None:
    parameters_panel.set_edit_source(ON_PICTURE)
    find_named(parameters_panel, QSlider, "Strength slider").setValue(35)
    find_named(parameters_panel, QTabBar, "Fit").setCurrentIndex(2)
    find_named(parameters_panel, QAbstractButton, "Paste back at the picture's own size").click()
    assert requested(parameters_panel, ON_PICTURE).edit == EditParameters(
        picture=PICTURE, strength=0.35, fit=FitMode.STRETCH, keep_size=True
    )
    assert requested(parameters_panel).edit is None, "what is given to the request counts, not what was shown"


def test_a_mask_brings_its_own_strength_blur_and_margin(parameters_panel: ParametersPanel) -> None:
    set_parameters(parameters_panel, edit=EditPanelState(strength=0.4, fill_strength=0.9, mask_blur=6.5, margin=48))
    parameters_panel.set_edit_source(ON_MASK)
    find_named(parameters_panel, QAbstractButton, "Details").click()
    only = find_named(parameters_panel, QAbstractButton, "Draw only the masked area")
    filled = EditParameters(picture=PICTURE, mask=MASK, strength=0.9, mask_blur=6.5, keep_size=True)
    assert requested(parameters_panel, ON_MASK).edit == filled, "what is filled comes back at the picture's own size"
    only.click()
    assert find_named(parameters_panel, QSpinBox, "Margin in pixels").isVisibleTo(parameters_panel)
    assert requested(parameters_panel, ON_MASK).edit == replace(filled, only_masked=48)
    parameters_panel.set_edit_source(ON_PICTURE)
    assert requested(parameters_panel, ON_PICTURE).edit == EditParameters(picture=PICTURE, strength=0.4), (
        "a mask's settings need a mask"
    )


def test_the_two_strengths_do_not_mix(parameters_panel: ParametersPanel) -> None:
    slider = find_named(parameters_panel, QSlider, "Strength slider")
    for ground, strength in ((ON_PICTURE, 30), (ON_MASK, 80)):
        parameters_panel.set_edit_source(ground)
        slider.setValue(strength)
    parameters_panel.set_edit_source(EditSource())
    value = parameters_panel.value().edit
    assert (value.strength, value.fill_strength) == (0.3, 0.8)


def test_the_size_can_take_the_pictures_shape(parameters_panel: ParametersPanel) -> None:
    parameters_panel.set_edit_source(ON_PICTURE)
    link = find_named(parameters_panel, QPushButton, "Draw in the picture's shape")
    assert link.isVisibleTo(parameters_panel)
    link.click()
    size = requested(parameters_panel, ON_PICTURE).sampling.size
    assert size == Size(1368, 768), "16 to 9 at about 1024 × 1024 pixels, in steps of 8"
    assert not link.isVisibleTo(parameters_panel)


def test_what_a_checkpoint_cannot_do_is_reported_before_and_refused(parameters_panel: ParametersPanel) -> None:
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
        choose(parameters_panel, chosen)
        parameters_panel.set_edit_source(ground)
        assert generate(parameters_panel).isEnabled() == (not reason)
        if not reason:
            assert requested(parameters_panel, ground).checkpoint == chosen.folder
            continue
        assert reason in generate(parameters_panel).toolTip()
        assert reason in visible_text(parameters_panel), "whoever does not point at the button reads it too"
        with pytest.raises(RequestError, match=reason):
            parameters_panel.build_request(Execution(), ground)


def test_a_vae_of_ones_own_can_bring_the_encoder(parameters_panel: ParametersPanel, tmp_path: Path) -> None:
    choose(parameters_panel, BLIND)
    set_parameters(parameters_panel, additions=AdditionsPanelState(vae=tmp_path))
    parameters_panel.set_edit_source(ON_PICTURE)
    assert generate(parameters_panel).isEnabled()
    assert requested(parameters_panel, ON_PICTURE).additions.vae == tmp_path


def test_a_run_can_be_cancelled_whatever_the_canvas_says(parameters_panel: ParametersPanel, qtbot: QtBot) -> None:
    choose(parameters_panel, REFINER)
    parameters_panel.set_run_status(RunStatus(running=True))
    assert (generate(parameters_panel).text(), generate(parameters_panel).isEnabled()) == ("Cancel", True)
    with qtbot.waitSignal(parameters_panel.cancel_requested):
        generate(parameters_panel).click()


def test_the_first_choice_draws_from_a_prompt(app: QApplication, qtbot: QtBot) -> None:
    parameters_panel = ParametersPanel()
    qtbot.addWidget(parameters_panel)
    parameters_panel.set_checkpoints((REFINER, INPAINT, BASE))
    assert parameters_panel.checkpoint() == BASE


# the refiner


def test_only_refiners_are_offered_and_the_first_one_is_ready(parameters_panel: ParametersPanel) -> None:
    box = find_named(parameters_panel, QComboBox, "Refiner checkpoint")
    assert [box.itemText(row) for row in range(box.count())] == [REFINER.title, SECOND_REFINER.title]
    assert requested(parameters_panel).refine is None
    set_parameters(parameters_panel, refiner=RefinerPanelState(on=True, steps=12))
    assert requested(parameters_panel).refine == RefinerParameters(checkpoint=REFINER.folder, handoff=0.8, steps=12)


def test_both_ways_of_refining_come_out(parameters_panel: ParametersPanel) -> None:
    set_parameters(parameters_panel, refiner=RefinerPanelState(on=True, checkpoint="polish", handoff=0.7, strength=0.2))
    assert requested(parameters_panel).refine == RefinerParameters(
        checkpoint=SECOND_REFINER.folder, handoff=0.7, strength=0.2
    )
    find_named(parameters_panel, QTabBar, "When the refiner comes in").setCurrentIndex(1)
    assert requested(parameters_panel).refine == RefinerParameters(
        checkpoint=SECOND_REFINER.folder, way=RefinerMode.IMG2IMG, handoff=0.7, strength=0.2
    )


def test_the_closed_refiner_says_what_is_set(parameters_panel: ParametersPanel) -> None:
    set_parameters(parameters_panel, refiner=RefinerPanelState(on=True))
    assert "Refiner, takes over at 80 %" in visible_text(parameters_panel)
    set_parameters(parameters_panel, refiner=RefinerPanelState(on=True, way=RefinerMode.IMG2IMG, strength=0.25))
    assert "Refiner, retouches with strength 0.25" in visible_text(parameters_panel)
    set_parameters(parameters_panel, refiner=RefinerPanelState())
    assert "retouches" not in visible_text(parameters_panel)


def test_scores_are_only_given_to_refiners(parameters_panel: ParametersPanel) -> None:
    scored = RefinerPanelState(aesthetic_score=7.5, negative_aesthetic_score=1.0)
    reported = MicroConditioning(aesthetic_score=7.5, negative_aesthetic_score=1.0)
    set_parameters(parameters_panel, refiner=scored)
    assert requested(parameters_panel).micro_conditioning == MicroConditioning()
    set_parameters(parameters_panel, refiner=replace(scored, on=True))
    assert requested(parameters_panel).micro_conditioning == reported
    set_parameters(parameters_panel, refiner=scored)
    choose(parameters_panel, REFINER)
    request = requested(parameters_panel, ON_PICTURE)
    assert (request.micro_conditioning, request.refine) == (reported, None), "the checkpoint is itself a refiner"


def test_a_library_without_refiners_says_so_plainly(parameters_panel: ParametersPanel) -> None:
    parameters_panel.set_checkpoints((BASE,))
    find_child(parameters_panel, RefinerPanel).section.set_open(True)
    assert "No refiner was found" in visible_text(parameters_panel)
    assert not find_named(parameters_panel, Switch, "Refiner").isEnabled()


def test_a_refiner_that_has_gone_is_named_not_replaced(parameters_panel: ParametersPanel) -> None:
    set_parameters(parameters_panel, refiner=RefinerPanelState(on=True, checkpoint="lost"))
    assert "lost (not found)" in find_named(parameters_panel, QComboBox, "Refiner checkpoint").currentText()
    with pytest.raises(RequestError, match="lost"):
        parameters_panel.build_request(Execution())
    find_named(parameters_panel, QComboBox, "Refiner checkpoint").setCurrentIndex(1)
    find_named(parameters_panel, QComboBox, "Refiner checkpoint").activated.emit(1)
    assert requested(parameters_panel).refine == RefinerParameters(checkpoint=SECOND_REFINER.folder)


# speed


def test_a_speed_is_asked_for_and_comes_back_with_a_pictures_settings(
    parameters_panel: ParametersPanel, qtbot: QtBot
) -> None:
    assert requested(parameters_panel).sampling.speed is SpeedPreset.BALANCED
    with qtbot.waitSignal(parameters_panel.changed):
        find_named(parameters_panel, QTabBar, "Speed").setCurrentIndex(2)
    made = requested(parameters_panel)
    assert made.sampling.speed is parameters_panel.speed() is SpeedPreset.FAST
    find_named(parameters_panel, QTabBar, "Speed").setCurrentIndex(0)
    parameters_panel.apply_recorded(made, 5)
    assert parameters_panel.speed() is SpeedPreset.FAST


# LoRA, embeddings, VAE


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    made = {name: tmp_path / f"{name}.safetensors" for name in ("pixel", "ink", "style", "other")}
    for file in made.values():
        file.write_bytes(b"weights")
    return made


def test_added_loras_count_with_their_weights(
    parameters_panel: ParametersPanel, files: dict[str, Path], qtbot: QtBot
) -> None:
    with qtbot.waitSignal(parameters_panel.changed):
        parameters_panel.add_lora(files["pixel"])
    parameters_panel.add_lora(files["ink"])
    find_named(parameters_panel, QSlider, "Weight of ink slider").setValue(-10)
    assert requested(parameters_panel).additions == Additions(
        loras=(LoraReference(files["pixel"], 1.0), LoraReference(files["ink"], -0.5))
    )
    find_named(parameters_panel, QAbstractButton, "Use pixel").click()
    assert requested(parameters_panel).additions.loras == (LoraReference(files["ink"], -0.5),)
    parameters_panel.add_lora(files["pixel"])
    assert len(parameters_panel.value().additions.loras) == 2, "adding one again switches it on"
    assert len(requested(parameters_panel).additions.loras) == 2
    find_named(parameters_panel, QAbstractButton, "Remove ink").click()
    assert parameters_panel.value().additions.loras == (LoraListItem(LoraReference(files["pixel"])),)


def test_a_weight_beyond_the_slider_is_kept(parameters_panel: ParametersPanel, files: dict[str, Path]) -> None:
    set_parameters(
        parameters_panel, additions=AdditionsPanelState(loras=(LoraListItem(LoraReference(files["pixel"], 6.5)),))
    )
    assert requested(parameters_panel).additions.loras == (LoraReference(files["pixel"], 6.5),)


def test_an_embedding_costs_as_many_tokens_as_it_has_vectors(parameters_panel: ParametersPanel, tmp_path: Path) -> None:
    file = tmp_path / "style.safetensors"
    save_file({"clip_l": np.zeros((4, 8), np.float32), "clip_g": np.zeros((6, 16), np.float32)}, file)
    starter = resources_folder() / "checkpoints" / "starter"
    parameters_panel.set_counters(TokenCounter(starter / "tokenizer"), TokenCounter(starter / "tokenizer_2"))
    fields = {
        find_child(field, QPlainTextEdit).accessibleName(): field
        for field in parameters_panel.findChildren(PromptField)
    }
    prompt, second = fields["Prompt"], fields["Prompt for encoder 2"]
    for field in (prompt, second):
        field.set_value("<style>")
    parameters_panel.add_embedding(file, "<style>")
    assert prompt.count_label.text() == "6 / 77"
    assert second.count_label.text() == "8 / 77"
    find_named(parameters_panel, QAbstractButton, "Remove style").click()
    assert prompt.count_label.text() != "6 / 77"


def test_an_embedding_counts_where_its_word_is_in_a_prompt(
    parameters_panel: ParametersPanel, files: dict[str, Path]
) -> None:
    parameters_panel.add_embedding(files["style"], "<style>")
    parameters_panel.add_embedding(files["other"], "<style>")
    first, second = parameters_panel.value().additions.embeddings
    assert (first.token, second.token) == ("<style>", "<style-2>"), "two files need two words"
    assert requested(parameters_panel).additions.embeddings == ()
    set_parameters(parameters_panel, prompts=Prompts(negative_prompt_2="no <style-2>"))
    assert requested(parameters_panel).additions.embeddings == (EmbeddingReference(files["other"], "<style-2>"),)
    with pytest.raises(RequestError):
        parameters_panel.add_embedding(files["pixel"], "two words")


def test_a_click_on_the_word_writes_it_where_the_cursor_is(
    parameters_panel: ParametersPanel, files: dict[str, Path]
) -> None:
    parameters_panel.add_embedding(files["style"], "<style>")
    set_parameters(parameters_panel, prompts=Prompts(prompt="a fox, red"))
    edit = find_named(parameters_panel, QPlainTextEdit, "Prompt")
    cursor = edit.textCursor()
    cursor.setPosition(len("a fox"))
    edit.setTextCursor(cursor)
    find_named(parameters_panel, QPushButton, "Write <style> into the prompt").click()
    assert parameters_panel.value().prompts.prompt == "a fox <style>, red"
    assert requested(parameters_panel).additions.embeddings == (EmbeddingReference(files["style"], "<style>"),)


def test_missing_files_are_shown_as_missing_and_left_out(
    parameters_panel: ParametersPanel, files: dict[str, Path], tmp_path: Path
) -> None:
    parameters_panel.add_lora(files["pixel"])
    parameters_panel.add_lora(files["ink"])
    parameters_panel.add_embedding(files["style"], "style")
    set_parameters(parameters_panel, prompts=Prompts(prompt="style"))
    set_parameters(parameters_panel, additions=replace(parameters_panel.value().additions, vae=tmp_path / "gone"))
    before = parameters_panel.value().additions
    files["ink"].unlink()
    files["style"].unlink()
    assert requested(parameters_panel).additions == Additions(loras=(LoraReference(files["pixel"]),))
    assert "ink (missing)" in visible_text(parameters_panel)
    assert "style (missing)" in visible_text(parameters_panel)
    assert find_named(parameters_panel, QComboBox, "VAE").currentText() == "gone (missing)"
    assert parameters_panel.value().additions == before, "they stay in the list"
    find_child(parameters_panel, AdaptersPanel).section.set_open(False)
    assert "1 LoRA · 3 missing" in visible_text(parameters_panel)
    files["ink"].write_bytes(b"back again")
    assert len(requested(parameters_panel).additions.loras) == 2


def test_dropped_weight_files_are_offered_to_whoever_can_read_them(
    parameters_panel: ParametersPanel, files: dict[str, Path]
) -> None:
    offered: list[tuple[Path, ...]] = []
    parameters_panel.adapter_files_added.connect(offered.append)
    dragged = QMimeData()
    dragged.setUrls([QUrl.fromLocalFile(str(file)) for file in (files["pixel"], Path("/notes.txt"), files["style"])])
    drop = QDropEvent(
        QPointF(5, 5),
        Qt.DropAction.CopyAction,
        dragged,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    find_child(parameters_panel, AdaptersPanel).dropEvent(drop)
    assert offered == [(files["pixel"], files["style"])]
    assert parameters_panel.value().additions == AdditionsPanelState()


def test_the_add_button_asks_for_files(
    parameters_panel: ParametersPanel, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: ([str(files["ink"])], ""))
    offered: list[tuple[Path, ...]] = []
    parameters_panel.adapter_files_added.connect(offered.append)
    find_named(parameters_panel, QPushButton, "Add files…").click()
    assert offered == [(files["ink"],)]


def test_another_vae_is_chosen_from_a_folder_and_given_back(
    parameters_panel: ParametersPanel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = find_named(parameters_panel, QComboBox, "VAE")
    for answer, expected in ((str(tmp_path), tmp_path), ("", tmp_path)):
        monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_, chosen=answer: chosen)
        box.activated.emit(box.count() - 1)
        assert requested(parameters_panel).additions.vae == expected, "a cancelled dialog changes nothing"
    box.activated.emit(0)
    assert requested(parameters_panel).additions.vae is None


def test_a_vae_may_be_a_file_chosen_or_dropped(
    parameters_panel: ParametersPanel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen, dropped = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    chosen.touch()
    dropped.touch()
    box = find_named(parameters_panel, QComboBox, "VAE")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(chosen), ""))
    box.activated.emit(box.findText("Choose a file…"))
    assert requested(parameters_panel).additions.vae == chosen
    parameters_panel.set_vae(dropped)
    assert requested(parameters_panel).additions.vae == dropped
    assert box.currentText() == "b.safetensors"


# variation, timesteps, few steps


def test_a_variation_keeps_the_seed_and_takes_another_second_one_each_time(parameters_panel: ParametersPanel) -> None:
    find_named(parameters_panel, QSlider, "Variation strength slider").setValue(20)
    first, second = requested(parameters_panel).sampling, requested(parameters_panel).sampling
    assert first.variation_strength == 0.2
    assert first.seed == second.seed, "it is this seed's picture that varies"
    assert first.variation_seed != second.variation_seed
    find_named(parameters_panel, QAbstractButton, "Lock the variation seed").click()
    assert requested(parameters_panel).sampling == requested(parameters_panel).sampling
    find_child(parameters_panel, SamplingPanel).variation_panel.section.set_open(False)
    assert f"20 % towards seed {requested(parameters_panel).sampling.variation_seed}" in visible_text(parameters_panel)


def test_timesteps_of_ones_own_decide_the_steps_until_they_are_cleared(parameters_panel: ParametersPanel) -> None:
    steps = find_named(parameters_panel, QSpinBox, "Steps")
    edit = find_named(parameters_panel, QLineEdit, "Timesteps")
    before = steps.value()
    edit.setText("999, 600,200")
    assert (steps.value(), steps.isEnabled()) == (3, False)
    sampling = requested(parameters_panel).sampling
    assert (sampling.steps, sampling.timesteps) == (3, (999, 600, 200))
    edit.clear()
    assert (steps.value(), steps.isEnabled()) == (before, True)
    assert requested(parameters_panel).sampling.timesteps == ()


def test_timesteps_that_make_no_sense_are_reported_at_the_field_and_not_drawn(
    parameters_panel: ParametersPanel,
) -> None:
    find_child(parameters_panel, SamplingPanel).advanced_panel.section.set_open(True)
    for text in ("1, 2", "5, 5", "1000, 3", "-3", "9; 8", "a", "999, 500.5"):
        find_named(parameters_panel, QLineEdit, "Timesteps").setText(text)
        with pytest.raises(RequestError) as refused:
            parameters_panel.build_request(Execution())
        assert str(refused.value) in visible_text(parameters_panel)
        assert parameters_panel.value().sampling is not None, "and the settings can still be kept"
        find_named(parameters_panel, QLineEdit, "Timesteps").clear()
        assert str(refused.value) not in visible_text(parameters_panel)
        assert requested(parameters_panel).sampling.timesteps == ()


def test_timesteps_are_read_however_they_are_spaced() -> None:
    assert parse_timesteps(" 999,800 ,  3\n") == (999, 800, 3)
    assert parse_timesteps("  ") == ()


def sampling_summary(parameters_panel: ParametersPanel) -> tuple[SchedulerName, int, float]:
    sampling = parameters_panel.value().sampling
    assert sampling is not None
    return sampling.scheduler, sampling.steps, sampling.guidance_scale


MINE = Sampling(size=Size(1216, 832), scheduler=SchedulerName.HEUN, steps=44, guidance_scale=7.5)


def test_a_few_step_checkpoint_sets_what_it_needs_and_says_so_and_leaving_it_restores(
    parameters_panel: ParametersPanel,
) -> None:
    set_parameters(parameters_panel, sampling=MINE)
    choose(parameters_panel, FEW)
    assert sampling_summary(parameters_panel) == (SchedulerName.LCM, 4, 1.0)
    assert "LCM, 4 steps, guidance 1" in visible_text(parameters_panel)
    choose(parameters_panel, BASE)
    assert parameters_panel.value().sampling == MINE
    assert "LCM, 4 steps" not in visible_text(parameters_panel)


def test_a_few_step_checkpoints_settings_can_be_declined(parameters_panel: ParametersPanel) -> None:
    set_parameters(parameters_panel, sampling=MINE)
    choose(parameters_panel, FEW)
    find_named(parameters_panel, QPushButton, "Keep mine").click()
    assert parameters_panel.value().checkpoint == "few"
    assert sampling_summary(parameters_panel) == (SchedulerName.HEUN, 44, 7.5)
    assert "Set for it" not in visible_text(parameters_panel)


def test_going_on_to_a_third_checkpoint_takes_what_that_was_made_for(parameters_panel: ParametersPanel) -> None:
    set_parameters(parameters_panel, sampling=MINE)
    choose(parameters_panel, FEW)
    choose(parameters_panel, OTHER)
    assert sampling_summary(parameters_panel) == (SchedulerName.EULER, 12, 3.0)
    choose(parameters_panel, BASE)
    assert sampling_summary(parameters_panel) == (SchedulerName.EULER, 30, 5.0), (
        "what was remembered is not brought back later"
    )


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


def test_a_drag_is_reported_and_typed_numbers_move_the_box(micro: MicroConditioningPanel, qtbot: QtBot) -> None:
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


def test_compare_asks_for_the_same_seed_without_and_with(parameters_panel: ParametersPanel, qtbot: QtBot) -> None:
    values = MicroConditioning(original_size=Size(256, 256))
    set_parameters(
        parameters_panel,
        micro_conditioning=values,
        micro_conditioning_on=True,
        sampling=replace(MINE, seed=5, count=4),
        refiner=RefinerPanelState(on=True, aesthetic_score=9.0),
    )
    with qtbot.waitSignal(parameters_panel.compare_requested):
        find_named(parameters_panel, QPushButton, "Compare with and without").click()
    both = parameters_panel.build_comparison_requests(Execution(), ON_PICTURE, output=OutputOptions(watermark=False))
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
    parameters_panel: ParametersPanel,
    files: dict[str, Path],
    tmp_path: Path,
    edit: EditParameters | None,
    ground: EditSource,
) -> None:
    """From a result of this session, and from a file's metadata, whose names refer to the listed files."""
    made_by = everything(files, tmp_path, edit)
    missing = parameters_panel.apply_recorded(made_by.for_metadata(), made_by.sampling.seed)
    assert missing is not None
    for name in ("ink.safetensors", "style.safetensors"):
        assert name in str(missing), "what is not listed is told"
    for record in (made_by, made_by.for_metadata()):
        assert parameters_panel.apply_recorded(record, made_by.sampling.seed) is None
        parameters_panel.set_edit_source(ground)
        assert parameters_panel.build_request(made_by.execution, ground, output=made_by.output) == made_by


def test_reuse_takes_nothing_away_from_the_list(parameters_panel: ParametersPanel, files: dict[str, Path]) -> None:
    parameters_panel.add_lora(files["pixel"])
    parameters_panel.add_embedding(files["other"], "other")
    parameters_panel.apply_recorded(GenerationRequest(checkpoint=BASE.folder), seed=3)
    assert parameters_panel.value().additions == AdditionsPanelState(
        loras=(LoraListItem(LoraReference(files["pixel"]), on=False),),
        embeddings=(EmbeddingReference(files["other"], "other"),),
    )
    assert requested(parameters_panel) == GenerationRequest(checkpoint=BASE.folder, sampling=Sampling(seed=3))
    assert not parameters_panel.value().refiner.on


def test_a_request_that_is_refused_does_not_take_a_new_seed(parameters_panel: ParametersPanel) -> None:
    choose(parameters_panel, REFINER)
    before = parameters_panel.value().sampling
    with pytest.raises(RequestError):
        parameters_panel.build_request(Execution())
    assert parameters_panel.value().sampling == before


def test_closed_sections_are_the_default_and_say_nothing_unless_something_is_set(
    parameters_panel: ParametersPanel,
) -> None:
    assert parameters_panel.value().open_sections == ()
    assert all(not section.summary() for section in parameters_panel.findChildren(PanelSection))


@pytest.mark.styled
def test_nothing_is_cut_off_where_the_parameters_panel_is_as_narrow_as_it_gets(
    parameters_panel: ParametersPanel, files: dict[str, Path]
) -> None:
    parameters_panel.set_edit_source(ON_MASK)
    parameters_panel.add_lora(files["pixel"])
    parameters_panel.add_embedding(files["style"], "<a-rather-long-word-for-a-style>")
    parameters_panel.resize(parameters_panel.minimumWidth(), 740)
    for section in parameters_panel.findChildren(PanelSection):
        section.set_open(True)
    QApplication.processEvents()
    content = parameters_panel.findChild(QWidget, "panelContent")
    assert content is not None
    shown = content.parentWidget()
    assert shown is not None
    assert content.width() <= shown.width()
