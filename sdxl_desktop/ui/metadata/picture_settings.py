"""Uses the settings that a picture records: at once, or the parts that the user chooses in a dialog."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial

from PySide6.QtCore import QObject, Qt

from sdxl_desktop import __version__
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.request import Execution
from sdxl_desktop.metadata.picture_files import PictureRecord
from sdxl_desktop.metadata.picture_records import AnyRecord
from sdxl_desktop.session.settings_parts import RecordedSettings, SettingsPart
from sdxl_desktop.ui.canvas_area import CanvasArea
from sdxl_desktop.ui.import_controller import ImportController
from sdxl_desktop.ui.metadata.use_settings_dialog import UseSettingsDialog
from sdxl_desktop.ui.notify import Notify
from sdxl_desktop.ui.parameters_panel import ParametersPanel

WhenListed = Callable[[Callable[[], object]], object]
"""Calls its argument as soon as the checkpoints are listed."""


class PictureSettings(QObject):
    """The settings of the picture on the canvas, or of any record. `execution` is where the next run happens."""

    def __init__(
        self,
        parameters_panel: ParametersPanel,
        canvas_area: CanvasArea,
        importer: ImportController,
        when_listed: WhenListed,
        execution: Callable[[], Execution],
        notify: Notify,
        show_error: Callable[[SdxlDesktopError], None],
    ) -> None:
        super().__init__(canvas_area)
        self._parameters_panel, self._canvas_area, self._importer = parameters_panel, canvas_area, importer
        self._when_listed, self._execution = when_listed, execution
        self._notify, self._show_error = notify, show_error
        importer.metadata_found.connect(self._offer)
        importer.edit_source_changed.connect(self._update_button)
        canvas_area.result_shown.connect(self._update_button)
        canvas_area.canvas_bar.settings_requested.connect(self.choose_for_shown)
        self._update_button()

    def shown_record(self) -> AnyRecord | None:
        """Return how the picture on the canvas was made, a result or the one being edited; None if it is not known."""
        result = self._canvas_area.shown_result
        if result is None:
            return self._importer.record
        picture = result.picture
        return PictureRecord(
            version=__version__, seed=picture.seed, request=result.request, checkpoint_id=picture.checkpoint_id
        )

    def apply_to_panels(self) -> None:
        """Use all settings of the picture that is being edited."""
        record = self._importer.record
        if record is None:
            self._notify("The picture does not say how it was made")
        else:
            self.apply(record)

    def choose_for_shown(self) -> None:
        """Ask which settings of the picture on the canvas to use."""
        record = self.shown_record()
        if record is None:
            self._notify("The picture does not say how it was made")
        else:
            self.choose(record, "" if self._canvas_area.shown_result is not None else self._importer.document.title)

    def apply(self, record: AnyRecord) -> None:
        """Use all settings of `record`, and say what is missing or has no counterpart here."""
        self._when_listed(partial(self._apply_all, record))

    def choose(self, record: AnyRecord, name: str = "") -> None:
        """Show the settings of `record`, of the picture `name`, and use the parts that the user chooses."""
        self._when_listed(partial(self._open_dialog, record, name))

    def _apply_all(self, record: AnyRecord) -> None:
        settings = self._settings_of(record)
        self._apply(settings, settings.parts)
        if settings.unmatched:
            count = len(settings.unmatched)
            left_out = settings.unmatched[0] if count == 1 else f"{settings.unmatched[0]} and {count - 1} more"
            self._notify(
                f"Without a counterpart here: {left_out}",
                action="Show all",
                callback=lambda: self._open_dialog(record, ""),
            )

    def _open_dialog(self, record: AnyRecord, name: str) -> None:
        settings = self._settings_of(record)
        dialog = UseSettingsDialog(settings, self._canvas_area, name)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.accepted.connect(lambda: self._apply(settings, dialog.parts()))
        dialog.open()

    def _settings_of(self, record: AnyRecord) -> RecordedSettings:
        return self._parameters_panel.recorded_settings(record, self._execution())

    def _apply(self, settings: RecordedSettings, parts: Collection[SettingsPart]) -> None:
        problem = self._parameters_panel.apply_settings(settings, parts)
        if problem is not None:
            self._show_error(problem)

    def _offer(self, record: AnyRecord) -> None:
        """Offer the settings of a picture that was opened. They stay available in the menus and in the bar."""
        if isinstance(record, PictureRecord):
            self._notify(
                "This picture says how it was made", action="Use its settings", callback=lambda: self.apply(record)
            )
        else:
            self._notify(
                f"This picture says how it was made, with {record.title}",
                action="Use its settings",
                callback=lambda: self.apply(record),
            )
        self._update_button()

    def _update_button(self) -> None:
        self._canvas_area.canvas_bar.set_settings_offered(self.shown_record() is not None)
