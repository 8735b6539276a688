"""Typed access to widgets."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import TypeVar

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction, QColor
from PySide6.QtWidgets import QAbstractButton, QLabel, QMainWindow, QWidget

from tests.typed import not_none

Child = TypeVar("Child", bound=QObject)
Kind = TypeVar("Kind", bound=QWidget)


def find_child(of: QObject, kind: type[Child], name: str | None = None) -> Child:
    """Return the first descendant of that kind (and object name), which must exist."""
    return not_none(of.findChild(kind) if name is None else of.findChild(kind, name))


def find_named(inside: QWidget, kind: type[Kind], name: str) -> Kind:
    """Return the control with that accessible name or text."""
    found = [
        widget
        for widget in inside.findChildren(kind)
        if widget.accessibleName() == name or (isinstance(widget, QAbstractButton) and widget.text() == name)
    ]
    assert len(found) == 1, f"{len(found)} controls are called {name!r}"
    return found[0]


def menu_action(window: QMainWindow, name: str) -> QAction:
    """Return the action of that name in the window's menus."""
    return find_child(window, QAction, name)


def label_texts(inside: QWidget) -> str:
    """Return the text of all labels, one per line."""
    return "\n".join(label.text() for label in inside.findChildren(QLabel))


def rgb(colour: QColor) -> tuple[int, int, int]:
    """Return red, green and blue, 0 to 255."""
    return colour.red(), colour.green(), colour.blue()


def repeated_mnemonics(texts: Iterable[str]) -> list[str]:
    """Return the letters that more than one of these texts marks with "&"."""
    letters = Counter(found[1].lower() for text in texts if (found := re.search(r"&(\w)", text.replace("&&", ""))))
    return [letter for letter, times in letters.items() if times > 1]
