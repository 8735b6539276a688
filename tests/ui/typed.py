"""Typed ways to what is inside widgets."""

from __future__ import annotations

from typing import TypeVar

from PySide6.QtCore import QObject
from PySide6.QtGui import QColor

from tests.typed import present

Child = TypeVar("Child", bound=QObject)


def child(of: QObject, kind: type[Child], name: str | None = None) -> Child:
    """The first descendant of that kind (and object name), which must be there."""
    return present(of.findChild(kind) if name is None else of.findChild(kind, name))


def rgb(colour: QColor) -> tuple[int, int, int]:
    """Red, green and blue, 0 to 255."""
    return colour.red(), colour.green(), colour.blue()
