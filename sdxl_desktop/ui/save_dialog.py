"""Where a file is to be saved: the one place that asks, completes the name that was typed, and asks again before
anything is replaced."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtWidgets import QFileDialog, QMessageBox, QWidget

from sdxl_desktop.imaging.picture_formats import WRITTEN, dialog_filter
from sdxl_desktop.session.document.project_content import PROJECT_SUFFIX
from sdxl_desktop.ui.widgets.plain_text import message_box


@dataclass(frozen=True, slots=True)
class FileFormat:
    """A kind of file that a dialog offers: its name for people, and the endings it is known by, the usual one first."""

    name: str
    suffixes: tuple[str, ...]

    @property
    def filter(self) -> str:
        """As QFileDialog writes it: "JPEG (*.jpg *.jpeg)"."""
        return dialog_filter(self.name, self.suffixes)


PICTURE_FORMATS = tuple(FileFormat(each.label, each.written) for each in WRITTEN)
PNG, JPEG, WEBP = PICTURE_FORMATS
PROJECT_FORMAT = FileFormat("SDXL Desktop project: all, with mask and strip", (PROJECT_SUFFIX,))


@dataclass(frozen=True, slots=True)
class SaveTarget:
    """Where a file is to be saved. What was there before may be replaced: the person was asked."""

    path: Path
    file_format: FileFormat


def ask_save_target(parent: QWidget, title: str, start: Path, formats: Sequence[FileFormat]) -> SaveTarget | None:
    """Ask where to save, in one of `formats`; `start` is what is suggested. None when the person wants it nowhere, or
    does not want to replace what is there."""
    ways = QFileDialog.Option.DontConfirmOverwrite  # it would ask about the name as typed, not about the final one
    filters = ";;".join(each.filter for each in formats)
    suggested = _nearest_folder(start.parent) / start.name
    typed, chosen = QFileDialog.getSaveFileName(parent, title, str(suggested), filters, formats[0].filter, ways)
    if not typed:
        return None
    place = complete_target(Path(typed), next((each for each in formats if each.filter == chosen), formats[0]), formats)
    return place if not os.path.lexists(place.path) or _confirm_replace(parent, place.path) else None


def complete_target(typed: Path, selected: FileFormat, formats: Sequence[FileFormat]) -> SaveTarget:
    """The file that is meant by `typed` while `chosen` of `formats` is selected.

    An ending of one of the formats counts, whatever is selected; after any other, and after none, that of `chosen` is
    added. So "v1.2" is a name without an ending. Spaces and dots at the end, which some systems drop, are dropped.
    """
    name = typed.name.rstrip(". \t") or "unnamed"
    suffix = Path(name).suffix.lower()
    for each in (selected, *formats):
        if suffix in each.suffixes:
            return SaveTarget(typed.with_name(name), each)
    return SaveTarget(typed.with_name(name + selected.suffixes[0]), selected)


def _nearest_folder(folder: Path) -> Path:
    """`folder`, or the first above it that is there: a dialog would begin anywhere else."""
    return next((each for each in (folder, *folder.parents) if os.path.isdir(each)), folder)


def _confirm_replace(parent: QWidget, path: Path) -> bool:
    buttons = QMessageBox.StandardButton
    box = message_box(
        parent,
        "Replace file",
        f"{path.name} is there already. Replace it?",
        f"It is in {path.parent}. What it holds now will be lost.",
        buttons.Yes | buttons.Cancel,
    )
    box.button(buttons.Yes).setText("Replace")
    box.setDefaultButton(buttons.Cancel)
    box.exec()
    replaced = box.standardButton(box.clickedButton()) == buttons.Yes
    box.deleteLater()
    return replaced
