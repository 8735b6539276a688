"""The left column: the panels that make a request, and the one big button."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from PySide6.QtCore import QSignalBlocker, Qt, QTimer, Signal
from PySide6.QtWidgets import QFrame, QScrollArea, QWidget

from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.edit import Ground
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.intents import Intent
from sdxl_desktop.core.request import Execution, GenerationRequest, Output
from sdxl_desktop.core.settings import WorkspaceValue
from sdxl_desktop.core.speed import Speed
from sdxl_desktop.library.detect.sampling import FewStep
from sdxl_desktop.library.tokens import TokenCounter
from sdxl_desktop.session.building import NOTHING, PLAIN, mode_of
from sdxl_desktop.session.workspace import Workspace
from sdxl_desktop.ui.panels.additions import AdditionsPanel
from sdxl_desktop.ui.panels.checkpoint import CheckpointPanel
from sdxl_desktop.ui.panels.edit import EditPanel
from sdxl_desktop.ui.panels.few_step import FewStepNote
from sdxl_desktop.ui.panels.generate import GenerateBar, Run
from sdxl_desktop.ui.panels.micro import MicroPanel, MicroValue
from sdxl_desktop.ui.panels.prompts import PromptsPanel
from sdxl_desktop.ui.panels.refiner import RefinerPanel
from sdxl_desktop.ui.panels.sampling import SamplingPanel
from sdxl_desktop.ui.widgets.layout import Disclosure, column, heading, rule

T = TypeVar("T")


class _Panel(Protocol[T]):
    def value(self) -> T: ...

    def set_value(self, value: T, /) -> None: ...


def _show_in(panel: _Panel[T], wanted: T) -> None:
    if panel.value() != wanted:
        panel.set_value(wanted)


class Desk(QWidget):
    """Shows a `Workspace`, and takes what a person changes in the panels into it.

    `additions_offered`: somebody should find out what these files are and call `add_lora`, `add_embedding` or
    `use_vae`.
    `expand_wanted`: the picture should be made larger. `library_wanted`: all checkpoints should be shown.
    `compare_wanted`: the two of `requests_to_compare` should be drawn and shown side by side.
    """

    changed = Signal()
    checkpoint_chosen = Signal()
    generate_wanted = Signal()
    queue_wanted = Signal()
    cancel_wanted = Signal()
    clear_queue_wanted = Signal()
    resume_wanted = Signal()
    compare_wanted = Signal()
    drafts_wanted = Signal()
    expand_wanted = Signal()
    library_wanted = Signal()
    additions_offered = Signal(object)
    """tuple[Path, ...]"""

    def __init__(self, content_of: Callable[[Path], str] = lambda folder: "") -> None:
        """`content_of` names the content of a checkpoint's folder, "" where that is not known."""
        super().__init__()
        self._workspace = Workspace(content_of)
        self._shown_checkpoint: Checkpoint | None = None
        self._checkpoint = CheckpointPanel()
        self._few_step = FewStepNote()
        self._prompts = PromptsPanel()
        self._edit = EditPanel()
        self._sampling = SamplingPanel()
        self._refiner = RefinerPanel()
        self._additions = AdditionsPanel()
        self._micro = MicroPanel()
        self._bar = GenerateBar()
        self._area = QScrollArea()
        self._generate = self._bar.button
        self._sections: dict[str, Disclosure] = {
            "second encoder": self._prompts.encoders,
            "variation": self._sampling.variation.section,
            "advanced": self._sampling.advanced.section,
            "edit": self._edit.section,
            "refiner": self._refiner.section,
            "additions": self._additions.section,
            "micro-conditioning": self._micro.section,
        }
        self._lay_out()
        self._connect()
        self._show()

    def _lay_out(self) -> None:
        self.setObjectName("desk")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setMinimumWidth(336)
        self.setMaximumWidth(560)
        whole = column(self._scrolled(), self._bar, spacing=0)
        whole.setStretch(0, 1)
        self.setLayout(whole)

    def _scrolled(self) -> QScrollArea:
        content = QWidget()
        content.setObjectName("deskContent")
        panels = column(
            column(self._checkpoint, self._few_step, spacing=4),
            self._prompts,
            rule(),
            self._edit,
            heading("Sampling"),
            self._sampling,
            rule(),
            column(self._refiner, self._additions, self._micro, spacing=8),
            spacing=12,
            margins=(16, 12, 8, 12),
        )
        panels.addStretch(1)
        content.setLayout(panels)
        area = self._area
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setWidget(content)
        return area

    def _connect(self) -> None:
        self._checkpoint.changed.connect(self._choose_checkpoint)
        self._checkpoint.library_wanted.connect(self.library_wanted)
        for panel in (
            self._prompts,
            self._edit,
            self._sampling,
            self._refiner,
            self._additions,
            self._micro,
        ):
            panel.changed.connect(self._moved)
        self._few_step.keep_wanted.connect(self._keep_mine)
        self._edit.intent_wanted.connect(self.pick)
        self._edit.match_wanted.connect(self._match_shape)
        self._edit.expand_wanted.connect(self.expand_wanted)
        self._additions.files_offered.connect(self.additions_offered)
        self._additions.token_wanted.connect(self._prompts.insert_word)
        self._micro.compare_wanted.connect(self.compare_wanted)
        for section in self._sections.values():
            section.toggled.connect(self.changed)
        self._bar.generate_wanted.connect(self.generate_wanted)
        self._bar.queue_wanted.connect(self.queue_wanted)
        self._bar.cancel_wanted.connect(self.cancel_wanted)
        self._bar.clear_queue_wanted.connect(self.clear_queue_wanted)
        self._bar.resume_wanted.connect(self.resume_wanted)
        self._bar.drafts_wanted.connect(self.drafts_wanted)

    # the request

    def request(
        self, execution: Execution, ground: Ground = NOTHING, *, output: Output = PLAIN
    ) -> GenerationRequest | None:
        """See `Workspace.request`; new seeds are shown."""
        self._take()
        before = self._workspace.sampling
        asked = self._workspace.request(execution, ground, output=output)
        self._additions.look()
        if self._workspace.sampling != before:
            self._tell()
        return asked

    def requests_to_compare(
        self, execution: Execution, ground: Ground = NOTHING, *, output: Output = PLAIN
    ) -> tuple[GenerationRequest, GenerationRequest] | None:
        """See `Workspace.requests_to_compare`."""
        self._take()
        return self._workspace.requests_to_compare(execution, ground, output=output)

    def can_request(self, execution: Execution, ground: Ground = NOTHING, *, output: Output = PLAIN) -> bool:
        """Whether `request` would give something."""
        self._take()
        return self._workspace.can_request(execution, ground, output=output)

    def speed(self) -> Speed:
        """What may be saved at the next run."""
        return self._workspace.sampling.speed

    def reuse(self, request: GenerationRequest, seed: int, checkpoint_id: str = "") -> SdxlDesktopError | None:
        """Put the settings that made a picture back into the panels, its own seed locked. Returns what to tell where
        not all that drew it is here."""
        before = self._workspace.checkpoint
        missing = self._change(lambda: self._workspace.reuse(request, seed, checkpoint_id))
        if self._workspace.checkpoint is not before:
            self.checkpoint_chosen.emit()
        return missing

    def use_seed(self, seed: int) -> None:
        """Take one picture's seed and keep it."""
        self._change(lambda: self._workspace.use_seed(seed))

    def use_prompt(self, prompt: str) -> None:
        """Replace the prompt and put the cursor into it."""
        self._change(lambda: self._workspace.use_prompt(prompt))
        self._prompts.focus()

    def use_few_step(self, settings: FewStep) -> None:
        """Draw with the settings that something distilled to few steps is made for."""
        self._change(lambda: self._workspace.use_few_step(settings))

    def add_lora(self, file: Path) -> None:
        """Put a LoRA into the list of additions."""
        self._change(lambda: self._workspace.add_lora(file))
        self._additions.show_lora(file)

    def add_embedding(self, file: Path, token: str) -> None:
        """Put an embedding into the list of additions; raises RequestError for a token that cannot be one."""
        self._change(lambda: self._workspace.add_embedding(file, token))
        self._additions.show_embedding(file)

    def use_vae(self, path: Path) -> None:
        """Decode with the VAE in this file or folder from now on."""
        self._change(lambda: self._workspace.use_vae(path))
        self._additions.section.set_open(True)

    def show_additions(self) -> None:
        """Scroll the list of additions to what was added last."""
        QTimer.singleShot(0, self, self._scroll_to_additions)  # when it has been laid out

    def _scroll_to_additions(self) -> None:
        self._area.ensureWidgetVisible(self._additions.last_row() or self._additions, 0, 48)

    def focus(self) -> None:
        """Put the cursor into the prompt."""
        self._prompts.focus()

    # the values

    def value(self) -> WorkspaceValue:
        """What the panels say; the window's layout is left empty."""
        self._take()
        return self._workspace.value

    def set_value(self, value: WorkspaceValue) -> None:
        """Take all of it over; the checkpoint stays where there is none of that name. Does not emit."""
        with QSignalBlocker(self):
            self._take()
            self._workspace.set_value(value)
            for name, section in self._sections.items():
                section.set_open(name in value.open_sections)
            self._show()

    def _take(self) -> None:
        """Take what the panels say into the workspace, text that is still being typed included."""
        micro, now = self._micro.value(), self._workspace.value
        self._workspace.unreadable = self._sampling.unreadable()
        self._workspace.take(
            WorkspaceValue(
                prompts=self._prompts.value(),
                sampling=self._sampling.value(),
                micro_conditioning=micro.conditioning,
                micro_conditioning_on=micro.on,
                checkpoint=now.checkpoint,
                edit=self._edit.value(),
                refiner=self._refiner.value(),
                additions=self._additions.value(),
                seed_locked=self._sampling.seed.locked(),
                variation_locked=self._sampling.variation.seed.locked(),
                open_sections=tuple(name for name, section in self._sections.items() if section.is_open()),
            )
        )

    def _moved(self) -> None:
        """The person changed a value in a panel."""
        self._take()
        self._tell()

    def _change(self, change: Callable[[], T]) -> T:
        """Let `change` change the workspace, on top of what the panels say, and tell it. Returns and raises what
        `change` does."""
        self._take()
        answer = change()
        self._tell()
        return answer

    def _tell(self) -> None:
        self._show()
        self.changed.emit()

    def _show(self) -> None:
        """Let every panel show what the workspace says; one that does already is left as it is, cursor and all."""
        workspace, value = self._workspace, self._workspace.value
        if workspace.checkpoint is not None and workspace.checkpoint is not self._shown_checkpoint:
            self._shown_checkpoint = workspace.checkpoint
            self._checkpoint.set_value(workspace.checkpoint.name)
            self._sampling.set_checkpoint(workspace.checkpoint)
        _show_in(self._prompts, value.prompts)
        _show_in(self._sampling, workspace.sampling)
        _show_in(self._micro, MicroValue(value.micro_conditioning_on, value.micro_conditioning))
        _show_in(self._edit, value.edit)
        _show_in(self._refiner, value.refiner)
        _show_in(self._additions, value.additions)
        self._sampling.seed.set_locked(value.seed_locked)
        self._sampling.variation.seed.set_locked(value.variation_locked)
        self._few_step.show_words(workspace.few_step.words)
        workspace.unreadable = self._sampling.unreadable()
        self._follow()

    # checkpoints

    def set_checkpoints(self, checkpoints: Sequence[Checkpoint]) -> None:
        """Offer these; what was chosen stays chosen, and values set before stay as they are."""
        self._take()
        self._workspace.set_checkpoints(checkpoints)
        chosen = self._workspace.checkpoint
        self._checkpoint.set_checkpoints(checkpoints, "" if chosen is None else chosen.name)
        self._refiner.set_checkpoints(checkpoints)
        self._show()
        if chosen is not None:
            self.checkpoint_chosen.emit()

    def checkpoint(self) -> Checkpoint | None:
        return self._workspace.checkpoint

    def known_folder(self, folder: Path) -> Path | None:
        """See `Workspace.known_folder`."""
        return self._workspace.known_folder(folder)

    def choose_checkpoint(self, name: str) -> bool:
        """Choose the checkpoint called `name` as a person does, which is told; False where there is none."""
        return self._checkpoint.choose(name)

    def show_library_jobs(self, words: str) -> None:
        """Say beside the checkpoint how far those are that come in; "" when none do."""
        self._checkpoint.show_jobs(words)

    def set_counters(self, first: TokenCounter | None, second: TokenCounter | None) -> None:
        self._prompts.set_counters(first, second)

    def _choose_checkpoint(self) -> None:
        self._take()
        if self._workspace.choose(self._checkpoint.value()):
            self._show()
            self.checkpoint_chosen.emit()
        self.changed.emit()

    def _keep_mine(self) -> None:
        self._change(self._workspace.keep_mine)

    # the picture on the canvas

    def show_ground(self, ground: Ground) -> None:
        """What lies on the canvas: the edit panel comes and goes with it, and the button says what it will do."""
        self._take()
        self._workspace.set_ground(ground)
        self._edit.show_ground(ground)
        self._show()

    def pick(self, intent: Intent) -> None:
        """Take the values that `intent` means for what lies on the canvas."""
        self._change(lambda: self._workspace.pick(intent))

    def begin_picture(self) -> None:
        """Another picture was put onto the canvas: what was meant with the one before does not count for it."""
        before = self.value()
        self._workspace.begin_picture()
        if self._workspace.value != before:
            self._tell()

    def show_left_out(self, left_out: bool) -> None:
        """Whether a part of the mask lies outside of what the next run draws."""
        self._edit.show_left_out(left_out)

    def _match_shape(self) -> None:
        self._change(self._workspace.match_shape)

    # following one another

    def _follow(self) -> None:
        """Tell the panels what they must know of one another."""
        workspace = self._workspace
        size = workspace.sampling.size
        self._micro.set_picture_size(size)
        self._edit.show_drawn_size(size)
        self._refiner.show_main(workspace.checkpoint)
        self._prompts.set_embeddings(workspace.value.additions.embeddings)
        ready = workspace.checkpoint is not None
        self._bar.show_purpose(
            mode_of(workspace.ground),
            workspace.value.edit.intent,
            ready=ready,
            obstacle="\n".join(map(str, workspace.problems())) if ready else "",
        )

    # the button

    def show_shortage(self, words: str) -> None:
        """What the next run may lack, above the button; it stops nobody."""
        self._bar.show_shortage(words)

    def show_run(self, *, running: bool, cancelling: bool, waiting: int) -> None:
        """Make the button fit what the session does."""
        self._bar.show_run(Run(running, cancelling, waiting))
