"""What the desktop shows of the queue: a notification when all is drawn, and progress on the task bar.

On Linux both go over the session's D-Bus, as the desktop portal and Unity's launcher API (which KDE, Ubuntu's dock and
others follow) define them; elsewhere notifications go through the system tray, and Windows' task bar shows progress.
Without any of it nothing happens. No prompt is ever passed on: a notification may be shown on a locked screen.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QTimer
from PySide6.QtWidgets import QApplication, QSystemTrayIcon

from sdxl_desktop.ui.queue.windows_taskbar import WindowsTaskbar

_PORTAL = "org.freedesktop.portal.Desktop"
_PORTAL_PATH = "/org/freedesktop/portal/desktop"
_PORTAL_NOTIFICATION = "org.freedesktop.portal.Notification"
_LAUNCHER_PATH = "/com/canonical/unity/launcherentry/1"
_LAUNCHER = "com.canonical.Unity.LauncherEntry"
_NOTIFICATION_ID = "queue-finished"
_TRAY_MS = 10_000


def session_bus() -> Any:
    """Return the session's `QDBusConnection`; None where there is none. A bus is never started for this."""
    address = os.environ.get("DBUS_SESSION_BUS_ADDRESS", "")
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if sys.platform != "linux" or not (address or (runtime and Path(runtime, "bus").exists())):
        return None
    try:
        from PySide6.QtDBus import QDBusConnection
    except ImportError:  # a Qt without D-Bus
        return None
    bus = QDBusConnection.sessionBus()
    return bus if bus.isConnected() else None


class DesktopStatus(QObject):
    """Notifies and shows progress for the application; `activate` is called when the user clicks a notification."""

    def __init__(self, parent: QObject, activate: Callable[[], object], bus: Callable[[], Any] = session_bus) -> None:
        super().__init__(parent)
        self._activate, self._bus = activate, bus
        self._tray: QSystemTrayIcon | None = None
        self._tray_timer = QTimer(self, singleShot=True, interval=_TRAY_MS)
        self._tray_timer.timeout.connect(self._hide_tray)
        self._shown: int | None = None
        self._windows_taskbar = WindowsTaskbar()

    # notifications

    def notify(self, title: str, text: str) -> bool:
        """Show a notification; return whether there is a way to."""
        return self._notify_by_portal(title, text) or self._notify_by_tray(title, text)

    def _notify_by_portal(self, title: str, text: str) -> bool:
        bus = self._bus()
        if bus is None:
            return False
        from PySide6.QtDBus import QDBusMessage

        found = bus.interface().isServiceRegistered(_PORTAL)
        if not found.isValid() or not found.value():
            return False
        message = QDBusMessage.createMethodCall(_PORTAL, _PORTAL_PATH, _PORTAL_NOTIFICATION, "AddNotification")
        message.setArguments([_NOTIFICATION_ID, {"title": title, "body": text}])
        return bool(bus.send(message))

    def _notify_by_tray(self, title: str, text: str) -> bool:
        if not QSystemTrayIcon.isSystemTrayAvailable() or not QSystemTrayIcon.supportsMessages():
            return False
        if self._tray is None:
            self._tray = QSystemTrayIcon(QApplication.windowIcon(), self)
            self._tray.messageClicked.connect(self._activate)
        self._tray.show()
        self._tray.showMessage(title, text, QApplication.windowIcon(), _TRAY_MS)
        self._tray_timer.start()
        return True

    def _hide_tray(self) -> None:
        if self._tray is not None:
            self._tray.hide()

    # progress

    def show_progress(self, fraction: float | None) -> None:
        """Show the done `fraction` in [0, 1] on the task bar; None: nothing is drawn."""
        percent = None if fraction is None else round(100 * fraction)
        if percent == self._shown:
            return
        self._shown = percent
        for window in QApplication.topLevelWindows() if sys.platform == "win32" else ():
            self._windows_taskbar.show_progress(int(window.winId()), percent)
        bus = self._bus()
        if bus is None:
            return
        from PySide6.QtDBus import QDBusMessage

        message = QDBusMessage.createSignal(_LAUNCHER_PATH, _LAUNCHER, "Update")
        application = f"application://{QApplication.desktopFileName() or 'sdxl-desktop'}.desktop"
        values = {"progress": float(percent or 0) / 100, "progress-visible": percent is not None}
        message.setArguments([application, values])
        bus.send(message)

    def close(self) -> None:
        """Withdraw the progress and the tray icon."""
        self.show_progress(None)
        self._tray_timer.stop()
        self._hide_tray()
