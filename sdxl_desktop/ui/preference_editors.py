"""One editor for each way a preference can be edited; all share the panels' contract."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, cast

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QLineEdit, QPushButton, QWidget

from sdxl_desktop.core.device import Device
from sdxl_desktop.core.paths import chosen_folder, unknown_variable
from sdxl_desktop.core.request import AUTOMATIC
from sdxl_desktop.core.settings import PreferenceInfo
from sdxl_desktop.ui.backdrops import picked_colour
from sdxl_desktop.ui.widgets.buttons import Switch
from sdxl_desktop.ui.widgets.fields import Choice, IntField
from sdxl_desktop.ui.widgets.layout import Compound, row
from sdxl_desktop.ui.widgets.remark import Remarks


class Editor(Compound):
    """Edits one preference. Subclasses hold one control and say how to read and show it."""

    changed = Signal()

    def hold(self, *controls: QWidget) -> None:
        self.setLayout(row(*controls))
        self._first = controls[0]

    def first_control(self) -> QWidget:
        return self._first

    def value(self) -> object:
        raise NotImplementedError

    def set_value(self, value: object) -> None:
        with QSignalBlocker(self):
            self.show_value(value)

    def show_value(self, value: object) -> None:
        raise NotImplementedError


class ChoiceEditor(Editor):
    """One of a few values."""

    def __init__(self, label: str, choices: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self._choice = Choice(label)
        for value, words in choices:
            self._choice.addItem(words, value)
        self.hold(self._choice)
        self._choice.currentIndexChanged.connect(self.changed)

    def value(self) -> object:
        return self._choice.currentData()

    def show_value(self, value: object) -> None:
        self._choice.setCurrentIndex(self._choice.findData(value))


class BackdropEditor(ChoiceEditor):
    """One of the backdrops that have a name, or a colour that the person picks."""

    def __init__(self, label: str, choices: Sequence[tuple[str, str]]) -> None:
        super().__init__(label, [*choices, ("", "Another colour…")])
        self._label, self._shown = label, choices[0][0]
        self._choice.activated.connect(self._take)

    def value(self) -> object:
        return self._choice.currentData() or self._shown

    def show_value(self, value: object) -> None:
        self._shown = str(value)
        if self._choice.findData(value) < 0:
            self._choice.insertItem(self._choice.count() - 1, self._shown, self._shown)
        super().show_value(value)

    def _take(self) -> None:
        if self._choice.currentData():
            self._shown = str(self._choice.currentData())
            return
        picked = picked_colour(self, self._label)
        self.set_value(picked or self._shown)
        self.changed.emit()


class DeviceEditor(ChoiceEditor):
    """A device of this machine, or one of the `others` that name none: Automatic says which it means. A device that is
    set but missing stays listed, and says that it is missing."""

    def __init__(
        self, label: str, devices: Sequence[Device], others: Sequence[tuple[str, str]] = (), automatic: str = ""
    ) -> None:
        meant = f" ({automatic})" if automatic else ""
        beside = [(value, words + meant if value == AUTOMATIC else words) for value, words in others]
        super().__init__(label, [*beside, *((device.name, device.label) for device in devices)])
        self._missing = "not found on this machine" if devices else "still looking for devices"

    def show_value(self, value: object) -> None:
        if self._choice.findData(value) < 0:
            self._choice.addItem(f"{value} ({self._missing})", value)
        super().show_value(value)


class NumberEditor(Editor):
    """A whole number."""

    def __init__(self, label: str, minimum: int, maximum: int) -> None:
        super().__init__()
        self._field = IntField(label, minimum, maximum)
        self._field.setMaximumWidth(120)
        self.hold(self._field)
        cast(QHBoxLayout, self.layout()).addStretch(1)
        self._field.valueChanged.connect(self.changed)

    def value(self) -> object:
        return self._field.committed()

    def show_value(self, value: object) -> None:
        self._field.setValue(cast(int, value))


class SwitchEditor(Editor):
    """On or off."""

    def __init__(self, label: str) -> None:
        super().__init__()
        self._switch = Switch()
        self._switch.setAccessibleName(label)
        self.hold(self._switch)
        cast(QHBoxLayout, self.layout()).addStretch(1)
        self._switch.toggled.connect(self.changed)

    def value(self) -> object:
        return self._switch.isChecked()

    def show_value(self, value: object) -> None:
        self._switch.setChecked(bool(value))


class FolderEditor(Editor):
    """A folder; empty means the application's own, which shows as the placeholder."""

    def __init__(self, label: str, default: str) -> None:
        super().__init__()
        self._label, self._default = label, default
        self._edit = QLineEdit()
        self._edit.setAccessibleName(label)
        self._edit.setPlaceholderText(default)
        self._edit.setClearButtonEnabled(True)
        browse = QPushButton("Browse…")
        browse.setAccessibleName(f"Browse for {label.lower()}")
        self.hold(self._edit, browse)
        browse.clicked.connect(self._browse)
        self._remarks = Remarks(self._edit)
        self._edit.textEdited.connect(self._remarks.hide)
        self._edit.editingFinished.connect(self._check)
        self._edit.textChanged.connect(self.changed)

    def value(self) -> object:
        return self._edit.text().strip()

    def show_value(self, value: object) -> None:
        self._edit.setText(str(value))

    def _check(self) -> None:
        """Say what the folder is, where that is not plain from the text."""
        text = self._edit.text().strip()
        folder = chosen_folder(text, Path(self._default))
        if missing := unknown_variable(text):
            self._remarks.say(f"There is no variable {missing}: write the folder itself, such as {Path.home()}.")
        elif text and str(folder) != text:
            self._remarks.say(f"That is {folder}.")

    def _browse(self) -> None:
        start = chosen_folder(self._edit.text(), Path(self._default))
        chosen = QFileDialog.getExistingDirectory(self, self._label, str(start))
        if chosen:
            self._edit.setText(chosen)


class Surroundings(Protocol):
    """What editors must know of this machine."""

    @property
    def devices(self) -> Sequence[Device]: ...

    def default_folder(self, preference: str) -> str: ...

    def automatic_device(self, preference: str) -> str:
        """What Automatic means for it now; "" while that is not known."""


def make_editor(name: str, info: PreferenceInfo, around: Surroundings) -> Editor:
    """The editor that the declaration of the preference `name` asks for."""
    match info.editor:
        case "device":
            return DeviceEditor(info.label, around.devices, info.choices, around.automatic_device(name))
        case "number":
            return NumberEditor(info.label, info.minimum, info.maximum)
        case "backdrop":
            return BackdropEditor(info.label, info.choices)
        case "choice":
            return ChoiceEditor(info.label, info.choices)
        case "switch":
            return SwitchEditor(info.label)
        case "folder":
            return FolderEditor(info.label, around.default_folder(name))
