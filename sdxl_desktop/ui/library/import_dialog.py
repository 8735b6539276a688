"""The dialog before an import: what is imported, its licence, the weight format, and the costs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QLineEdit, QWidget

from sdxl_desktop.library.catalogue import CatalogueEntry
from sdxl_desktop.library.convert.weight_format import WeightFormat
from sdxl_desktop.library.hub.hub_address import HubAddress
from sdxl_desktop.library.importer.import_preview import ImportPreview
from sdxl_desktop.session.library_state import ImportJobSpec
from sdxl_desktop.ui.library import library_formatting
from sdxl_desktop.ui.library.common_widgets import InlineNotice, KeyValueTable, title_label
from sdxl_desktop.ui.library.common_widgets import wrapped_label as plain
from sdxl_desktop.ui.library.free_resources import FreeResources, name_problem
from sdxl_desktop.ui.library.job_start_dialog import JobStartDialog, show_disk_space
from sdxl_desktop.ui.library.token_field import TaskRunner, TokenField
from sdxl_desktop.ui.library.weight_format_table import WeightFormatTable
from sdxl_desktop.ui.widgets.buttons import Switch
from sdxl_desktop.ui.widgets.layout_helpers import column, heading_label, labelled_row


class ImportDialog(JobStartDialog):
    """Accepted when the user starts the import; `value` then returns the choices. `query` is the original query."""

    def __init__(
        self, preview: ImportPreview, query: str, resources: FreeResources, runner: TaskRunner, parent: QWidget
    ) -> None:
        super().__init__(f"Add {preview.title}", parent)
        self._preview, self._query, self._resources = preview, query, resources
        self.format_table = WeightFormatTable(
            preview.estimates,
            preview.suggested_format,
            memory=resources.memory_bytes,
            disk=resources.disk_bytes,
            unconverted_description=library_formatting.unconverted_description(preview),
        )
        self.name_edit = QLineEdit(preview.name)
        self.keep_download_switch = Switch("&Keep the downloaded files, too")
        self.token_field = TokenField(runner)
        self._facts, self._gated_notice, self._advice_notice = KeyValueTable(), InlineNotice(), InlineNotice()
        self._disk_label, self._error_label = plain(), plain(tone="bad")
        self._lay_out()
        self._connect()
        self._refresh()

    # layout

    def _lay_out(self) -> None:
        offer = self._preview
        self.name_edit.setAccessibleName("Name in the library")
        content = column(title_label(offer.title), spacing=12, margins=(0, 0, 12, 0))
        if offer.entry is not None:
            content.addWidget(plain(offer.entry.sentence))
        for widget in (self._facts, self._gated_notice, self._advice_notice):
            content.addWidget(widget)
        self._gated_notice.body.insertWidget(2, self.token_field)
        self._formats_heading = heading_label("Weight format")
        content.addWidget(self._formats_heading)
        content.addWidget(self.format_table)
        self._name_row = QWidget()
        self._name_row.setLayout(labelled_row("&Name", self.name_edit))
        for field in (self._name_row, self._error_label, self.keep_download_switch, self._disk_label):
            content.addWidget(field)
        content.addStretch(1)
        self.set_scrolling_content(content)
        self.resize(800, 740 if offer.gated else 580)

    def _connect(self) -> None:
        self.name_edit.textChanged.connect(self._refresh)
        self.format_table.changed.connect(self._refresh)
        self.token_field.token_saved.connect(lambda: self.start_button.setFocus())

    # displaying

    def showEvent(self, event: QShowEvent) -> None:
        """Set the initial focus to the first control that needs a decision."""
        super().showEvent(event)
        first = self.token_field.token_edit if self._preview.gated else self.format_table.focus_target()
        (first if first is not None and not self._preview.advice else self.cancel_button).setFocus()

    def _refresh(self) -> None:
        offer = self._preview
        only_advice = bool(offer.advice)
        choice = len(offer.estimates) > 1
        for widget, shown in (
            (self._formats_heading, choice),
            (self.format_table, bool(offer.estimates)),
            (self._name_row, not only_advice),
            (self.keep_download_switch, not only_advice and isinstance(offer.source, HubAddress)),
            (self._disk_label, not only_advice),
            (self.start_button, not only_advice),
        ):
            widget.setVisible(shown)
        self._facts.set_rows(_facts(offer, self._remaining_download_bytes()))
        self.cancel_button.setText("Close" if only_advice else "Cancel")
        if only_advice:
            self._advice_notice.show_message("There is nothing to import", offer.advice)
        self._update_gated_notice()
        wrong = "" if only_advice else name_problem(self.name_edit.text().strip(), self._resources)
        self._error_label.setText(wrong)
        self._error_label.setVisible(bool(wrong))
        fits = self._update_disk_label()
        self.start_button.setEnabled(not wrong and fits and (self.format_table.has_selection or not offer.estimates))

    def _update_gated_notice(self) -> None:
        offer = self._preview
        self._gated_notice.setVisible(offer.gated)
        if offer.gated and isinstance(offer.source, HubAddress) and not self._gated_notice.accessibleName():
            self._gated_notice.show_message("Its makers want its licence accepted first")
            self.token_field.show_for(offer.source.page)

    def _update_disk_label(self) -> bool:
        """Show the required disk space; return whether it is free."""
        return show_disk_space(self._disk_label, self.required_disk_bytes(), self._resources) or bool(
            self._preview.advice
        )

    def required_disk_bytes(self) -> int:
        """Return the bytes that must be free: the remaining download plus the output of the conversion."""
        forecast = (
            self._preview.estimates.get(self.format_table.selected_key()) if self.format_table.has_selection else None
        )
        return self._remaining_download_bytes() + (forecast.disk_meanwhile if forecast is not None else 0)

    def _remaining_download_bytes(self) -> int:
        """Return the bytes still to be downloaded for the chosen format."""
        offer = self._preview
        whole = (
            offer.download_bytes_for(self.format_table.selected_key())
            if self.format_table.has_selection
            else offer.download_bytes
        )
        return max(0, whole - offer.downloaded_bytes)

    # result

    def value(self) -> tuple[ImportPreview, ImportJobSpec]:
        """Return the preview and the chosen import job."""
        offer = replace(self._preview, name=self.name_edit.text().strip())
        weights: WeightFormat | None = self.format_table.selected_key()
        note = ImportJobSpec(
            what=self._query,
            name=offer.name,
            title=offer.title,
            weights=weights.value if weights is not None else None,
            keep_download=self.keep_download_switch.isChecked(),
        )
        return offer, note

    def text(self) -> str:
        """Return the dialog's text as a screen reader would read it."""
        summary = (
            self._facts.text(),
            self._advice_notice.accessibleName(),
            self._error_label.text(),
            self._disk_label.text(),
        )
        return "\n".join(part for part in summary if part)


def _facts(preview: ImportPreview, remaining_bytes: int) -> list[tuple[str, str]]:
    download = library_formatting.format_size(remaining_bytes) if remaining_bytes else ""
    if preview.downloaded_bytes:
        here = library_formatting.format_size(preview.downloaded_bytes)
        download = f"{library_formatting.format_size(remaining_bytes)} more, {here} are here already"
    return [
        ("What it is", library_formatting.preview_kind(preview)),
        ("From", str(preview.source) if isinstance(preview.source, Path) else preview.source.page),
        ("Licence", _licence_text(preview)),
        ("Download", download),
        ("Brought along", ", ".join(preview.required_titles)),
        ("Weights", " ".join(preview.notes)),
        ("Memory to draw", _memory_text(preview.entry)),
    ]


def _licence_text(preview: ImportPreview) -> str:
    entry = preview.entry
    if entry is not None and entry.licence is not None and "licence" not in entry.unverified:
        named = f"{entry.licence.name}. " if entry.licence.name else ""
        return named + entry.licence.words
    if preview.licence:
        return f"{preview.licence} (read it on its page before you use it)"
    return "none is stated: read its page before you use it" if isinstance(preview.source, HubAddress) else ""


def _memory_text(entry: CatalogueEntry | None) -> str:
    if entry is None or entry.memory is None or entry.memory.minimum is None or "memory" in entry.unverified:
        return ""
    return f"about {library_formatting.format_size(entry.memory.minimum)}"
