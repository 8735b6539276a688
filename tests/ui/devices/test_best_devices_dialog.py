"""Find the best runs the benchmark in a worker, shows its measurements, and saves the best as settings."""

from __future__ import annotations

import pickle

import psutil
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QPushButton, QTableWidget
from pytestqt.qtbot import QtBot

from sdxl_desktop.core import child_program
from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.device import Device
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.request import Execution
from sdxl_desktop.core.settings import Preferences
from sdxl_desktop.engine.device_times import DeviceTimings, PartTiming, timings_file, write_timings
from sdxl_desktop.engine.process.benchmark_process import MeasureDevicesJob
from sdxl_desktop.ui.devices.best_devices_dialog import BestDevicesDialog
from sdxl_desktop.ui.settings_dialog import SettingsContext, SettingsDialog
from tests.ui.conftest import InlineBackgroundRunner
from tests.ui.devices.conftest import WorkerSays
from tests.ui.widget_lookup import find_child, label_texts

pytestmark = pytest.mark.usefixtures("plain_style")

DEVICES = (Device("CPU", "A processor"), Device("GPU", "A card"))
TABLE = DeviceTimings(
    checkpoint="wide",
    size="128x128",
    precision="auto",
    rows=(
        PartTiming(part="unet", device="CPU", milliseconds=50.0, first_seconds=2.0),
        PartTiming(part="unet", device="GPU", milliseconds=5.0, first_seconds=9.0, compiled=True),
        PartTiming(part="vae_decoder", device="CPU", milliseconds=7.0, first_seconds=1.0),
        PartTiming(part="vae_decoder", device="GPU", problem="It has no room."),
    ),
)
MEASURES = f"""
print("noise of a library", file=sys.stderr)
say(JobEvent(Progress(phase=Phase.COMPILING, detail="unet on GPU", fraction=0.5)))
time.sleep(0.3)
say(JobResult(pickle.loads({pickle.dumps(TABLE)!r})))
"""
FAILS = "say(JobFailed(CheckpointError('The checkpoint has gone.'))); sys.exit(1)"
DIES = "print('Oh.', file=sys.stderr); sys.exit(3)"
HANGS = "time.sleep(60)"
EXECUTION = Execution(device="CPU", threads=3)


@pytest.fixture
def dialog(app: QApplication, qtbot: QtBot, checkpoint: Checkpoint, paths: AppPaths) -> BestDevicesDialog:
    made = BestDevicesDialog(checkpoint, DEVICES, EXECUTION, paths)
    qtbot.addWidget(made)
    made.show()
    return made


def button(dialog: BestDevicesDialog, words: str) -> QPushButton:
    return next(each for each in dialog.findChildren(QPushButton) if each.text() == words)


def cells(dialog: BestDevicesDialog, line: int) -> list[str]:
    table = find_child(dialog, QTableWidget)
    return [item.text() for column in range(table.columnCount()) if (item := table.item(line, column)) is not None]


def test_measuring(dialog: BestDevicesDialog, qtbot: QtBot, worker_says: WorkerSays, checkpoint: Checkpoint) -> None:
    jobs = worker_says(MEASURES)
    assert not button(dialog, "Use these").isEnabled()
    qtbot.mouseClick(button(dialog, "Measure"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "unet on GPU" in label_texts(dialog), timeout=10_000)
    assert jobs() == [MeasureDevicesJob(checkpoint.folder, EXECUTION, Size(128, 128), ("CPU", "GPU"))]
    assert button(dialog, "Stop").isEnabled()
    qtbot.waitUntil(lambda: find_child(dialog, QTableWidget).rowCount() == 4, timeout=10_000)
    assert cells(dialog, 1) == ["UNet", "GPU", "5.0 ms", "9.0 s", "Compiled now"]
    assert cells(dialog, 3) == ["VAE decoder", "GPU", "–", "–", "It has no room."]
    assert "UNet on GPU" in label_texts(dialog)
    assert "VAE on CPU" in label_texts(dialog)
    with qtbot.waitSignal(dialog.devices_selected) as chosen:
        qtbot.mouseClick(button(dialog, "Use these"), Qt.MouseButton.LeftButton)
    assert chosen.args == [{"unet": "GPU", "vae": "CPU"}]


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (FAILS, "The checkpoint has gone."),
        (
            DIES,
            "Measuring the devices ended before it was done. It ended with exit code 3. Oh. "
            "Try again; what was compiled so far is kept.",
        ),
    ],
)
def test_a_failure_is_reported_in_the_programs_own_terms(
    script: str, words: str, dialog: BestDevicesDialog, qtbot: QtBot, worker_says: WorkerSays
) -> None:
    worker_says(script)
    button(dialog, "Measure").click()
    qtbot.waitUntil(lambda: words in label_texts(dialog).splitlines(), timeout=10_000)
    assert button(dialog, "Measure").isEnabled()


@pytest.mark.parametrize("way", ["button", "escape", "close"])
def test_it_can_be_stopped(way: str, dialog: BestDevicesDialog, qtbot: QtBot, worker_says: WorkerSays) -> None:
    jobs, before = worker_says(HANGS), psutil.Process().children()
    button(dialog, "Measure").click()
    qtbot.waitUntil(lambda: len(jobs()) == 1, timeout=10_000)
    (worker,) = set(psutil.Process().children()).difference(before)
    match way:
        case "button":
            button(dialog, "Stop").click()
        case "escape":
            qtbot.keyClick(dialog, Qt.Key.Key_Escape)
        case _:
            dialog.reject()
    assert not psutil.pid_exists(worker.pid)
    assert dialog.isVisible() == (way != "close")
    if way != "close":
        assert button(dialog, "Measure").isEnabled()


def test_what_was_measured_before_is_there_again(
    app: QApplication, qtbot: QtBot, checkpoint: Checkpoint, paths: AppPaths
) -> None:
    write_timings(timings_file(paths), TABLE)
    dialog = BestDevicesDialog(checkpoint, DEVICES, EXECUTION, paths)
    qtbot.addWidget(dialog)
    assert find_child(dialog, QTableWidget).rowCount() == 4
    assert button(dialog, "Use these").isEnabled()


def test_without_a_checkpoint_there_is_nothing_to_measure(app: QApplication, qtbot: QtBot, paths: AppPaths) -> None:
    dialog = BestDevicesDialog(None, DEVICES, EXECUTION, paths)
    qtbot.addWidget(dialog)
    assert not button(dialog, "Measure").isEnabled()


def test_the_best_stand_in_the_settings_and_count_when_they_are_saved(
    app: QApplication, qtbot: QtBot, checkpoint: Checkpoint, paths: AppPaths
) -> None:
    write_timings(timings_file(paths), TABLE)
    settings = SettingsDialog(
        Preferences(threads=3), SettingsContext(DEVICES, paths, checkpoint, InlineBackgroundRunner())
    )
    qtbot.addWidget(settings)
    best = settings.open_best_devices()
    button(best, "Use these").click()
    value = settings.value()
    assert (value.device, value.vae_device, value.unet_device, value.threads) == ("GPU", "CPU", "", 3)


def test_a_program_that_cannot_be_started_is_reported(
    dialog: BestDevicesDialog, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_program, "child_command", lambda *_: ["/nowhere/at all"])
    button(dialog, "Measure").click()
    qtbot.waitUntil(lambda: "could not be started" in label_texts(dialog), timeout=5000)
    assert button(dialog, "Measure").isEnabled()
