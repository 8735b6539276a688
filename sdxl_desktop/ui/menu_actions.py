"""Builds the menus: every action once, with its text, shortcut and callback."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMainWindow, QMenu


@dataclass(frozen=True, slots=True)
class MenuEntry:
    """One menu entry; `shortcuts` as QKeySequence parses them, the first one is shown. With `fill` it is a submenu that
    `fill` populates."""

    text: str
    callback: Callable[[], object] = lambda: None
    shortcuts: tuple[str, ...] = ()
    name: str = ""
    role: QAction.MenuRole = QAction.MenuRole.NoRole
    fill: Callable[[QMenu], object] | None = None


def fill_menus(window: QMainWindow, menus: dict[str, tuple[MenuEntry | None, ...]]) -> dict[str, QAction]:
    """Build the window's menus (None is a separator); return the named actions."""
    named: dict[str, QAction] = {}
    for title, entries in menus.items():
        menu = window.menuBar().addMenu(title)
        for entry in entries:
            if entry is None:
                menu.addSeparator()
                continue
            if entry.fill is not None:
                entry.fill(menu.addMenu(entry.text))
                continue
            action = _add_action(menu, entry)
            if entry.name:
                action.setObjectName(entry.name)
                named[entry.name] = action
    return named


def _add_action(menu: QMenu, entry: MenuEntry) -> QAction:
    action = menu.addAction(entry.text)
    action.setShortcuts([QKeySequence(keys) for keys in entry.shortcuts])
    action.setMenuRole(entry.role)
    action.triggered.connect(lambda: entry.callback())
    return action


def shortcut_table(window: QMainWindow) -> list[tuple[str, str]]:
    """Return every menu shortcut: the keys in the system's notation, and the action's text."""
    table = []
    for menu in window.menuBar().findChildren(QMenu):
        for action in menu.actions():
            if not action.shortcut().isEmpty():
                keys = action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
                table.append((keys, action.text().replace("&", "").rstrip("…")))
    return table
