"""Compiling ahead, which goes on while its dialog is closed and the window is used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QObject, Signal

from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.speed import Speed
from sdxl_desktop.ui.devices.child import Child
from sdxl_desktop.ui.devices.words import duration_words


@dataclass(frozen=True, slots=True)
class Standing:
    """Where it stands, in words; `fraction` of the part in progress, None where it is not known."""

    running: bool = False
    words: str = ""
    fraction: float | None = None


class Preparing(QObject):
    """`changed` tells that `standing` did; `done` that something new may be kept compiled."""

    changed = Signal()
    done = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.standing = Standing()
        self._title = ""
        self._child = Child(self)
        self._child.progressed.connect(self._hear)
        self._child.answered.connect(self._take)
        self._child.failed.connect(self._fail)

    def start(self, checkpoint: Checkpoint, sizes: Sequence[Size], speeds: Sequence[Speed]) -> None:
        """Compile `checkpoint` for these, by the settings as they are saved."""
        self._title = checkpoint.title
        named = [word for size in sizes for word in ("--size", str(size))]
        named += [word for speed in speeds for word in ("--speed", speed.value)]
        self._child.start("cache", "prepare", str(checkpoint.folder.absolute()), *named)
        self._set(Standing(running=True, words=f"Preparing {self._title}…"))

    def stop(self) -> None:
        """End it; what was compiled whole stays."""
        if self._child.running:
            self._child.stop()
            self._set(Standing(words="Stopped. What was compiled so far is kept."))
            self.done.emit()

    def _hear(self, words: str, fraction: float | None, left: float | None) -> None:
        soon = "" if left is None else f", {duration_words(left)} left"
        self._set(Standing(running=True, words=f"{words}{soon}", fraction=fraction))

    def _take(self, answer: dict[str, Any]) -> None:
        made = answer.get("made", [])
        count = f"{len(made)} part{'s' if len(made) != 1 else ''}"
        words = f"Compiled {count} of {self._title} in {answer.get('seconds', 0):.1f} s."
        self._set(Standing(words=words if made else f"Everything of {self._title} was compiled already."))
        self.done.emit()

    def _fail(self, sentence: str) -> None:
        self._set(Standing(words=sentence))
        self.done.emit()

    def _set(self, standing: Standing) -> None:
        self.standing = standing
        self.changed.emit()
