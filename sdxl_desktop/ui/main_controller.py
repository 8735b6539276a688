"""Handles the window's actions: connects the parameters panel, canvas area and status line with the session, and
refreshes them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from PySide6.QtCore import QObject, Signal

from sdxl_desktop.bridge.background import BackgroundRunner
from sdxl_desktop.core.edit import EditSource
from sdxl_desktop.core.errors import PictureError, SdxlDesktopError
from sdxl_desktop.core.events import Picture
from sdxl_desktop.core.intents import Intent
from sdxl_desktop.core.latents import SavedLatents
from sdxl_desktop.core.request import MAX_SEED, Execution, GenerationRequest, OutputOptions
from sdxl_desktop.core.settings import Preferences
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.library.addition_detection import AdditionKind, detect_addition_kind, read_few_step_lora
from sdxl_desktop.library.detect.sampling_metadata import FewStepSettings
from sdxl_desktop.metadata.latent_files import read_latents
from sdxl_desktop.session.addition_library import UnknownLoraError
from sdxl_desktop.session.drafts import DraftingSession
from sdxl_desktop.session.queue.generation_queue import Hold
from sdxl_desktop.session.result_files import Result
from sdxl_desktop.session.timing_history import TimingHistory
from sdxl_desktop.session.workspace import no_checkpoint_error
from sdxl_desktop.ui.candidate_actions import CandidateActions
from sdxl_desktop.ui.canvas_area import CanvasArea
from sdxl_desktop.ui.checkpoint_controller import CheckpointController
from sdxl_desktop.ui.devices.precompiled_sizes import PrecompiledSizes
from sdxl_desktop.ui.drafts.draft_actions import DraftActions
from sdxl_desktop.ui.error_messages import ErrorMessages
from sdxl_desktop.ui.import_controller import ImportController
from sdxl_desktop.ui.latent_actions import LatentActions
from sdxl_desktop.ui.metadata.picture_settings import PictureSettings
from sdxl_desktop.ui.notify import Notify
from sdxl_desktop.ui.outgoing_pictures import OutgoingPictures
from sdxl_desktop.ui.panels.generate_bar import RunStatus
from sdxl_desktop.ui.parameters_panel import ParametersPanel
from sdxl_desktop.ui.result_actions import ResultActions
from sdxl_desktop.ui.result_menu import ResultMenu
from sdxl_desktop.ui.run_planner import RunPlanner
from sdxl_desktop.ui.status_line import StatusLine, format_part_devices

RequestT = TypeVar("RequestT")


class MainController(QObject):
    """The window's actions. `preferences` returns where and how the next run happens."""

    refreshed = Signal()
    weight_files_added = Signal(object)
    """tuple[Path, ...]"""

    def __init__(
        self,
        session: DraftingSession,
        parameters_panel: ParametersPanel,
        canvas_area: CanvasArea,
        status: StatusLine,
        outgoing: OutgoingPictures,
        importer: ImportController,
        preferences: Callable[[], Preferences],
        precompiled_sizes: PrecompiledSizes,
        timing_history: TimingHistory,
        background: BackgroundRunner,
        checkpoints: CheckpointController,
    ) -> None:
        super().__init__(canvas_area)
        self._session = session
        self._parameters_panel, self._canvas_area, self._status = parameters_panel, canvas_area, status
        self._importer, self._background, self._checkpoints = importer, background, checkpoints
        self._preferences = preferences
        self._compared_requests: tuple[GenerationRequest, GenerationRequest] | None = None
        self.errors = ErrorMessages(session, self)
        self.show_error = self.errors.show_error
        self._last_finished = session.finished
        self._unannounced_picture: Picture | None = None
        self.planner = RunPlanner(
            parameters_panel,
            canvas_area.canvas_editor,
            status,
            self._edit_source,
            lambda: preferences().execution,
            precompiled_sizes,
            timing_history,
        )
        self.results = ResultActions(session, canvas_area, parameters_panel, outgoing, self.notify, self.show_error)
        self.candidates = CandidateActions(session, canvas_area, importer, self._generate_next, self.notify)
        self.latents = LatentActions(
            canvas_area, self.build_request, parameters_panel.find_checkpoint_folder, self._start_run, self.show_error
        )
        self.drafts = DraftActions(session, parameters_panel, self.build_request, self.show_error, canvas_area)
        self.picture_settings = PictureSettings(
            parameters_panel,
            canvas_area,
            importer,
            checkpoints.when_listed,
            lambda: preferences().execution,
            self.notify,
            self.show_error,
        )
        self.menu = ResultMenu(
            canvas_area, importer, self.results, self.candidates, self.latents, self.picture_settings.choose_for_shown
        )
        self._connect()
        self.errors.changed.connect(self.refresh)
        session.changed = self.refresh

    def _connect(self) -> None:
        panel, canvas_area = self._parameters_panel, self._canvas_area
        panel.generate_requested.connect(self.generate)
        panel.queue_requested.connect(self.add_to_queue)
        panel.cancel_requested.connect(self._session.cancel)
        canvas_area.banner.retry_requested.connect(self._session.retry_saving)
        canvas_area.banner.save_as_requested.connect(self._save_unwritten_as)
        panel.compare_requested.connect(self.compare)
        panel.drafts_requested.connect(self.open_drafts)
        self.refreshed.connect(self.drafts.refresh)
        panel.expand_requested.connect(self._importer.expand)
        self._importer.edit_source_changed.connect(self.planner.update_edit_source)
        self._importer.picture_replaced.connect(panel.reset_intent)
        self._importer.picture_replaced.connect(lambda: self.errors.clear_kind(PictureError))
        self._importer.edit_source_changed.connect(self.errors.recheck)
        panel.changed.connect(self.errors.recheck)
        self._importer.failed.connect(self.show_error)
        self._importer.message.connect(self.notify)
        self._importer.transparency_blended.connect(self._notify_blended)
        self._importer.question_asked.connect(
            lambda text, answer, tip, act: self.notify(text, action=answer, callback=act, tooltip=tip, persistent=True)
        )
        self._importer.expanded.connect(self._handle_expanded)
        canvas_area.banner.dismiss_requested.connect(self.dismiss)
        canvas_area.banner.action_triggered.connect(self._session.continue_queue)
        canvas_area.toast.action_failed.connect(self.show_error)
        canvas_area.empty_state.prompt_selected.connect(panel.set_prompt)

    # generating

    def generate(self) -> None:
        """Start a run with the panel's parameters, unless one is in progress."""
        if self._session.run is not None:
            self.notify("Already drawing. Ctrl+Shift+Enter adds this to the queue.")
            return
        self._canvas_area.follow_run()
        self._checkpoints.when_listed(self._generate_now)

    def add_to_queue(self) -> None:
        """Queue a run with the panel's parameters; it starts when it is its turn. At the start of the application, it
        waits until the checkpoints are known."""
        self._checkpoints.when_listed(self._queue_last)

    def add_next(self) -> None:
        """Queue a run with the panel's parameters before all that wait."""
        self._checkpoints.when_listed(self._queue_first)

    def _generate_now(self) -> None:
        self._take_request(self._session.generate)

    def _queue_last(self) -> None:
        self._take_request(self._session.enqueue)

    def _queue_first(self) -> None:
        self._take_request(partial(self._session.enqueue, first=True))

    def _take_request(self, take: Callable[[GenerationRequest], None]) -> None:
        request = self.build_request()
        if request is not None:
            self._start_run(request, take)

    def _queue_without_unknown_loras(self) -> None:
        with self._parameters_panel.leaving_out_unknown_loras():
            self._generate_now()

    def queue_combinations(self) -> None:
        """Queue a run for each combination of the prompt's variants and wildcards."""
        self._checkpoints.when_listed(self._queue_combinations)

    def _queue_combinations(self) -> None:
        made = self._request_or_error(
            lambda run, edit_source, output: self._parameters_panel.build_combinations(run, edit_source, output=output),
            self._can_request,
        )
        if made is None:
            return
        self.errors.forget()
        self._canvas_area.toast.dismiss()
        self._canvas_area.follow_run()
        self._session.enqueue_all([self.planner.with_frame_size(request) for request in made])

    def open_drafts(self) -> None:
        """Show the drafts of the panel's request."""
        self._checkpoints.when_listed(self.drafts.open)

    def _save_unwritten_as(self) -> None:
        """Ask for a file for the first picture that could not be written."""
        unwritten = self._session.unsaved_results
        if unwritten:
            self._canvas_area.go_to(next(row for row, one in enumerate(self._session.results) if one is unwritten[0]))
            self.results.save_as()
            if not self._session.unsaved_results:
                self.dismiss()

    def build_request(self) -> GenerationRequest | None:
        """Return the panel's request; None after showing an error if there is none."""
        request = self._request_or_error(
            lambda run, edit_source, output: self._parameters_panel.build_request(run, edit_source, output=output),
            self._can_request,
        )
        return None if request is None else self.planner.with_frame_size(request)

    def _can_request(self) -> bool:
        preferences = self._preferences()
        return self._parameters_panel.can_request(preferences.execution, self._edit_source(), output=preferences.output)

    def _request_or_error(
        self, build: Callable[[Execution, EditSource, OutputOptions], RequestT | None], is_resolved: Callable[[], bool]
    ) -> RequestT | None:
        """Return what `build` makes for the execution and edit source. If that fails or is None, show an error until
        `is_resolved` returns True, and return None."""
        preferences = self._preferences()
        try:
            asked = build(preferences.execution, self._edit_source(), preferences.output)
        except UnknownLoraError as problem:
            self.notify(
                str(problem), action="Draw without it", callback=self._queue_without_unknown_loras, persistent=True
            )
            return None
        except SdxlDesktopError as problem:
            self.show_error(problem, is_resolved=is_resolved)
            return None
        if asked is None:
            self.show_error(no_checkpoint_error(), is_resolved=is_resolved)
        return asked

    def _start_run(self, request: GenerationRequest, take: Callable[[GenerationRequest], None] | None = None) -> None:
        self.errors.forget()
        self._canvas_area.toast.dismiss()
        (take or self._session.generate)(request)

    def _edit_source(self) -> EditSource:
        return self._importer.edit_source()

    def _handle_expanded(self) -> None:
        """After the picture was extended, set up the next run to fill the new area."""
        self.planner.update_edit_source()
        self._parameters_panel.apply_intent(Intent.EXPAND)

    def _generate_next(self, result: Result) -> None:
        """Run with the panel's parameters and a seed that the run of `result` did not use."""
        request = self.build_request()
        if request is None:
            return
        used = result.request.sampling
        if request.sampling.seed == used.seed:
            self._parameters_panel.set_seed((used.seed + used.count) % (MAX_SEED + 1))
            request = self.build_request() or request
        self._canvas_area.follow_run()
        self._start_run(request)

    def compare(self) -> None:
        """Run the same seed without and with micro-conditioning, and show both in the split view."""
        if self._session.run is not None:
            self.notify("Already drawing. Compare when it is done.")
            return
        self._checkpoints.when_listed(self._queue_comparison)

    def _queue_comparison(self) -> None:
        both = self._request_or_error(
            lambda run, edit_source, output: self._parameters_panel.build_comparison_requests(
                run, edit_source, output=output
            ),
            self._can_request,
        )
        if both is None:
            return
        without, with_it = both
        both = self.planner.with_frame_size(without), self.planner.with_frame_size(with_it)
        self._compared_requests = both
        self._canvas_area.follow_run()
        for request in both:
            self._start_run(request)

    def add_weight_files(self, files: tuple[Path, ...]) -> None:
        """Add LoRAs and embeddings to the adapter list and show them; a VAE replaces the one in use."""
        added: list[str] = []
        made_for: FewStepSettings | None = None
        for file in files:
            try:
                match detect_addition_kind(file):
                    case AdditionKind.LORA:
                        self._parameters_panel.add_lora(file)
                        made_for = read_few_step_lora(file) or made_for
                    case AdditionKind.VAE:
                        self._parameters_panel.set_vae(file)
                    case AdditionKind.EMBEDDING:
                        self._parameters_panel.add_embedding(file, file.stem.replace(" ", "-"))
                added.append(display_text(file.name))
            except SdxlDesktopError as problem:
                self.show_error(problem)
        if added:
            self._parameters_panel.scroll_to_adapters()
            more = f" and {len(added) - 1} more" if len(added) > 1 else ""
            self._notify_added(f"{added[0]}{more} is in the list under LoRA, embeddings, VAE", made_for)
            if made_for is None:
                self.weight_files_added.emit(files)

    def open_latents(self, file: Path) -> None:
        """Decode the latents in `file` with the checkpoint that made them."""

        def take(kept: tuple[SavedLatents, GenerationRequest]) -> None:
            self.notify(f"Decoding the latents in {display_text(file.name)}")
            self.latents.decode_kept(*kept)

        self._background.read(partial(read_latents, file), take, self.show_error)

    def _notify_added(self, text: str, few_step: FewStepSettings | None) -> None:
        """Notify, and offer the few-step settings that the last added LoRA is made for, if any."""
        if few_step is None:
            self.notify(text)
            return
        self.notify(
            f"{text}. It is made for {few_step.description}.",
            action="Draw like that",
            callback=lambda: self._parameters_panel.apply_few_step(few_step),
            persistent=True,
        )

    # messages

    def _notify_blended(self, text: str) -> None:
        self.notify(text, action="Change…", callback=self._importer.open_backdrop_menu)

    @property
    def notify(self) -> Notify:
        """Shows a toast over the canvas."""
        return self._canvas_area.toast.notify

    def escape(self) -> None:
        """Cancel the run and what waits for the list of checkpoints; without a run, dismiss the error; without one,
        return from a result to the picture."""
        self._checkpoints.forget_waiting()
        if self._session.run is not None:
            self._session.cancel()
        elif self.errors.shown is not None:
            self.dismiss()
        elif self._canvas_area.shown_result is not None and self._importer.document.has_picture:
            self._canvas_area.show_document()
        else:
            self.dismiss()

    def dismiss(self) -> None:
        """Dismiss the shown message; one it had hidden is shown next."""
        self._canvas_area.toast.dismiss()
        self.errors.dismiss()

    # refreshing

    def refresh(self) -> None:
        """Update the window from the session."""
        session = self._session
        run = session.run
        self._canvas_area.refresh(session)
        self._parameters_panel.set_run_status(
            RunStatus(
                running=run is not None,
                cancelling=run is not None and run.cancelling,
                waiting=len(session.queue.waiting),
                skipped=len(session.queue.skipped),
                pausing=run is not None and run.pausing is not None,
                held=session.queue.hold is not Hold.NONE,
            )
        )
        self._status.refresh(session)
        error = self.errors.shown
        waiting = len(session.queue.waiting) if run is None and error is not None and error is session.error else 0
        self._canvas_area.banner.show_error(
            error,
            f"Continue with the {waiting} waiting" if waiting else "",
            unsaved=error is not None and any(one.problem is error for one in session.unsaved_results),
        )
        if session.finished is not self._last_finished:
            self._handle_finished()
        self._notify_saved()
        self.refreshed.emit()

    def _handle_finished(self) -> None:
        self._last_finished = self._session.finished
        if self._last_finished is None or not self._session.results:
            return
        self._status.set_device_tooltip(format_part_devices(self._last_finished))
        self.planner.record_timing(self._session.results[-1].request, self._last_finished)
        last = self._session.results[-1].picture
        self._show_comparison()
        if last.notes:
            self.notify(" ".join(last.notes))
        else:
            self._unannounced_picture = last

    def _show_comparison(self) -> None:
        """When both runs of a comparison are finished, show them in the split view."""
        if self._compared_requests is None:
            return
        found = [
            next((r for r in self._session.results if r.request is made), None) for made in self._compared_requests
        ]
        before, after = found
        if before is not None and after is not None:
            self._compared_requests = None
            self._canvas_area.compare(before, after)

    def _notify_saved(self) -> None:
        """Notify where the last picture of a run was saved, once it is written."""
        last = self._session.results[-1] if self._session.results else None
        if last is not None and last.picture is self._unannounced_picture and last.saved_to is not None:
            self._unannounced_picture = None
            self.results.notify_saved(last)
