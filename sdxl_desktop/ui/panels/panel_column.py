"""The scrolling column of panels that show and edit the values of a workspace."""

from __future__ import annotations

from typing import Protocol, TypeVar

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QFrame, QScrollArea, QWidget

from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.workspace_value import WorkspaceValue
from sdxl_desktop.session.workspace import Workspace
from sdxl_desktop.ui.panels.adapters_panel import AdaptersPanel
from sdxl_desktop.ui.panels.checkpoint_panel import CheckpointPanel
from sdxl_desktop.ui.panels.edit_panel import EditPanel
from sdxl_desktop.ui.panels.few_step_note import FewStepNote
from sdxl_desktop.ui.panels.micro_conditioning_panel import MicroConditioningPanel, MicroConditioningValue
from sdxl_desktop.ui.panels.prompt_bar import PromptBar
from sdxl_desktop.ui.panels.prompts_panel import PromptsPanel
from sdxl_desktop.ui.panels.refiner_panel import RefinerPanel
from sdxl_desktop.ui.panels.sampling_panel import SamplingPanel
from sdxl_desktop.ui.widgets.layout_helpers import Disclosure, column, heading_label, separator

T = TypeVar("T")
Shown = TypeVar("Shown", contravariant=True)


class _Panel(Protocol[Shown]):
    def set_value(self, value: Shown, /) -> None: ...


def _show_in(panel: _Panel[T], shown: T | None, wanted: T) -> None:
    if shown != wanted:
        panel.set_value(wanted)


def _micro_conditioning_of(value: WorkspaceValue) -> MicroConditioningValue:
    return MicroConditioningValue(value.micro_conditioning_on, value.micro_conditioning)


class PanelColumn(QScrollArea):
    """All panels of a request, one below the other. `prompts_edited`: the user changed a prompt, with every key;
    `edited`: another value. `section_toggled`: a section was opened or closed."""

    prompts_edited = Signal()
    edited = Signal()
    section_toggled = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.checkpoint = CheckpointPanel()
        self.few_step_note = FewStepNote()
        self.prompt_bar = PromptBar()
        self.prompts = PromptsPanel(self.prompt_bar)
        self.edit = EditPanel()
        self.sampling = SamplingPanel()
        self.refiner = RefinerPanel()
        self.adapters = AdaptersPanel()
        self.micro_conditioning = MicroConditioningPanel()
        self._shown_checkpoint: Checkpoint | None = None
        self._read_value = WorkspaceValue()
        self._sections: dict[str, Disclosure] = {
            "second encoder": self.prompts.encoders_section,
            "variation": self.sampling.variation_panel.section,
            "advanced": self.sampling.advanced_panel.section,
            "edit": self.edit.section,
            "refiner": self.refiner.section,
            "additions": self.adapters.section,
            "micro-conditioning": self.micro_conditioning.section,
        }
        self._lay_out()
        self.prompts.changed.connect(self.prompts_edited)
        for panel in (self.prompt_bar, self.edit, self.sampling, self.refiner, self.adapters, self.micro_conditioning):
            panel.changed.connect(self.edited)
        for section in self._sections.values():
            section.toggled.connect(self.section_toggled)
        self.adapters.insert_token_requested.connect(self.prompts.insert_token)

    def _lay_out(self) -> None:
        content = QWidget()
        content.setObjectName("panelContent")
        panels = column(
            column(self.checkpoint, self.few_step_note, spacing=4),
            self.prompts,
            separator(),
            self.edit,
            heading_label("Sampling"),
            self.sampling,
            separator(),
            column(self.refiner, self.adapters, self.micro_conditioning, spacing=8),
            spacing=12,
            margins=(16, 12, 8, 12),
        )
        panels.addStretch(1)
        content.setLayout(panels)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setWidget(content)

    def read(self, workspace: Workspace) -> None:
        """Write the panels' values to the workspace, including text still being typed."""
        workspace.input_errors = self.sampling.input_errors()
        self._read_value = self._value(workspace.value.checkpoint)
        workspace.apply_user_changes(self._read_value)

    def _value(self, checkpoint: str) -> WorkspaceValue:
        micro = self.micro_conditioning.value()
        return WorkspaceValue(
            prompts=self.prompts.value(),
            styles=self.prompt_bar.value(),
            sampling=self.sampling.value(),
            micro_conditioning=micro.conditioning,
            micro_conditioning_on=micro.on,
            checkpoint=checkpoint,
            edit=self.edit.value(),
            refiner=self.refiner.value(),
            additions=self.adapters.value(),
            seed_locked=self.sampling.seed_panel.is_locked(),
            variation_locked=self.sampling.variation_panel.seed_panel.is_locked(),
            open_sections=tuple(name for name, section in self._sections.items() if section.is_open()),
        )

    def show_workspace(self, workspace: Workspace, *, were_read: bool = False) -> None:
        """Show the workspace's values in every panel; panels that are up to date are untouched, to keep the cursor.

        `were_read`: they show what `read` has just returned, so they need not be read again.
        """
        value = workspace.value
        if workspace.checkpoint is not None and workspace.checkpoint is not self._shown_checkpoint:
            self._shown_checkpoint, were_read = workspace.checkpoint, False
            self.checkpoint.set_value(workspace.checkpoint.name)
            self.sampling.set_checkpoint(workspace.checkpoint)
        shown = self._read_value if were_read else self._value(value.checkpoint)
        _show_in(self.prompts, shown.prompts, value.prompts)
        _show_in(self.prompt_bar, shown.styles, value.styles)
        _show_in(self.sampling, shown.sampling, workspace.sampling)
        _show_in(self.micro_conditioning, _micro_conditioning_of(shown), _micro_conditioning_of(value))
        _show_in(self.edit, shown.edit, value.edit)
        _show_in(self.refiner, shown.refiner, value.refiner)
        _show_in(self.adapters, shown.additions, value.additions)
        self.sampling.seed_panel.set_locked(value.seed_locked)
        self.sampling.variation_panel.seed_panel.set_locked(value.variation_locked)
        self.few_step_note.show_words(workspace.few_step.notice)
        workspace.input_errors = self.sampling.input_errors()
        self._sync(workspace)

    def _sync(self, workspace: Workspace) -> None:
        """Update the panels that depend on one another."""
        size = workspace.sampling.size
        self.micro_conditioning.set_picture_size(size)
        self.edit.set_drawing_size(size)
        self.refiner.set_main_checkpoint(workspace.checkpoint)
        self.prompts.set_embeddings(workspace.value.additions.embeddings)

    def open_sections(self, names: tuple[str, ...]) -> None:
        """Open these sections and close all others."""
        for name, section in self._sections.items():
            section.set_open(name in names)

    def scroll_to_adapters(self) -> None:
        """Scroll to the adapter added last."""
        QTimer.singleShot(0, self, self._scroll_to_last_adapter)  # after layout

    def _scroll_to_last_adapter(self) -> None:
        self.ensureWidgetVisible(self.adapters.last_added_row() or self.adapters, 0, 48)
