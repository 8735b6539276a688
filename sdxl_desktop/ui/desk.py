"""The left column: the panels that make a request, and the one big button."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from PySide6.QtCore import QSignalBlocker, QSize, Qt, Signal
from PySide6.QtWidgets import QFrame, QPushButton, QScrollArea, QWidget

from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.request import Execution, GenerationRequest
from sdxl_desktop.core.settings import Workspace
from sdxl_desktop.library.tokens import TokenCounter
from sdxl_desktop.ui import glossary
from sdxl_desktop.ui.panels.checkpoint import CheckpointPanel
from sdxl_desktop.ui.panels.micro import MicroPanel, MicroValue
from sdxl_desktop.ui.panels.prompts import PromptsPanel
from sdxl_desktop.ui.panels.sampling import SamplingPanel
from sdxl_desktop.ui.widgets.buttons import IconButton, dressed
from sdxl_desktop.ui.widgets.layout import column, heading, row, rule

_SECOND, _MICRO = "second encoder", "micro-conditioning"


class Desk(QWidget):
    """Edits the part of a `Workspace` that is not the window's layout."""

    changed = Signal()
    checkpoint_chosen = Signal()
    generate_wanted = Signal()
    queue_wanted = Signal()
    cancel_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._running = False
        self._wanted_checkpoint = ""
        self._restored = False
        self._checkpoint = CheckpointPanel()
        self._prompts = PromptsPanel()
        self._sampling = SamplingPanel()
        self._micro = MicroPanel()
        self._generate = dressed(QPushButton(), "primary")
        self._queue = IconButton("queue", "Add to queue", glossary.QUEUE)
        self._lay_out()
        self._connect()
        self.show_run(running=False, cancelling=False, waiting=0)

    def _lay_out(self) -> None:
        self.setObjectName("desk")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setMinimumWidth(336)
        self.setMaximumWidth(560)
        whole = column(self._scrolled(), self._actions(), spacing=0)
        whole.setStretch(0, 1)
        self.setLayout(whole)

    def _scrolled(self) -> QScrollArea:
        content = QWidget()
        content.setObjectName("deskContent")
        panels = column(
            self._checkpoint,
            self._prompts,
            rule(),
            heading("Sampling"),
            self._sampling,
            rule(),
            self._micro,
            spacing=12,
            margins=(16, 12, 8, 12),
        )
        panels.addStretch(1)
        content.setLayout(panels)
        area = QScrollArea()
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setWidget(content)
        return area

    def _actions(self) -> QWidget:
        area = QWidget()
        area.setObjectName("actionArea")
        area.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._generate.setObjectName("generate")
        bar = row(margins=(16, 12, 16, 12))
        bar.addWidget(self._generate, 1)
        bar.addWidget(self._queue)
        self._queue.setIconSize(QSize(22, 22))
        area.setLayout(bar)
        return area

    def _connect(self) -> None:
        for panel in (self._checkpoint, self._prompts, self._sampling, self._micro):
            panel.changed.connect(self.changed)
        self._checkpoint.changed.connect(self._take_checkpoint)
        self._sampling.changed.connect(self._tell_size)
        self._generate.clicked.connect(self._press)
        self._queue.clicked.connect(self.queue_wanted)

    # the request

    def request(self, execution: Execution) -> GenerationRequest | None:
        """What the panels ask for now, with the seed for the next run; None when there is nothing to draw with.

        Raises RequestError where values cannot go together.
        """
        checkpoint = self._checkpoint.checkpoint()
        if checkpoint is None:
            return None
        return GenerationRequest(
            checkpoint=checkpoint.folder,
            prompts=self._prompts.value(),
            sampling=self._sampling.next_value(),
            micro_conditioning=self._micro.value().effective,
            execution=execution,
        )

    def reuse(self, request: GenerationRequest, seed: int) -> None:
        """Put the settings that made a picture back into the panels, its own seed locked."""
        used = next((known for known in self._checkpoint.checkpoints() if known.folder == request.checkpoint), None)
        if used is not None and used is not self._checkpoint.checkpoint():
            self._checkpoint.set_value(used.name)
            self._sampling.set_checkpoint(used)
            self.checkpoint_chosen.emit()
        self._prompts.set_value(request.prompts)
        self._sampling.set_value(replace(request.sampling, seed=seed))
        self._micro.set_value(
            MicroValue(request.micro_conditioning != type(request.micro_conditioning)(), request.micro_conditioning)
        )
        self._sampling.seed.set_locked(True)
        self._tell_size()
        self.changed.emit()

    def use_seed(self, seed: int) -> None:
        """Take one picture's seed and keep it."""
        self._sampling.seed.set_value(seed)
        self._sampling.seed.set_locked(True)
        self.changed.emit()

    def use_prompt(self, prompt: str) -> None:
        """Replace the prompt and put the cursor into it."""
        self._prompts.set_value(replace(self._prompts.value(), prompt=prompt))
        self._prompts.focus()
        self.changed.emit()

    def focus(self) -> None:
        """Put the cursor into the prompt."""
        self._prompts.focus()

    # the workspace

    def value(self) -> Workspace:
        """What is on the desk; the window's layout is left empty."""
        micro = self._micro.value()
        sections = ((_SECOND, self._prompts.second), (_MICRO, self._micro.section))
        return Workspace(
            prompts=self._prompts.value(),
            sampling=self._sampling.value() if self._restored else None,
            micro_conditioning=micro.conditioning,
            micro_conditioning_on=micro.on,
            checkpoint=self._checkpoint.value() or self._wanted_checkpoint,
            seed_locked=self._sampling.seed.locked(),
            open_sections=tuple(name for name, section in sections if section.is_open()),
        )

    def set_value(self, workspace: Workspace) -> None:
        with QSignalBlocker(self):
            self._wanted_checkpoint = workspace.checkpoint
            self._prompts.set_value(workspace.prompts)
            if workspace.sampling is not None:
                self._restored = True
                self._sampling.set_value(workspace.sampling)
            self._micro.set_value(MicroValue(workspace.micro_conditioning_on, workspace.micro_conditioning))
            self._sampling.seed.set_locked(workspace.seed_locked)
            self._prompts.second.set_open(_SECOND in workspace.open_sections)
            self._micro.section.set_open(_MICRO in workspace.open_sections)
            self._checkpoint.set_value(workspace.checkpoint)
            self._tell_size()

    # checkpoints

    def set_checkpoints(self, checkpoints: Sequence[Checkpoint]) -> None:
        """Offer these; what was chosen stays chosen, and values set before stay as they are."""
        self._checkpoint.set_checkpoints(checkpoints, self._checkpoint.value() or self._wanted_checkpoint)
        checkpoint = self._checkpoint.checkpoint()
        if checkpoint is not None:
            self._sampling.set_checkpoint(checkpoint)
            if not self._restored:
                self._sampling.set_recommended(checkpoint)
                self._restored = True
            self._tell_size()
            self.checkpoint_chosen.emit()
        self.show_run(running=self._running, cancelling=False, waiting=0)

    def checkpoint(self) -> Checkpoint | None:
        return self._checkpoint.checkpoint()

    def set_counters(self, first: TokenCounter | None, second: TokenCounter | None) -> None:
        self._prompts.set_counters(first, second)

    def _take_checkpoint(self) -> None:
        checkpoint = self._checkpoint.checkpoint()
        if checkpoint is not None:
            self._sampling.set_checkpoint(checkpoint)
            self._sampling.set_recommended(checkpoint)
            self._tell_size()
            self.checkpoint_chosen.emit()

    def _tell_size(self) -> None:
        self._micro.set_picture_size(self._sampling.picture_size())

    # the button

    def show_run(self, *, running: bool, cancelling: bool, waiting: int) -> None:
        """Make the button fit what the session does."""
        self._running = running
        dressed(self._generate, "stop" if running else "primary")
        if running:
            self._generate.setText("Cancelling…" if cancelling else "Cancel")
            self._generate.setToolTip("Stop drawing and forget what waits (Esc)")
        else:
            self._generate.setText("Generate")
            self._generate.setToolTip("Draw the picture (Ctrl+Enter)")
        self._generate.setEnabled(not cancelling and (running or self._checkpoint.checkpoint() is not None))
        self._queue.setEnabled(running and not cancelling)
        self._queue.setText(f"{waiting} waiting" if waiting else "")
        style = Qt.ToolButtonStyle.ToolButtonTextBesideIcon if waiting else Qt.ToolButtonStyle.ToolButtonIconOnly
        self._queue.setToolButtonStyle(style)

    def _press(self) -> None:
        if self._running:
            self.cancel_wanted.emit()
        else:
            self.generate_wanted.emit()
