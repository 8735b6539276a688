"""The panels' contract: `value` returns what was set, setting it emits nothing, and user input emits `changed`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QComboBox, QLineEdit, QPlainTextEdit, QSlider, QSpinBox
from pytestqt.qtbot import QtBot

from sdxl_desktop.core.additions import EmbeddingReference, LoraReference
from sdxl_desktop.core.edit import FitMode
from sdxl_desktop.core.geometry import Point, Size
from sdxl_desktop.core.noise_schedule import NoiseScheduleOverride, PredictionType, TimestepSpacing
from sdxl_desktop.core.refine import RefinerMode
from sdxl_desktop.core.request import MAX_SEED, Execution, MicroConditioning, Prompts, Sampling
from sdxl_desktop.core.schedulers import SchedulerName
from sdxl_desktop.core.settings import Preferences
from sdxl_desktop.core.workspace_value import (
    AdditionsPanelState,
    EditPanelState,
    LoraListItem,
    RefinerPanelState,
    WorkspaceValue,
)
from sdxl_desktop.library.scan import Library, read_checkpoint
from sdxl_desktop.ui.panels.adapters_panel import AdaptersPanel
from sdxl_desktop.ui.panels.advanced_panel import AdvancedPanel
from sdxl_desktop.ui.panels.checkpoint_panel import CheckpointPanel
from sdxl_desktop.ui.panels.edit_panel import EditPanel
from sdxl_desktop.ui.panels.micro_conditioning_panel import MicroConditioningPanel, MicroConditioningValue
from sdxl_desktop.ui.panels.prompts_panel import PromptsPanel
from sdxl_desktop.ui.panels.refiner_panel import RefinerPanel
from sdxl_desktop.ui.panels.sampling_panel import SamplingPanel
from sdxl_desktop.ui.panels.seed_panel import SeedPanel
from sdxl_desktop.ui.panels.size_panel import SizePanel
from sdxl_desktop.ui.panels.vae_panel import VaePanel
from sdxl_desktop.ui.panels.variation_panel import VariationPanel, VariationValue
from sdxl_desktop.ui.parameters_panel import ParametersPanel
from sdxl_desktop.ui.settings_dialog import SettingsContext, SettingsDialog
from sdxl_desktop.ui.widgets.buttons import Switch
from sdxl_desktop.ui.widgets.layout_helpers import Disclosure
from tests.ui.conftest import make_checkpoint
from tests.ui.widget_lookup import find_child, find_named

PROMPTS = Prompts(prompt="a\nb & <c>", negative_prompt="d", prompt_2="é", negative_prompt_2="🙂", clip_skip=2)
SAMPLING = Sampling(
    size=Size(640, 1536),
    steps=1000,
    guidance_scale=49.987,
    guidance_rescale=0.3512,
    scheduler=SchedulerName.DPMPP_2M_KARRAS,
    seed=MAX_SEED,
    count=64,
    variation_seed=7,
    variation_strength=0.125,
)
MICRO = MicroConditioningValue(
    True,
    MicroConditioning(
        original_size=Size(4096, 17),
        crop_top_left=Point(0, 3),
        target_size=Size(1, 8192),
        negative_original_size=Size(512, 512),
        negative_crop_top_left=Point(0, 0),
        negative_target_size=Size(1024, 1025),
    ),
)
EDIT = EditPanelState(
    strength=0.123,
    fill_strength=0.987,
    fit=FitMode.STRETCH,
    keep_size=True,
    mask_blur=2.25,
    only_masked=True,
    margin=4096,
)
REFINER = RefinerPanelState(
    on=True,
    checkpoint="kept for later",
    way=RefinerMode.IMG2IMG,
    handoff=0.666,
    steps=1000,
    strength=0.251,
    aesthetic_score=9.95,
    negative_aesthetic_score=0.0,
)
ADDITIONS = AdditionsPanelState(
    loras=(
        LoraListItem(LoraReference(Path("a.safetensors"), -9.875), False),
        LoraListItem(LoraReference(Path("b.safetensors"))),
    ),
    embeddings=(EmbeddingReference(Path("c.pt"), "<c&d>"),),
    vae=Path("vae"),
)
WORKSPACE = WorkspaceValue(
    prompts=PROMPTS,
    sampling=SAMPLING,
    micro_conditioning=MICRO.conditioning,
    micro_conditioning_on=True,
    checkpoint="kept for later",
    edit=EDIT,
    refiner=REFINER,
    additions=ADDITIONS,
    seed_locked=True,
    variation_locked=True,
    open_sections=("second encoder", "variation", "advanced", "refiner", "additions", "micro-conditioning"),
)

CASES = [
    (PromptsPanel, PROMPTS),
    (SamplingPanel, SAMPLING),
    (SamplingPanel, Sampling(steps=1, guidance_scale=0.0)),
    (SamplingPanel, Sampling(steps=3, timesteps=(999, 500, 0))),
    (SizePanel, Size(1344, 768)),
    (VariationPanel, VariationValue(MAX_SEED, 1.0)),
    (AdvancedPanel, Sampling(guidance_rescale=0.7, timesteps=(999, 1), steps=2)),
    (
        AdvancedPanel,
        Sampling(noise=NoiseScheduleOverride(prediction_type=PredictionType.SAMPLE, zero_terminal_snr=False)),
    ),
    (
        AdvancedPanel,
        Sampling(noise=NoiseScheduleOverride(zero_terminal_snr=True, timestep_spacing=TimestepSpacing.TRAILING)),
    ),
    (EditPanel, EDIT),
    (RefinerPanel, REFINER),
    (RefinerPanel, RefinerPanelState()),
    (AdaptersPanel, ADDITIONS),
    (VaePanel, Path("vae")),
    (VaePanel, None),
    (SeedPanel, MAX_SEED),
    (MicroConditioningPanel, MICRO),
    (MicroConditioningPanel, MicroConditioningValue()),
    (MicroConditioningPanel, MicroConditioningValue(False, MicroConditioning(negative_original_size=Size(300, 200)))),
    (ParametersPanel, WORKSPACE),
]


@pytest.mark.parametrize(("kind", "value"), CASES, ids=lambda case: getattr(case, "__name__", ""))
def test_what_is_put_in_comes_out_and_nothing_is_reported(
    app: QApplication, qtbot: QtBot, kind: Any, value: Any
) -> None:
    panel = kind()
    qtbot.addWidget(panel)
    with qtbot.assertNotEmitted(panel.changed):
        panel.set_value(value)
    assert panel.value() == value


def test_the_settings_dialog_keeps_the_contract(app: QApplication, qtbot: QtBot, paths: Any) -> None:
    value = Preferences(
        device="GPU.7",
        threads=3,
        precision="bf16",
        preview=False,
        theme="dark",
        autosave=False,
        picture_format="webp",
        watermark=False,
        keep_latents="steps",
        pictures_folder="pictures/here",
        checkpoints_folder="weights",
    )
    dialog = SettingsDialog(Preferences(), SettingsContext((), paths))
    qtbot.addWidget(dialog)
    with qtbot.assertNotEmitted(dialog.changed):
        dialog.set_value(value)
    assert dialog.value() == value


def test_typing_a_prompt_is_reported(app: QApplication, qtbot: QtBot) -> None:
    panel = PromptsPanel()
    qtbot.addWidget(panel)
    with qtbot.waitSignal(panel.changed):
        qtbot.keyClicks(panel.findChildren(QPlainTextEdit)[0], "a fox")
    assert panel.value() == Prompts(prompt="a fox")


def test_a_prompt_grows_with_its_text_but_not_for_ever(app: QApplication, qtbot: QtBot) -> None:
    panel = PromptsPanel()
    qtbot.addWidget(panel)
    panel.resize(400, 600)
    panel.show()
    edit = panel.findChildren(QPlainTextEdit)[0]
    heights = []
    for lines in (1, 6, 12, 200):
        panel.set_value(Prompts(prompt="\n".join("x" * lines)))
        heights.append(edit.height())
    assert heights[0] < heights[1] < heights[2] == heights[3]


def test_moving_the_steps_slider_is_reported(app: QApplication, qtbot: QtBot) -> None:
    panel = SamplingPanel()
    qtbot.addWidget(panel)
    slider = next(slider for slider in panel.findChildren(QSlider) if slider.accessibleName() == "Steps slider")
    with qtbot.waitSignal(panel.changed):
        slider.setValue(7)
    assert panel.value().steps == 7


def test_the_swap_button_turns_the_size_and_is_reported(app: QApplication, qtbot: QtBot) -> None:
    panel = SizePanel()
    qtbot.addWidget(panel)
    panel.set_value(Size(1216, 832))
    with qtbot.waitSignal(panel.changed):
        qtbot.mouseClick(find_named(panel, QAbstractButton, "Swap width and height"), Qt.MouseButton.LeftButton)
    assert panel.value() == Size(832, 1216)


def test_choosing_a_preset_sets_both_sides_and_is_reported_once(
    app: QApplication, qtbot: QtBot, tmp_path: Path
) -> None:
    panel = SizePanel()
    qtbot.addWidget(panel)
    panel.set_checkpoint(read_checkpoint(make_checkpoint(tmp_path / "full", title="Full", side=1024)))
    panel.set_value(Size(1024, 1024))
    reported: list[Size] = []
    panel.changed.connect(lambda: reported.append(panel.value()))
    combo = find_child(panel, QComboBox)
    row = combo.findText("1536", Qt.MatchFlag.MatchContains)
    combo.setCurrentIndex(row)
    combo.activated.emit(row)
    assert reported == [Size(1536, 640)]


def test_a_size_typed_between_multiples_snaps_to_the_nearest(app: QApplication, qtbot: QtBot, tmp_path: Path) -> None:
    panel = SizePanel()
    qtbot.addWidget(panel)
    panel.set_checkpoint(read_checkpoint(make_checkpoint(tmp_path / "full", title="Full", side=1024)))
    width = find_child(panel, QSpinBox)
    width.selectAll()
    qtbot.keyClicks(width, "1021")
    assert panel.value().width == 1024, "text that is still being typed counts, snapped"


def test_a_prompt_and_a_number_that_are_still_being_typed_both_count(
    app: QApplication, qtbot: QtBot, tmp_path: Path
) -> None:
    panel = ParametersPanel()
    qtbot.addWidget(panel)
    panel.set_checkpoints([read_checkpoint(make_checkpoint(tmp_path / "full", title="Full", side=1024))])
    told: list[str] = []
    panel.changed.connect(lambda: told.append(panel.value().prompts.prompt))
    for typed, prompt in (("7", "a"), ("31", "ab")):
        steps = find_named(panel, QSpinBox, "Steps")
        steps.selectAll()
        qtbot.keyClicks(steps, typed)
        qtbot.keyClicks(find_child(panel, QPlainTextEdit), prompt[-1])
        assert told[-1] == prompt
        request = panel.build_request(Execution())
        assert request is not None
        assert (request.prompts.prompt, request.sampling.steps) == (prompt, int(typed))


def test_an_unknown_size_reads_custom(app: QApplication, qtbot: QtBot, tmp_path: Path) -> None:
    panel = SizePanel()
    qtbot.addWidget(panel)
    panel.set_checkpoint(read_checkpoint(make_checkpoint(tmp_path / "full", title="Full", side=1024)))
    panel.set_value(Size(1000, 1000))
    assert find_child(panel, QComboBox).currentText() == "Custom size"
    panel.set_value(Size(1152, 896))
    assert "1152 × 896" in find_child(panel, QComboBox).currentText()


def test_typing_a_seed_locks_it(app: QApplication, qtbot: QtBot) -> None:
    panel = SeedPanel()
    qtbot.addWidget(panel)
    assert not panel.is_locked()
    edit = find_child(panel, QLineEdit)
    edit.selectAll()
    qtbot.keyClicks(edit, str(MAX_SEED))
    assert panel.is_locked()
    assert panel.value() == MAX_SEED


def test_an_unlocked_seed_is_new_for_every_run_and_a_locked_one_stays(
    app: QApplication, qtbot: QtBot, tmp_path: Path
) -> None:
    parameters_panel = ParametersPanel()
    qtbot.addWidget(parameters_panel)
    parameters_panel.set_checkpoints((read_checkpoint(make_checkpoint(tmp_path / "full", title="Full", side=1024)),))

    def drawn() -> int:
        request = parameters_panel.build_request(Execution())
        assert request is not None
        return request.sampling.seed

    shown = next(edit for edit in parameters_panel.findChildren(QLineEdit) if edit.accessibleName() == "Seed")
    seeds = [drawn() for _ in range(4)]
    assert len(set(seeds)) == 4
    assert shown.text() == str(seeds[-1])
    parameters_panel.set_seed(seeds[0])
    assert drawn() == drawn() == seeds[0]


def test_switching_micro_conditioning_on_opens_it_and_makes_it_count(app: QApplication, qtbot: QtBot) -> None:
    panel = MicroConditioningPanel()
    qtbot.addWidget(panel)
    panel.show()
    panel.set_value(MicroConditioningValue(False, MICRO.conditioning))
    assert panel.value().effective == MicroConditioning()
    with qtbot.waitSignal(panel.changed):
        qtbot.mouseClick(find_named(panel, Switch, "Micro-conditioning"), Qt.MouseButton.LeftButton)
    assert panel.section.is_open()
    assert panel.value().effective == MICRO.conditioning


def test_one_side_on_auto_takes_the_pictures_side(app: QApplication, qtbot: QtBot) -> None:
    panel = MicroConditioningPanel()
    qtbot.addWidget(panel)
    panel.set_picture_size(Size(640, 480))
    panel.positive.original_field.set_value(2000, None)
    assert panel.value().conditioning.original_size == Size(2000, 480)


def test_the_checkpoint_panel_offers_titles_and_tells_a_choice(app: QApplication, qtbot: QtBot, shipped: Path) -> None:
    panel = CheckpointPanel()
    qtbot.addWidget(panel)
    with qtbot.assertNotEmitted(panel.changed):
        panel.set_checkpoints(Library(shipped, shipped / "none").checkpoints(), "wide")
    assert panel.value() == "wide"
    with qtbot.waitSignal(panel.changed):
        find_child(panel, QComboBox).setCurrentIndex(find_child(panel, QComboBox).findText("Starter"))
    assert panel.value() == "starter"


def test_the_wheel_over_a_field_without_focus_changes_nothing(app: QApplication, qtbot: QtBot) -> None:
    panel = SamplingPanel()
    qtbot.addWidget(panel)
    for section in panel.findChildren(Disclosure):
        section.set_open(True)
    panel.show()
    qtbot.waitExposed(panel)
    before = panel.value()
    for field in (*panel.findChildren(QSpinBox), *panel.findChildren(QComboBox), *panel.findChildren(QSlider)):
        field.clearFocus()
        QTest.wheelEvent(panel.windowHandle(), QPointF(field.mapTo(panel, field.rect().center())), QPoint(0, 120))
    assert panel.value() == before
