"""The menu of backdrops shown through transparent pictures, and the picker for any other colour."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from PySide6.QtGui import QActionGroup
from PySide6.QtWidgets import QColorDialog, QMenu, QWidget

from sdxl_desktop.core.backdrop import BACKDROPS


def pick_colour(parent: QWidget, title: str) -> str:
    """Ask for a colour. Returns "#rrggbb", or "" if the user cancels."""
    colour = QColorDialog.getColor(parent=parent, title=title)
    return colour.name() if colour.isValid() else ""


def fill_backdrop_menu(menu: QMenu, selected: str, on_selected: Callable[[str], object]) -> None:
    """Fill `menu` with the backdrops and check `selected`; with "", none is checked."""
    menu.clear()
    group = QActionGroup(menu)
    known = [value for value, _ in BACKDROPS]
    listed = list(BACKDROPS) + ([(selected, selected)] if selected and selected not in known else [])
    for value, words in listed:
        action = menu.addAction(words, partial(on_selected, value))
        action.setCheckable(True)
        action.setChecked(value == selected)
        group.addAction(action)
    menu.addSeparator()

    def pick() -> None:
        picked = pick_colour(menu.parentWidget() or menu, "Behind transparency")
        if picked:
            on_selected(picked)

    menu.addAction("Another colour…", pick)
    for action in menu.actions():
        action.setEnabled(bool(selected))
