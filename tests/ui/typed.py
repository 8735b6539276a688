"""Typed ways to what is inside widgets."""

from __future__ import annotations

from typing import TypeVar

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction, QColor
from PySide6.QtWidgets import QAbstractButton, QLabel, QMainWindow, QWidget

from tests.typed import present

Child = TypeVar("Child", bound=QObject)
Kind = TypeVar("Kind", bound=QWidget)


def child(of: QObject, kind: type[Child], name: str | None = None) -> Child:
    """The first descendant of that kind (and object name), which must be there."""
    return present(of.findChild(kind) if name is None else of.findChild(kind, name))


def named(inside: QWidget, kind: type[Kind], name: str) -> Kind:
    """The control of that accessible name or with those words on it."""
    found = [
        widget
        for widget in inside.findChildren(kind)
        if widget.accessibleName() == name or (isinstance(widget, QAbstractButton) and widget.text() == name)
    ]
    assert len(found) == 1, f"{len(found)} controls are called {name!r}"
    return found[0]


def menu_action(window: QMainWindow, name: str) -> QAction:
    """The action that the window's menus have under that name."""
    return child(window, QAction, name)


def words_in(inside: QWidget) -> str:
    """What all labels say, each on a line of its own."""
    return "\n".join(label.text() for label in inside.findChildren(QLabel))


def rgb(colour: QColor) -> tuple[int, int, int]:
    """Red, green and blue, 0 to 255."""
    return colour.red(), colour.green(), colour.blue()
