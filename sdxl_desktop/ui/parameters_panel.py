"""The left column: the panels that define a request, and the Generate button."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QWidget

from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.edit import EditSource
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.intents import Intent
from sdxl_desktop.core.request import Execution, GenerationRequest, OutputOptions
from sdxl_desktop.core.speed import SpeedPreset
from sdxl_desktop.core.workspace_value import WorkspaceValue
from sdxl_desktop.library.detect.sampling_metadata import FewStepSettings
from sdxl_desktop.library.token_count import TokenCounter
from sdxl_desktop.metadata.picture_files import PictureRecord
from sdxl_desktop.metadata.picture_records import AnyRecord
from sdxl_desktop.session.addition_library import AdditionLibrary
from sdxl_desktop.session.building import DEFAULT_OUTPUT, NO_EDIT_SOURCE, edit_mode
from sdxl_desktop.session.prompt_craft.presets import FindAdapter, HashOf, PresetPart, SettingsPreset
from sdxl_desktop.session.prompt_craft.prompt_builder import PromptBuilder
from sdxl_desktop.session.settings_parts import RecordedSettings, SettingsPart
from sdxl_desktop.session.workspace import Workspace
from sdxl_desktop.ui.panels.generate_bar import GenerateBar, RunStatus
from sdxl_desktop.ui.panels.panel_column import PanelColumn
from sdxl_desktop.ui.panels.prompt_bar import PromptBar
from sdxl_desktop.ui.panels.prompts_panel import PromptsPanel
from sdxl_desktop.ui.widgets.layout_helpers import column
from sdxl_desktop.ui.widgets.prompt_highlighter import VariantExamples

T = TypeVar("T")


class ParametersPanel(QWidget):
    """Shows a `Workspace`, and writes the user's changes in the panels to it.

    `adapter_files_added`: the receiver detects the files' kind and calls `add_lora`, `add_embedding` or `set_vae`.
    `expand_requested`: extend the picture. `library_requested`: show all checkpoints. `compare_requested`: run both
    requests of `build_comparison_requests` and show them side by side.
    """

    changed = Signal()
    checkpoint_selected = Signal()
    generate_requested = Signal()
    queue_requested = Signal()
    cancel_requested = Signal()
    clear_queue_requested = Signal()
    continue_requested = Signal()
    pause_requested = Signal()
    queue_list_requested = Signal()
    compare_requested = Signal()
    drafts_requested = Signal()
    expand_requested = Signal()
    library_requested = Signal()
    tokens_requested = Signal()
    """A token counter was clicked."""
    suggestion_accepted = Signal(object)
    """Suggestion"""
    request_built = Signal(object)
    """WorkspaceValue: what the next run is drawn with"""
    adapter_files_added = Signal(object)
    """tuple[Path, ...]"""

    def __init__(
        self,
        checkpoint_id_of: Callable[[Path], str] = lambda folder: "",
        addition_files: Callable[[], Sequence[Path]] = lambda: (),
    ) -> None:
        """`checkpoint_id_of` returns the content id of a checkpoint's folder, "" if unknown; `addition_files` the
        LoRAs, embeddings and VAEs in the library."""
        super().__init__()
        self._workspace = Workspace(checkpoint_id_of, addition_files)
        self._panels = PanelColumn()
        self._generate_bar = GenerateBar()
        self._is_workspace_current = False
        self._lay_out()
        self._connect()
        self._show()

    def _lay_out(self) -> None:
        self.setObjectName("parametersPanel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setMinimumWidth(336)
        self.setMaximumWidth(560)
        whole = column(self._panels, self._generate_bar, spacing=0)
        whole.setStretch(0, 1)
        self.setLayout(whole)

    def _connect(self) -> None:
        panels, bar = self._panels, self._generate_bar
        panels.edited.connect(self._handle_panel_change)
        panels.prompts_edited.connect(self._handle_prompts_change)
        panels.section_toggled.connect(self.changed)
        panels.prompts.tokens_requested.connect(self.tokens_requested)
        panels.prompts.suggestion_accepted.connect(self.suggestion_accepted)
        panels.checkpoint.changed.connect(self._choose_checkpoint)
        panels.checkpoint.library_requested.connect(self.library_requested)
        panels.few_step_note.restore_requested.connect(self._restore_sampling)
        panels.edit.intent_wanted.connect(self.apply_intent)
        panels.edit.match_shape_requested.connect(self._match_shape)
        panels.edit.expand_requested.connect(self.expand_requested)
        panels.adapters.files_added.connect(self.adapter_files_added)
        panels.micro_conditioning.compare_requested.connect(self.compare_requested)
        bar.generate_requested.connect(self.generate_requested)
        bar.queue_requested.connect(self.queue_requested)
        bar.cancel_requested.connect(self.cancel_requested)
        bar.clear_queue_requested.connect(self.clear_queue_requested)
        bar.continue_requested.connect(self.continue_requested)
        bar.pause_requested.connect(self.pause_requested)
        bar.queue_list_requested.connect(self.queue_list_requested)
        bar.drafts_requested.connect(self.drafts_requested)

    # the request

    def build_request(
        self, execution: Execution, edit_source: EditSource = NO_EDIT_SOURCE, *, output: OutputOptions = DEFAULT_OUTPUT
    ) -> GenerationRequest | None:
        """See `Workspace.build_request`; new seeds are shown."""
        self._read_panels()
        before = self._workspace.sampling
        asked = self._workspace.build_request(execution, edit_source, output=output)
        self._panels.adapters.check_files()
        if self._workspace.sampling != before:
            self._show_and_notify()
        if asked is not None:
            self.request_built.emit(self._workspace.value)
        return asked

    def build_combinations(
        self, execution: Execution, edit_source: EditSource = NO_EDIT_SOURCE, *, output: OutputOptions = DEFAULT_OUTPUT
    ) -> tuple[GenerationRequest, ...] | None:
        """See `Workspace.build_combinations`; new seeds are shown."""
        made = self._change(lambda: self._workspace.build_combinations(execution, edit_source, output=output))
        if made:
            self.request_built.emit(self._workspace.value)
        return made

    def build_comparison_requests(
        self, execution: Execution, edit_source: EditSource = NO_EDIT_SOURCE, *, output: OutputOptions = DEFAULT_OUTPUT
    ) -> tuple[GenerationRequest, GenerationRequest] | None:
        """See `Workspace.build_comparison_requests`."""
        self._read_panels()
        return self._workspace.build_comparison_requests(execution, edit_source, output=output)

    def can_request(
        self, execution: Execution, edit_source: EditSource = NO_EDIT_SOURCE, *, output: OutputOptions = DEFAULT_OUTPUT
    ) -> bool:
        """Whether `build_request` would return a request."""
        self._read_panels()
        return self._workspace.can_request(execution, edit_source, output=output)

    def speed(self) -> SpeedPreset:
        """The speed preset of the next run."""
        return self._workspace.sampling.speed

    def recorded_settings(self, record: AnyRecord, execution: Execution | None = None) -> RecordedSettings:
        """See `Workspace.recorded_settings`."""
        self._read_panels()
        return self._workspace.recorded_settings(record, execution)

    def apply_settings(
        self, settings: RecordedSettings, parts: Collection[SettingsPart] = tuple(SettingsPart)
    ) -> SdxlDesktopError | None:
        """Apply `parts` of a picture's settings. Returns an error if something they use is missing."""
        before = self._workspace.checkpoint
        missing = self._change(lambda: self._workspace.apply_settings(settings, parts))
        if self._workspace.checkpoint is not before:
            self.checkpoint_selected.emit()
        return missing

    def apply_recorded(self, request: GenerationRequest, seed: int, checkpoint_id: str = "") -> SdxlDesktopError | None:
        """Restore all settings that made a picture, with its seed locked. Returns an error if something it was made
        with is missing."""
        record = PictureRecord(version="", seed=seed, request=request, checkpoint_id=checkpoint_id)
        return self.apply_settings(self.recorded_settings(record))

    # styles, presets, variants

    @property
    def prompt_bar(self) -> PromptBar:
        """The chosen styles, and the buttons under the prompt."""
        return self._panels.prompt_bar

    @property
    def prompts(self) -> PromptsPanel:
        """The prompts as typed."""
        return self._panels.prompts

    def set_prompt_builder(self, builder: PromptBuilder, variants: VariantExamples | None) -> None:
        """Set what expands styles, variants and wildcards, or that these have changed; `variants` None: they are
        text."""
        self._workspace.prompt_builder = builder
        self._panels.prompts.set_variants(variants)
        self._panels.prompt_bar.refresh()
        self._show()

    def count_combinations(self) -> int:
        """See `Workspace.count_combinations`."""
        self._read_panels()
        return self._workspace.count_combinations()

    def set_styles(self, names: tuple[str, ...]) -> None:
        """Put these styles on the prompt."""
        self._change(lambda: self._workspace.set_styles(names))

    def set_typed(self, prompt: str, negative_prompt: str, styles: tuple[str, ...]) -> None:
        """Replace the prompt, the negative prompt and the styles."""
        self._change(lambda: self._workspace.set_typed(prompt, negative_prompt, styles))

    def adapter_files(self) -> tuple[Path, ...]:
        """See `Workspace.adapter_files`."""
        self._read_panels()
        return self._workspace.adapter_files()

    def create_preset(self, name: str, parts: Collection[PresetPart], hash_of: HashOf) -> SettingsPreset:
        """See `Workspace.create_preset`."""
        self._read_panels()
        return self._workspace.create_preset(name, parts, hash_of)

    def apply_preset(self, preset: SettingsPreset, find: FindAdapter) -> SdxlDesktopError | None:
        """See `Workspace.apply_preset`."""
        before = self._workspace.checkpoint
        missing = self._change(lambda: self._workspace.apply_preset(preset, find))
        if self._workspace.checkpoint is not before:
            self.checkpoint_selected.emit()
        return missing

    def apply_recommended(self) -> None:
        """Set what the checkpoint recommends: size, steps, guidance and scheduler."""
        self._change(self._workspace.apply_recommended)

    def set_seed(self, seed: int) -> None:
        """Set and lock a picture's seed."""
        self._change(lambda: self._workspace.lock_seed(seed))

    def set_prompt(self, prompt: str) -> None:
        """Replace the prompt and put the cursor into it."""
        self._change(lambda: self._workspace.set_prompt(prompt))
        self._panels.prompts.focus_prompt()

    def apply_few_step(self, settings: FewStepSettings) -> None:
        """Apply the recommended settings of a model distilled to few steps."""
        self._change(lambda: self._workspace.apply_few_step(settings))

    def add_lora(self, file: Path, weight: float = 1.0) -> None:
        """Add a LoRA to the adapter list."""
        self._change(lambda: self._workspace.add_lora(file, weight))
        self._panels.adapters.show_lora(file)

    def add_embedding(self, file: Path, token: str) -> None:
        """Add an embedding to the adapter list. Raises RequestError for an invalid token."""
        self._change(lambda: self._workspace.add_embedding(file, token))
        self._panels.adapters.show_embedding(file)

    def set_vae(self, path: Path) -> None:
        """Use the VAE in this file or folder from now on."""
        self._change(lambda: self._workspace.set_vae(path))
        self._panels.adapters.section.set_open(True)

    def set_addition_library(self, library: AdditionLibrary, *, lora_tags: bool) -> None:
        """Set where the names of LoRAs are looked up, and whether tags in prompts add them."""
        self._workspace.addition_library, self._workspace.lora_tags = library, lora_tags

    @contextmanager
    def leaving_out_unknown_loras(self) -> Iterator[None]:
        """Within the block, requests are built without the LoRAs that prompts name and the library lacks."""
        self._workspace.leave_out_unknown_loras = True
        try:
            yield
        finally:
            self._workspace.leave_out_unknown_loras = False

    def scroll_to_adapters(self) -> None:
        """Scroll to the adapter added last."""
        self._panels.scroll_to_adapters()

    def focus_prompt(self) -> None:
        """Put the cursor into the prompt."""
        self._panels.prompts.focus_prompt()

    # the values

    def value(self) -> WorkspaceValue:
        """Return the panels' values; the window's layout is left empty."""
        self._read_panels()
        return self._workspace.value

    def set_value(self, value: WorkspaceValue) -> None:
        """Show all values; the checkpoint is unchanged if there is none of that name. Does not emit."""
        with QSignalBlocker(self):
            self._read_panels()
            self._workspace.set_value(value)
            self._panels.open_sections(value.open_sections)
            self._show()

    def _read_panels(self) -> None:
        if not self._is_workspace_current:
            self._panels.read(self._workspace)

    def _handle_panel_change(self) -> None:
        """Handle a value changed by the user."""
        self._panels.read(self._workspace)
        self._show(were_read=True)
        self._notify()

    def _handle_prompts_change(self) -> None:
        """Handle a key typed into a prompt: no other value depends on it, and no other panel shows it."""
        self._workspace.set_prompts(self._panels.prompts.value())
        self._show_generate_bar()
        self._notify()

    def _change(self, change: Callable[[], T]) -> T:
        """Call `change` on the up-to-date workspace and notify of it. Returns and raises what `change` does."""
        self._read_panels()
        answer = change()
        self._show_and_notify()
        return answer

    def _show_and_notify(self) -> None:
        self._show()
        self._notify()

    def _notify(self) -> None:
        """Emit `changed`. Nothing can be typed meanwhile, so the panels need not be read for each receiver."""
        self._is_workspace_current = True
        try:
            self.changed.emit()
        finally:
            self._is_workspace_current = False

    def _show(self, *, were_read: bool = False) -> None:
        """Show the workspace. `were_read`: the panels have just been read, and nothing else has changed."""
        self._panels.show_workspace(self._workspace, were_read=were_read)
        self._show_generate_bar()

    def _show_generate_bar(self) -> None:
        workspace = self._workspace
        has_checkpoint = workspace.checkpoint is not None
        self._generate_bar.set_mode(
            edit_mode(workspace.edit_source),
            workspace.value.edit.intent,
            ready=has_checkpoint or not workspace.checkpoints_known,
            obstacle="\n".join(map(str, workspace.problems())) if has_checkpoint else "",
        )

    # checkpoints

    def set_checkpoints(self, checkpoints: Sequence[Checkpoint]) -> None:
        """Offer these checkpoints; the selection and values set before are kept."""
        self._read_panels()
        self._workspace.set_checkpoints(checkpoints)
        chosen = self._workspace.checkpoint
        self._panels.checkpoint.set_checkpoints(checkpoints, "" if chosen is None else chosen.name)
        self._panels.refiner.set_checkpoints(checkpoints)
        self._show()
        if chosen is not None:
            self.checkpoint_selected.emit()

    def checkpoint(self) -> Checkpoint | None:
        return self._workspace.checkpoint

    def find_checkpoint_folder(self, folder: Path) -> Path | None:
        """See `Workspace.find_checkpoint_folder`."""
        return self._workspace.find_checkpoint_folder(folder)

    def select_checkpoint(self, name: str) -> bool:
        """Select the checkpoint `name` as the user would, with signals; False if there is none."""
        return self._panels.checkpoint.select(name)

    def set_library_jobs_text(self, text: str) -> None:
        """Show the progress of library jobs next to the checkpoint; "" if there are none."""
        self._panels.checkpoint.set_jobs_text(text)

    def set_counters(self, encoder_1: TokenCounter | None, encoder_2: TokenCounter | None) -> None:
        self._panels.prompts.set_counters(encoder_1, encoder_2)

    def _choose_checkpoint(self) -> None:
        self._read_panels()
        if self._workspace.select_checkpoint(self._panels.checkpoint.value()):
            self._show()
            self.checkpoint_selected.emit()
        self.changed.emit()

    def _restore_sampling(self) -> None:
        self._change(self._workspace.restore_sampling)

    # the picture on the canvas

    def set_edit_source(self, edit_source: EditSource) -> None:
        """Set what is on the canvas: shows or hides the edit panel and updates the button's text."""
        self._read_panels()
        self._workspace.set_edit_source(edit_source)
        self._panels.edit.set_source(edit_source)
        self._show()

    def apply_intent(self, intent: Intent) -> None:
        """Apply the values that `intent` means for the edit source."""
        self._change(lambda: self._workspace.apply_intent(intent))

    def reset_intent(self) -> None:
        """After another picture was opened, reset the intent chosen for the one before."""
        before = self.value()
        self._workspace.reset_intent()
        if self._workspace.value != before:
            self._show_and_notify()

    def set_mask_left_out(self, left_out: bool) -> None:
        """Set whether part of the mask lies outside the next run's frame."""
        self._panels.edit.set_mask_left_out(left_out)

    def _match_shape(self) -> None:
        self._change(self._workspace.match_shape)

    # the button

    def set_shortage(self, text: str) -> None:
        """Show above the button what the next run may lack; the button stays enabled."""
        self._generate_bar.set_shortage(text)

    def set_run_status(self, status: RunStatus) -> None:
        """Update the button for the session's state."""
        self._generate_bar.set_status(status)

    @property
    def queue_anchor(self) -> QWidget:
        """The control at which the list of the queue opens."""
        bar = self._generate_bar
        return bar.list_button if bar.list_button.isVisible() else bar.queue_button
