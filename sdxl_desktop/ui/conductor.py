"""What each click calls: connects the desk, the stage and the status line with the session's verbs, and redraws."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from PySide6.QtCore import QObject, Signal

from sdxl_desktop.bridge.background import Background
from sdxl_desktop.core.edit import Ground
from sdxl_desktop.core.errors import PictureError, SdxlDesktopError
from sdxl_desktop.core.events import Picture
from sdxl_desktop.core.foreign_text import shown
from sdxl_desktop.core.intents import Intent
from sdxl_desktop.core.latents import KeptLatents
from sdxl_desktop.core.request import MAX_SEED, Execution, GenerationRequest, Output
from sdxl_desktop.core.run_log import problem_words
from sdxl_desktop.core.settings import Preferences
from sdxl_desktop.history.latents import read_latents
from sdxl_desktop.history.metadata import Record
from sdxl_desktop.library.additions import AdditionKind, few_step_lora, kind_of
from sdxl_desktop.library.detect.sampling import FewStep
from sdxl_desktop.session.drafts import DraftingSession
from sdxl_desktop.session.paces import Paces
from sdxl_desktop.session.pictures import Result
from sdxl_desktop.session.workspace import nothing_to_draw_with
from sdxl_desktop.ui.candidates import Candidates
from sdxl_desktop.ui.desk import Desk
from sdxl_desktop.ui.devices.ready import ReadySizes
from sdxl_desktop.ui.drafts.verbs import DraftVerbs
from sdxl_desktop.ui.editor import Editor
from sdxl_desktop.ui.latent_verbs import LatentVerbs
from sdxl_desktop.ui.planning import Planner
from sdxl_desktop.ui.result_menu import ResultMenu
from sdxl_desktop.ui.result_verbs import ResultVerbs
from sdxl_desktop.ui.stage import Stage
from sdxl_desktop.ui.status import StatusLine, devices_text
from sdxl_desktop.ui.telling import Tell
from sdxl_desktop.ui.transfer import OutgoingPictures

_log = logging.getLogger(__name__)
Asked = TypeVar("Asked")


class Conductor(QObject):
    """The verbs of the window. `preferences` say where and how the next run is to happen."""

    redrawn = Signal()

    def __init__(
        self,
        session: DraftingSession,
        desk: Desk,
        stage: Stage,
        status: StatusLine,
        outgoing: OutgoingPictures,
        editor: Editor,
        preferences: Callable[[], Preferences],
        ready: ReadySizes,
        paces: Paces,
        background: Background,
    ) -> None:
        super().__init__(stage)
        self._session = session
        self._desk, self._stage, self._status = desk, stage, status
        self._editor, self._background = editor, background
        self._preferences = preferences
        self._compared: tuple[GenerationRequest, GenerationRequest] | None = None
        self._problem: SdxlDesktopError | None = None
        self._behind: SdxlDesktopError | None = None
        """The session's error when the problem came."""
        self._asks_again: Callable[[], bool] | None = None
        """Whether what the problem stood in the way of can be done by now."""
        self._finished = session.finished
        self._to_tell: Picture | None = None
        self.plan = Planner(desk, stage.easel, status, self._ground, lambda: preferences().execution, ready, paces)
        self.results = ResultVerbs(session, stage, desk, outgoing, self.tell, self.show_problem)
        self.candidates = Candidates(session, stage, editor, self._draw_on, self.tell)
        self.latents = LatentVerbs(stage, self._request, desk.known_folder, self._begin, self.show_problem)
        self.drafts = DraftVerbs(session, desk, self._request, self.show_problem, stage)
        self.menu = ResultMenu(stage, editor, self.results, self.candidates, self.latents)
        self._connect()
        session.changed = self.redraw

    def _connect(self) -> None:
        desk, stage = self._desk, self._stage
        desk.generate_wanted.connect(self.generate)
        desk.queue_wanted.connect(self.add_to_queue)
        desk.cancel_wanted.connect(self._session.cancel)
        desk.clear_queue_wanted.connect(self.clear_queue)
        desk.resume_wanted.connect(self._session.resume)
        stage.banner.retry_wanted.connect(self._session.write_again)
        stage.banner.elsewhere_wanted.connect(self._save_elsewhere)
        desk.compare_wanted.connect(self.compare)
        desk.drafts_wanted.connect(self.drafts.open)
        self.redrawn.connect(self.drafts.redraw)
        desk.expand_wanted.connect(self._editor.expand)
        self._editor.ground_changed.connect(self.plan.show_ground)
        self._editor.picture_came.connect(desk.begin_picture)
        self._editor.picture_came.connect(lambda: self.settle_problem(PictureError))
        self._editor.ground_changed.connect(self.check_problem)
        desk.changed.connect(self.check_problem)
        self._editor.failed.connect(self.show_problem)
        self._editor.told.connect(self.tell)
        self._editor.blended.connect(self._tell_blended)
        self._editor.offered.connect(
            lambda text, answer, tip, act: self.tell(text, answer=answer, act=act, tip=tip, stays=True)
        )
        self._editor.expanded.connect(self._take_expanded)
        self._editor.record_found.connect(self._offer_record)
        stage.banner.dismissed.connect(self.dismiss)
        stage.banner.answered.connect(self._session.resume)
        stage.toast.failed.connect(self.show_problem)
        stage.empty.prompt_chosen.connect(desk.use_prompt)

    # drawing

    def generate(self) -> None:
        """Draw what the desk says, unless something is being drawn."""
        if self._session.run is not None:
            self.tell("Already drawing. Ctrl+Shift+Enter adds this to the queue.")
            return
        self._stage.follow()
        self.add_to_queue()

    def add_to_queue(self) -> None:
        """Draw what the desk says as soon as the engine is free."""
        request = self._request()
        if request is not None:
            self._begin(request)

    def take_up(self) -> None:
        """Draw what was still to be drawn at the last end."""
        self._stage.follow()
        self._session.take_up()

    def clear_queue(self) -> None:
        """Let nothing wait any more; the run in progress goes on."""
        count = self._session.clear_queue()
        if count:
            self.tell(f"{count} taken out of the queue", answer="Undo", act=self._session.restore_queue)

    def _save_elsewhere(self) -> None:
        """Ask where to write the first picture that could not be written."""
        unwritten = self._session.unwritten
        if unwritten:
            self._stage.go_to(next(row for row, one in enumerate(self._session.results) if one is unwritten[0]))
            self.results.save_as()
            if not self._session.unwritten:
                self.dismiss()

    def _request(self) -> GenerationRequest | None:
        """What the desk asks for; None after telling why it asks for nothing."""
        request = self._asked(
            lambda run, ground, output: self._desk.request(run, ground, output=output), self._can_be_asked
        )
        return None if request is None else self.plan.framed(request)

    def _can_be_asked(self) -> bool:
        preferences = self._preferences()
        return self._desk.can_request(preferences.execution, self._ground(), output=preferences.output)

    def _asked(
        self, ask: Callable[[Execution, Ground, Output], Asked | None], again: Callable[[], bool]
    ) -> Asked | None:
        """What `ask` gives for where and on what the next run is to happen; None after telling why it is nothing, until
        `again` says that it would be something."""
        preferences = self._preferences()
        try:
            asked = ask(preferences.execution, self._ground(), preferences.output)
        except SdxlDesktopError as problem:
            self.show_problem(problem, until=again)
            return None
        if asked is None:
            self.show_problem(nothing_to_draw_with(), until=again)
        return asked

    def _begin(self, request: GenerationRequest) -> None:
        self._problem = None
        self._stage.toast.dismiss()
        self._session.generate(request)

    def _ground(self) -> Ground:
        return self._editor.document.ground()

    def _take_expanded(self) -> None:
        """The picture is larger: what is new is to be drawn next."""
        self.plan.show_ground()
        self._desk.pick(Intent.EXPAND)

    def _draw_on(self, result: Result) -> None:
        """Draw what the desk says, with a seed that the run of `result` did not have."""
        request = self._request()
        if request is None:
            return
        used = result.request.sampling
        if request.sampling.seed == used.seed:
            self._desk.use_seed((used.seed + used.count) % (MAX_SEED + 1))
            request = self._request() or request
        self._stage.follow()
        self._begin(request)

    def compare(self) -> None:
        """Draw the same seed without and with micro-conditioning, and show them under one line."""
        if self._session.run is not None:
            self.tell("Already drawing. Compare when it is done.")
            return
        both = self._asked(
            lambda run, ground, output: self._desk.requests_to_compare(run, ground, output=output), self._can_be_asked
        )
        if both is None:
            return
        without, with_it = both
        both = self.plan.framed(without), self.plan.framed(with_it)
        self._compared = both
        self._stage.follow()
        for request in both:
            self._begin(request)

    def add_weights(self, files: tuple[Path, ...]) -> None:
        """Put LoRAs and embeddings into the list of additions, and show them there; a VAE takes the place of the one in
        use."""
        added: list[str] = []
        made_for: FewStep | None = None
        for file in files:
            try:
                match kind_of(file):
                    case AdditionKind.LORA:
                        self._desk.add_lora(file)
                        made_for = few_step_lora(file) or made_for
                    case AdditionKind.VAE:
                        self._desk.use_vae(file)
                    case AdditionKind.EMBEDDING:
                        self._desk.add_embedding(file, file.stem.replace(" ", "-"))
                added.append(shown(file.name))
            except SdxlDesktopError as problem:
                self.show_problem(problem)
        if added:
            self._desk.show_additions()
            more = f" and {len(added) - 1} more" if len(added) > 1 else ""
            self._tell_added(f"{added[0]}{more} is in the list under LoRA, embeddings, VAE", made_for)

    def open_latents(self, file: Path) -> None:
        """Decode the latents that `file` keeps, with the checkpoint that made them."""

        def take(kept: tuple[KeptLatents, GenerationRequest]) -> None:
            self.tell(f"Decoding the latents in {shown(file.name)}")
            self.latents.decode_kept(*kept)

        self._background.run(partial(read_latents, file), take, self.show_problem)

    def _tell_added(self, words: str, made_for: FewStep | None) -> None:
        """`made_for`: what the last LoRA of them is made for, where that is few steps, is offered."""
        if made_for is None:
            self.tell(words)
            return
        self.tell(
            f"{words}. It is made for {made_for.words}.",
            answer="Draw like that",
            act=lambda: self._desk.use_few_step(made_for),
            stays=True,
        )

    # telling

    def _tell_blended(self, words: str) -> None:
        self.tell(words, answer="Change…", act=self._editor.offer_backdrops)

    def _offer_record(self, record: Record) -> None:
        self.tell(
            "This picture says how it was made",
            answer="Use its settings",
            act=lambda: self.use_record(record),
        )

    def use_picture_settings(self) -> None:
        """Put the settings that made the picture on the canvas back into the panels, where its file says them."""
        record = self._editor.record
        if record is None:
            self.tell("The picture does not say how it was made")
        else:
            self.use_record(record)

    def use_record(self, record: Record) -> None:
        """Put the settings of `record` back into the panels, and say what of them is not here."""
        problem = self._desk.reuse(record.request, record.seed, record.checkpoint_id)
        if problem is not None:
            self.show_problem(problem)

    @property
    def tell(self) -> Tell:
        """Say something in passing, over the canvas."""
        return self._stage.toast.tell

    def escape(self) -> None:
        """Stop what runs; with nothing running, put a problem away; with none, go back from a result to the picture."""
        if self._session.run is not None:
            self._session.cancel()
        elif self._session.error is not None or self._problem is not None:
            self.dismiss()
        elif self._stage.shown_result is not None and self._editor.document.has_picture:
            self._stage.show_document()
        else:
            self.dismiss()

    def dismiss(self) -> None:
        """Put away what is told; what it stood in front of is told next."""
        self._stage.toast.dismiss()
        if self._problem is not None and self._session.error is not None and self._shown is self._problem:
            self._forget_problem()
            return
        if self._shown is self._problem:
            self._problem = None
        self._session.dismiss()

    @property
    def _shown(self) -> SdxlDesktopError | None:
        """Of the session's error and another problem that which came last: neither hides the other for good."""
        error = self._session.error
        return self._problem if self._problem is not None and error in (None, self._behind) else error

    # redrawing

    def show_problem(self, problem: SdxlDesktopError, *, until: Callable[[], bool] | None = None) -> None:
        """Tell a problem that is not of a run, `until` it is no more, where that can be found out."""
        _log.warning("Told: %s", problem_words(problem))
        self._problem, self._asks_again, self._behind = problem, until, self._session.error
        self.redraw()

    def check_problem(self) -> None:
        """Something was changed: put the problem away whose cause has gone with it."""
        if self._problem is not None and self._asks_again is not None and self._asks_again():
            self._forget_problem()

    def settle_problem(self, kind: type[SdxlDesktopError]) -> None:
        """What problems of this kind are about has worked by now."""
        if isinstance(self._problem, kind):
            self._forget_problem()

    def _forget_problem(self) -> None:
        self._problem = self._asks_again = None
        self.redraw()

    def redraw(self) -> None:
        """Make the window show where the session stands."""
        session = self._session
        run = session.run
        self._stage.redraw(session)
        self._desk.show_run(
            running=run is not None,
            cancelling=run is not None and run.cancelling,
            waiting=len(session.queue),
        )
        self._status.redraw(session)
        told = self._shown
        waiting = len(session.queue) if run is None and told is not None and told is session.error else 0
        self._stage.banner.show_error(
            told,
            f"Go on with the {waiting} waiting" if waiting else "",
            unsaved=told is not None and any(one.problem is told for one in session.unwritten),
        )
        if session.finished is not self._finished:
            self._take_finished()
        self._tell_kept()
        self.redrawn.emit()

    def _take_finished(self) -> None:
        self._finished = self._session.finished
        if self._finished is None or not self._session.results:
            return
        self._status.show_parts(devices_text(self._finished))
        self.plan.learn(self._session.results[-1].request, self._finished)
        last = self._session.results[-1].picture
        self._show_comparison()
        if last.notes:
            self.tell(" ".join(last.notes))
        else:
            self._to_tell = last

    def _show_comparison(self) -> None:
        """Once both runs of a comparison are done, put them under one line."""
        if self._compared is None:
            return
        found = [next((r for r in self._session.results if r.request is made), None) for made in self._compared]
        before, after = found
        if before is not None and after is not None:
            self._compared = None
            self._stage.compare(before, after)

    def _tell_kept(self) -> None:
        """Say where the last picture of a run is, as soon as it is written."""
        last = self._session.results[-1] if self._session.results else None
        if last is not None and last.picture is self._to_tell and last.saved_to is not None:
            self._to_tell = None
            self.results.tell_saved(last)
