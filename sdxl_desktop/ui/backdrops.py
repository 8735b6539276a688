"""Choosing what shows through a transparent picture: the menu of backdrops, and the picker for any colour."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from PySide6.QtGui import QActionGroup
from PySide6.QtWidgets import QColorDialog, QMenu, QWidget

from sdxl_desktop.core.backdrop import BACKDROPS


def picked_colour(parent: QWidget, title: str) -> str:
    """Ask for a colour; "#rrggbb", "" when the person wants none."""
    colour = QColorDialog.getColor(parent=parent, title=title)
    return colour.name() if colour.isValid() else ""


def fill_backdrops(menu: QMenu, shown: str, choose: Callable[[str], object]) -> None:
    """Let `menu` list the backdrops, the `shown` one checked; with "" none can be chosen."""
    menu.clear()
    group = QActionGroup(menu)
    known = [value for value, _ in BACKDROPS]
    listed = list(BACKDROPS) + ([(shown, shown)] if shown and shown not in known else [])
    for value, words in listed:
        action = menu.addAction(words, partial(choose, value))
        action.setCheckable(True)
        action.setChecked(value == shown)
        group.addAction(action)
    menu.addSeparator()

    def pick() -> None:
        picked = picked_colour(menu.parentWidget() or menu, "Behind transparency")
        if picked:
            choose(picked)

    menu.addAction("Another colour…", pick)
    for action in menu.actions():
        action.setEnabled(bool(shown))
