"""Find the best runs the program beside the window, shows what it measured, and the best becomes settings."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict

import pytest
from PySide6.QtCore import QProcess, Qt
from PySide6.QtWidgets import QApplication, QPushButton, QTableWidget
from pytestqt.qtbot import QtBot

from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.device import Device
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.settings import Preferences
from sdxl_desktop.engine.device_times import DeviceTable, PartOnDevice, table_file, write_table
from sdxl_desktop.ui.devices.best_dialog import BestDevicesDialog
from sdxl_desktop.ui.devices.child import Child
from sdxl_desktop.ui.settings_dialog import Machine, SettingsDialog
from tests.ui.conftest import AtOnce
from tests.ui.typed import child, words_in

DEVICES = (Device("CPU", "A processor"), Device("GPU", "A card"))
TABLE = DeviceTable(
    checkpoint="wide",
    size="128x128",
    precision="auto",
    rows=(
        PartOnDevice(part="unet", device="CPU", milliseconds=50.0, first_seconds=2.0),
        PartOnDevice(part="unet", device="GPU", milliseconds=5.0, first_seconds=9.0, compiled=True),
        PartOnDevice(part="vae_decoder", device="CPU", milliseconds=7.0, first_seconds=1.0),
        PartOnDevice(part="vae_decoder", device="GPU", problem="It has no room."),
    ),
)
MEASURES = f"""
import sys, json, time
print("noise of a library", file=sys.stderr)
print(json.dumps({{"progress": "unet on GPU", "fraction": 0.5, "seconds_left": None}}), file=sys.stderr, flush=True)
time.sleep(0.3)
print({json.dumps(json.dumps(asdict(TABLE)))})
"""
FAILS = "import sys; print('The checkpoint has gone.', file=sys.stderr); sys.exit(2)"
HANGS = "import time; time.sleep(60)"

Says = Callable[[str], list[list[str]]]


@pytest.fixture
def dialog(app: QApplication, qtbot: QtBot, checkpoint: Checkpoint, paths: AppPaths) -> BestDevicesDialog:
    made = BestDevicesDialog(checkpoint, DEVICES, paths)
    qtbot.addWidget(made)
    made.show()
    return made


def button(dialog: BestDevicesDialog, words: str) -> QPushButton:
    return next(each for each in dialog.findChildren(QPushButton) if each.text() == words)


def cells(dialog: BestDevicesDialog, line: int) -> list[str]:
    table = child(dialog, QTableWidget)
    return [item.text() for column in range(table.columnCount()) if (item := table.item(line, column)) is not None]


def test_measuring(dialog: BestDevicesDialog, qtbot: QtBot, child_says: Says, checkpoint: Checkpoint) -> None:
    starts = child_says(MEASURES)
    assert not button(dialog, "Use these").isEnabled()
    qtbot.mouseClick(button(dialog, "Measure"), Qt.MouseButton.LeftButton)
    assert starts == [["bench", "--devices", "--checkpoint", str(checkpoint.folder), "--json", "--events"]]
    qtbot.waitUntil(lambda: "unet on GPU…" in words_in(dialog).splitlines(), timeout=10_000)
    assert button(dialog, "Stop").isEnabled()
    qtbot.waitUntil(lambda: child(dialog, QTableWidget).rowCount() == 4, timeout=10_000)
    assert cells(dialog, 1) == ["UNet", "GPU", "5.0 ms", "9.0 s", "Compiled now"]
    assert cells(dialog, 3) == ["VAE decoder", "GPU", "–", "–", "It has no room."]
    assert "UNet on GPU" in words_in(dialog)
    assert "VAE on CPU" in words_in(dialog)
    with qtbot.waitSignal(dialog.chosen) as chosen:
        qtbot.mouseClick(button(dialog, "Use these"), Qt.MouseButton.LeftButton)
    assert chosen.args == [{"unet": "GPU", "vae": "CPU"}]


def test_a_failure_is_told_in_the_programs_own_words(dialog: BestDevicesDialog, qtbot: QtBot, child_says: Says) -> None:
    child_says(FAILS)
    button(dialog, "Measure").click()
    qtbot.waitUntil(lambda: "The checkpoint has gone." in words_in(dialog).splitlines(), timeout=10_000)
    assert button(dialog, "Measure").isEnabled()


@pytest.mark.parametrize("way", ["button", "escape", "close"])
def test_it_can_be_stopped(way: str, dialog: BestDevicesDialog, qtbot: QtBot, child_says: Says) -> None:
    child_says(HANGS)
    button(dialog, "Measure").click()
    process = child(dialog, QProcess)
    ended: list[int] = []
    process.finished.connect(lambda code, status: ended.append(code))
    assert process.waitForStarted(5000)
    match way:
        case "button":
            button(dialog, "Stop").click()
        case "escape":
            qtbot.keyClick(dialog, Qt.Key.Key_Escape)
        case _:
            dialog.reject()
    assert ended
    assert dialog.isVisible() == (way != "close")


def test_what_was_measured_before_is_there_again(
    app: QApplication, qtbot: QtBot, checkpoint: Checkpoint, paths: AppPaths
) -> None:
    write_table(table_file(paths), TABLE)
    dialog = BestDevicesDialog(checkpoint, DEVICES, paths)
    qtbot.addWidget(dialog)
    assert child(dialog, QTableWidget).rowCount() == 4
    assert button(dialog, "Use these").isEnabled()


def test_without_a_checkpoint_there_is_nothing_to_measure(app: QApplication, qtbot: QtBot, paths: AppPaths) -> None:
    dialog = BestDevicesDialog(None, DEVICES, paths)
    qtbot.addWidget(dialog)
    assert not button(dialog, "Measure").isEnabled()


def test_the_best_stand_in_the_settings_and_count_when_they_are_saved(
    app: QApplication, qtbot: QtBot, checkpoint: Checkpoint, paths: AppPaths
) -> None:
    write_table(table_file(paths), TABLE)
    settings = SettingsDialog(Preferences(threads=3), Machine(DEVICES, paths, checkpoint, AtOnce()))
    qtbot.addWidget(settings)
    best = settings.find_best()
    button(best, "Use these").click()
    value = settings.value()
    assert (value.device, value.vae_device, value.unet_device, value.threads) == ("GPU", "CPU", "", 3)


def test_a_program_that_cannot_be_started_is_told(
    app: QApplication, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sdxl_desktop.ui.devices.child.command", lambda *_: ["/nowhere/at all"])
    child = Child()
    with qtbot.waitSignal(child.failed, timeout=5000) as failed:
        child.start("bench")
    assert "could not be started" in failed.args[0]
    assert not child.running
