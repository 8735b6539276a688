"""What goes over the desktop's D-Bus, read by a monitor on a bus of its own; without a bus nothing happens."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QObject
from PySide6.QtDBus import QDBusConnection
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from sdxl_desktop.ui.queue import desktop_status
from sdxl_desktop.ui.queue.desktop_status import DesktopStatus

needs_bus = pytest.mark.skipif(
    shutil.which("dbus-daemon") is None or shutil.which("dbus-monitor") is None, reason="needs dbus-daemon"
)


class Bus:
    """A private bus, and the text of a monitor that listens to it."""

    def __init__(self, folder: Path) -> None:
        self._daemon = subprocess.Popen(
            ["dbus-daemon", "--session", "--nofork", "--print-address", f"--address=unix:dir={folder}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._daemon.stdout is not None
        self.address = self._daemon.stdout.readline().strip()
        self._log = folder / "monitor.txt"
        with self._log.open("w") as log:
            self._monitor = subprocess.Popen(
                ["dbus-monitor", "--address", self.address], stdout=log, stderr=subprocess.DEVNULL
            )

    def text(self) -> str:
        return " ".join(self._log.read_text().split())

    def close(self) -> None:
        for process in (self._monitor, self._daemon):
            process.terminate()
            process.wait(5)
            if process.stdout is not None:
                process.stdout.close()


@pytest.fixture
def bus(tmp_path: Path, qtbot: QtBot) -> Iterator[Bus]:
    made = Bus(tmp_path)
    try:
        qtbot.waitUntil(lambda: "NameAcquired" in made.text())
        yield made
    finally:
        for name in ("application", "desktop"):
            QDBusConnection.disconnectFromBus(name)
        made.close()


def status_on(connect: Callable[[], Any], owner: QObject) -> DesktopStatus:
    return DesktopStatus(owner, lambda: None, connect)


@needs_bus
def test_progress_is_what_launchers_read(bus: Bus, qtbot: QtBot, app: QApplication) -> None:
    connection = QDBusConnection.connectToBus(bus.address, "application")
    owner = QObject()
    status = status_on(lambda: connection, owner)
    status.show_progress(0.25)
    status.show_progress(0.251)
    status.show_progress(None)
    told = "interface=com.canonical.Unity.LauncherEntry; member=Update"
    qtbot.waitUntil(lambda: bus.text().count(told) == 2)
    first, last = bus.text().split(told)[1:]
    assert 'string "application://sdxl-desktop.desktop"' in first
    assert 'string "progress" variant double 0.25' in first
    assert 'string "progress-visible" variant boolean true' in first
    assert 'string "progress-visible" variant boolean false' in last


@needs_bus
def test_notifications_go_to_the_portal_if_there_is_one(bus: Bus, qtbot: QtBot, app: QApplication) -> None:
    connection = QDBusConnection.connectToBus(bus.address, "application")
    owner = QObject()
    status = status_on(lambda: connection, owner)
    assert not status.notify("Everything is drawn", "Here.") or "AddNotification" not in bus.text()
    assert QDBusConnection.connectToBus(bus.address, "desktop").registerService("org.freedesktop.portal.Desktop")
    assert status.notify("Everything is drawn", "Here.")
    told = "interface=org.freedesktop.portal.Notification; member=AddNotification"
    qtbot.waitUntil(lambda: told in bus.text())
    content = bus.text().split(told)[1]
    assert 'string "queue-finished"' in content
    assert 'string "title" variant string "Everything is drawn"' in content
    assert 'string "body" variant string "Here."' in content
    status.close()


def test_without_a_bus_nothing_is_started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, app: QApplication) -> None:
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert desktop_status.session_bus() is None
    owner = QObject()
    status = DesktopStatus(owner, lambda: None)
    status.show_progress(0.5)
    assert status.notify("a", "b") in (True, False)
    status.close()
