"""One editor for each kind of preference; all share the panels' interface."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, cast

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QLineEdit, QPushButton, QWidget

from sdxl_desktop.core.device import Device
from sdxl_desktop.core.paths import chosen_folder, unknown_variable
from sdxl_desktop.core.request import AUTOMATIC_DEVICE
from sdxl_desktop.core.settings import PreferenceInfo
from sdxl_desktop.ui.backdrop_menu import pick_colour
from sdxl_desktop.ui.widgets.buttons import Switch
from sdxl_desktop.ui.widgets.field_hint import FieldHints
from sdxl_desktop.ui.widgets.fields import ComboBox, IntField
from sdxl_desktop.ui.widgets.layout_helpers import CompoundField, row


class PreferenceEditor(CompoundField):
    """Edits one preference. Subclasses hold one control and define how to read and show it."""

    changed = Signal()

    def set_controls(self, *controls: QWidget) -> None:
        self.setLayout(row(*controls))
        self._focus_target = controls[0]

    def focus_target(self) -> QWidget:
        return self._focus_target

    def value(self) -> object:
        raise NotImplementedError

    def set_value(self, value: object) -> None:
        with QSignalBlocker(self):
            self.show_value(value)

    def show_value(self, value: object) -> None:
        raise NotImplementedError


class ChoiceEditor(PreferenceEditor):
    """One of a few values."""

    def __init__(self, label: str, choices: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self._combo_box = ComboBox(label)
        for value, words in choices:
            self._combo_box.addItem(words, value)
        self.set_controls(self._combo_box)
        self._combo_box.currentIndexChanged.connect(self.changed)

    def value(self) -> object:
        return self._combo_box.currentData()

    def show_value(self, value: object) -> None:
        self._combo_box.setCurrentIndex(self._combo_box.findData(value))


class BackdropEditor(ChoiceEditor):
    """A named backdrop, or a colour picked by the user."""

    def __init__(self, label: str, choices: Sequence[tuple[str, str]]) -> None:
        super().__init__(label, [*choices, ("", "Another colour…")])
        self._label, self._backdrop = label, choices[0][0]
        self._combo_box.activated.connect(self._handle_selection)

    def value(self) -> object:
        return self._combo_box.currentData() or self._backdrop

    def show_value(self, value: object) -> None:
        self._backdrop = str(value)
        if self._combo_box.findData(value) < 0:
            self._combo_box.insertItem(self._combo_box.count() - 1, self._backdrop, self._backdrop)
        super().show_value(value)

    def _handle_selection(self) -> None:
        if self._combo_box.currentData():
            self._backdrop = str(self._combo_box.currentData())
            return
        picked = pick_colour(self, self._label)
        self.set_value(picked or self._backdrop)
        self.changed.emit()


class DeviceEditor(ChoiceEditor):
    """A device of this machine, or one of the `virtual_devices`; Automatic shows which device it resolves to. A device
    that is set but missing remains listed and is marked as missing."""

    def __init__(
        self,
        label: str,
        devices: Sequence[Device],
        virtual_devices: Sequence[tuple[str, str]] = (),
        automatic: str = "",
    ) -> None:
        meant = f" ({automatic})" if automatic else ""
        others = [(value, words + meant if value == AUTOMATIC_DEVICE else words) for value, words in virtual_devices]
        super().__init__(label, [*others, *((device.name, device.label) for device in devices)])
        self._missing_text = "not found on this machine" if devices else "still looking for devices"

    def show_value(self, value: object) -> None:
        if self._combo_box.findData(value) < 0:
            self._combo_box.addItem(f"{value} ({self._missing_text})", value)
        super().show_value(value)


class NumberEditor(PreferenceEditor):
    """An integer."""

    def __init__(self, label: str, minimum: int, maximum: int) -> None:
        super().__init__()
        self._field = IntField(label, minimum, maximum)
        self._field.setMaximumWidth(120)
        self.set_controls(self._field)
        cast(QHBoxLayout, self.layout()).addStretch(1)
        self._field.valueChanged.connect(self.changed)

    def value(self) -> object:
        return self._field.commit_value()

    def show_value(self, value: object) -> None:
        self._field.setValue(cast(int, value))


class SwitchEditor(PreferenceEditor):
    """On or off."""

    def __init__(self, label: str) -> None:
        super().__init__()
        self._switch = Switch()
        self._switch.setAccessibleName(label)
        self.set_controls(self._switch)
        cast(QHBoxLayout, self.layout()).addStretch(1)
        self._switch.toggled.connect(self.changed)

    def value(self) -> object:
        return self._switch.isChecked()

    def show_value(self, value: object) -> None:
        self._switch.setChecked(bool(value))


class FolderEditor(PreferenceEditor):
    """A folder; empty means the application's default, shown as the placeholder."""

    def __init__(self, label: str, default: str) -> None:
        super().__init__()
        self._label, self._default = label, default
        self._edit = QLineEdit()
        self._edit.setAccessibleName(label)
        self._edit.setPlaceholderText(default)
        self._edit.setClearButtonEnabled(True)
        browse = QPushButton("Browse…")
        browse.setAccessibleName(f"Browse for {label.lower()}")
        self.set_controls(self._edit, browse)
        browse.clicked.connect(self._browse)
        self._hints = FieldHints(self._edit)
        self._edit.textEdited.connect(self._hints.hide)
        self._edit.editingFinished.connect(self._check)
        self._edit.textChanged.connect(self.changed)

    def value(self) -> object:
        return self._edit.text().strip()

    def show_value(self, value: object) -> None:
        self._edit.setText(str(value))

    def _check(self) -> None:
        """Show the resolved folder if it differs from the text, or an unknown variable in it."""
        text = self._edit.text().strip()
        folder = chosen_folder(text, Path(self._default))
        if missing := unknown_variable(text):
            self._hints.show_message(f"There is no variable {missing}: write the folder itself, such as {Path.home()}.")
        elif text and str(folder) != text:
            self._hints.show_message(f"That is {folder}.")

    def _browse(self) -> None:
        start = chosen_folder(self._edit.text(), Path(self._default))
        chosen = QFileDialog.getExistingDirectory(self, self._label, str(start))
        if chosen:
            self._edit.setText(chosen)


class PreferenceEditorContext(Protocol):
    """What editors need to know about this machine."""

    @property
    def devices(self) -> Sequence[Device]: ...

    def default_folder(self, preference: str) -> str: ...

    def automatic_device(self, preference: str) -> str:
        """Return the device Automatic resolves to; "" while unknown."""


def create_editor(name: str, info: PreferenceInfo, context: PreferenceEditorContext) -> PreferenceEditor:
    """Create the editor for the declaration of the preference `name`."""
    match info.editor:
        case "device":
            return DeviceEditor(info.label, context.devices, info.choices, context.automatic_device(name))
        case "number":
            return NumberEditor(info.label, info.minimum, info.maximum)
        case "backdrop":
            return BackdropEditor(info.label, info.choices)
        case "choice":
            return ChoiceEditor(info.label, info.choices)
        case "switch":
            return SwitchEditor(info.label)
        case "folder":
            return FolderEditor(info.label, context.default_folder(name))
