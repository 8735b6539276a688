"""What the panels edit, as plain values: it builds the next request, takes a picture's settings back, and says what
stands in the way of a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from sdxl_desktop.core.additions import file_name_only
from sdxl_desktop.core.checkpoint import Checkpoint, CheckpointKind
from sdxl_desktop.core.edit import EditSource
from sdxl_desktop.core.errors import CheckpointError, RequestError, SdxlDesktopError
from sdxl_desktop.core.intents import Intent
from sdxl_desktop.core.request import (
    MAX_SIDE,
    SIZE_MULTIPLE,
    Execution,
    GenerationRequest,
    MicroConditioning,
    OutputOptions,
    Sampling,
)
from sdxl_desktop.core.seeds import random_seed
from sdxl_desktop.core.settings import WorkspaceValue
from sdxl_desktop.core.speed import DEFAULT_SPEED
from sdxl_desktop.library.detect.sampling_metadata import FewStepSettings
from sdxl_desktop.session import addition_values, edit_values
from sdxl_desktop.session.building import (
    NOTHING,
    PLAIN,
    RunContext,
    build_request,
    find_obstacle,
    refine_of,
    refiner_reused,
    without_scores,
)
from sdxl_desktop.session.checkpoint_lookup import find_recorded_checkpoint, reuse_warning
from sdxl_desktop.session.few_step import FewStepSwitch, recommended_sampling


class Workspace:
    """The values of the next run, the checkpoints there are, and what lies on the canvas (`ground`).

    `unreadable` tells what is typed in a panel and cannot be read. `few_step.notice` say which settings came with a
    few-step checkpoint. Whoever shows values calls `take` with what a person changed and shows `value` again after it,
    and after every other call.
    """

    def __init__(self, content_of: Callable[[Path], str] = lambda folder: "") -> None:
        """`content_of` names the content of a checkpoint's folder, "" where that is not known."""
        self.checkpoints: tuple[Checkpoint, ...] = ()
        self.checkpoint: Checkpoint | None = None
        """The one that draws."""
        self.ground = NOTHING
        self.unreadable: tuple[RequestError, ...] = ()
        self.few_step = FewStepSwitch()
        self._content_of = content_of
        self._wanted = ""
        self._sampling = Sampling(speed=DEFAULT_SPEED)
        self._sampling_is_set = False
        self._value = WorkspaceValue()

    # values

    @property
    def value(self) -> WorkspaceValue:
        """All of them; `sampling` is None as long as nothing set it."""
        return replace(
            self._value,
            sampling=self._sampling if self._sampling_is_set else None,
            checkpoint=self._wanted if self.checkpoint is None else self.checkpoint.name,
        )

    @property
    def sampling(self) -> Sampling:
        """The values that are set, else the usual ones."""
        return self._sampling

    def set_value(self, value: WorkspaceValue) -> None:
        """Take all of it over; the checkpoint stays where there is none of that name."""
        self._wanted = value.checkpoint
        self.checkpoint = self._named(value.checkpoint) or self.checkpoint
        if self.checkpoint is not None:
            self._begin_with(self.checkpoint)
        if value.sampling is not None:
            self._sampling, self._sampling_is_set = value.sampling, True
        self._value = value
        self._follow_intent()

    def take(self, value: WorkspaceValue) -> None:
        """Take over what a person changed in the panels, all but the checkpoint. An intent ends when one of the values
        that it decides was changed."""
        self._sampling = value.sampling or self._sampling
        edit = edit_values.changed(self._value.edit, value.edit, self.ground, self._sampling.size)
        self._value = replace(value, edit=edit)

    def use_seed(self, seed: int) -> None:
        """Take one picture's seed and keep it."""
        self._sampling = replace(self._sampling, seed=seed)
        self._value = replace(self._value, seed_locked=True)

    def use_prompt(self, prompt: str) -> None:
        """Replace the prompt."""
        self._value = replace(self._value, prompts=replace(self._value.prompts, prompt=prompt))

    def use_few_step(self, settings: FewStepSettings) -> None:
        """Draw with the settings that something distilled to few steps is made for."""
        self._sampling = settings.applied_to(self._sampling)

    # checkpoints

    def set_checkpoints(self, checkpoints: Sequence[Checkpoint]) -> None:
        """These are there; what was chosen stays chosen, and values set before stay as they are."""
        self._wanted = self.value.checkpoint
        self.checkpoints = tuple(checkpoints)
        base = (one for one in self.checkpoints if one.kind is CheckpointKind.BASE)
        self.checkpoint = self._named(self._wanted) or next(base, next(iter(self.checkpoints), None))
        if self.checkpoint is None:
            return
        self._begin_with(self.checkpoint)
        if not self._sampling_is_set:
            self._sampling, self._sampling_is_set = recommended_sampling(self.checkpoint, self._sampling), True

    def choose(self, name: str) -> bool:
        """Choose the checkpoint called `name` as a person does, who wants the settings it was made for; False where
        there is none."""
        found = self._named(name)
        if found is not None and found is not self.checkpoint:
            self.checkpoint = found
            self._sampling = self.few_step.switch(found, self._sampling)
            self._follow_intent()
        return found is not None

    def keep_mine(self) -> None:
        """Take back the steps, guidance and scheduler that were set before a few-step checkpoint was chosen."""
        self._sampling = self.few_step.keep(self._sampling)

    @property
    def refiners(self) -> tuple[Checkpoint, ...]:
        return tuple(one for one in self.checkpoints if one.kind is CheckpointKind.REFINER)

    def known_folder(self, folder: Path) -> Path | None:
        """The folder of the checkpoint that a record means by `folder`, by its path or else its name; None where there
        is none. What a record names is not opened."""
        known = [checkpoint.folder for checkpoint in self.checkpoints]
        same = [one for one in known if one == folder] or [one for one in known if one.name == folder.name]
        return next(iter(same), None)

    def _named(self, name: str) -> Checkpoint | None:
        return next((one for one in self.checkpoints if one.name == name), None)

    def _begin_with(self, checkpoint: Checkpoint) -> None:
        """This one is in use, and not because the person chose it in the list: its values are not asked for."""
        self.few_step.begin(checkpoint)
        self._sampling = replace(self._sampling, size=self._sampling.size.rounded_to_multiple(checkpoint.size_multiple))

    # the picture on the canvas

    def set_ground(self, ground: EditSource) -> None:
        """Something else lies on the canvas now."""
        self.ground = ground
        edit = edit_values.on_ground(self._value.edit, ground, self._sampling.size)
        self._value = replace(self._value, edit=edit)

    def pick(self, intent: Intent) -> None:
        """Take the values that `intent` means; they follow the mask until one of them is changed."""
        if intent is Intent.EXPAND:
            self.match_shape()
        edit = edit_values.picked(self._value.edit, intent, self.ground, self._sampling.size)
        self._value = replace(self._value, edit=edit)

    def begin_picture(self) -> None:
        """Another picture was put onto the canvas: what was meant with the one before does not count for it."""
        self._value = replace(self._value, edit=edit_values.for_another_picture(self._value.edit))
        self._follow_intent()

    def match_shape(self) -> None:
        """Draw in the shape of the picture on the canvas, at about the area that the checkpoint draws best."""
        if self.ground.picture is None:
            return
        best = self._sampling.size if self.checkpoint is None else self.checkpoint.recommended.size
        multiple = SIZE_MULTIPLE if self.checkpoint is None else self.checkpoint.size_multiple
        size = best.with_aspect_ratio_of(self.ground.picture.size, multiple, MAX_SIDE)
        self._sampling = replace(self._sampling, size=size)
        self._follow_intent()

    def _follow_intent(self) -> None:
        edit = edit_values.intended(self._value.edit, self.ground, self._sampling.size)
        self._value = replace(self._value, edit=edit)

    # additions

    def add_lora(self, file: Path) -> None:
        """Put a LoRA into the list, with weight 1; one that is there is switched on."""
        self._value = replace(self._value, additions=addition_values.with_lora(self._value.additions, file))

    def add_embedding(self, file: Path, token: str) -> None:
        """Put an embedding into the list under `token`, or the nearest that is free; raises RequestError for a token
        that cannot be one."""
        additions = addition_values.with_embedding(self._value.additions, file, token)
        self._value = replace(self._value, additions=additions)

    def use_vae(self, path: Path) -> None:
        """Decode with the VAE in this file or folder from now on."""
        self._value = replace(self._value, additions=replace(self._value.additions, vae=path))

    # the request

    def problems(self, ground: EditSource | None = None) -> tuple[SdxlDesktopError, ...]:
        """What stands in the way of a run on `ground` (None: what was told to lie there), each with what to do."""
        if self.checkpoint is None:
            return (nothing_to_draw_with(),)
        ground = self.ground if ground is None else ground
        other_vae = self._value.additions.vae is not None
        found = (find_obstacle(self.checkpoint, ground, other_vae=other_vae), *self.unreadable, self._refiner_problem())
        return tuple(one for one in found if one is not None)

    def _refiner_problem(self) -> RequestError | None:
        if self._main_refines:
            return None
        try:
            refine_of(self._value.refiner, self.refiners)
        except RequestError as problem:
            return problem
        return None

    def request(
        self, execution: Execution, ground: EditSource = NOTHING, *, output: OutputOptions = PLAIN
    ) -> GenerationRequest | None:
        """What is asked for now, with the seeds for the next run; None when there is nothing to draw with. Seeds that
        are not locked are new ones each time, and shown from then on.

        Raises RequestError where values cannot go together, and where the checkpoint cannot do what `ground` implies;
        then no seed is taken.
        """
        asked = self._asked(execution, ground, output)
        if asked is None:
            return None
        self._take_new_seeds()
        return replace(asked, sampling=self._sampling)

    def requests_to_compare(
        self, execution: Execution, ground: EditSource = NOTHING, *, output: OutputOptions = PLAIN
    ) -> tuple[GenerationRequest, GenerationRequest] | None:
        """A single picture of the present seed without micro-conditioning, and the same with it, on or not.

        None when there is nothing to draw with. Raises RequestError as `request` does.
        """
        alone = replace(self._sampling, count=1)
        without, with_it = (
            self._asked(execution, ground, output, replace(self.value, micro_conditioning_on=on, sampling=alone))
            for on in (False, True)
        )
        return None if without is None or with_it is None else (without, with_it)

    def can_request(self, execution: Execution, ground: EditSource = NOTHING, *, output: OutputOptions = PLAIN) -> bool:
        """Whether `request` would give something."""
        try:
            return self._asked(execution, ground, output) is not None
        except SdxlDesktopError:
            return False

    def _asked(
        self, execution: Execution, ground: EditSource, output: OutputOptions, value: WorkspaceValue | None = None
    ) -> GenerationRequest | None:
        if self.checkpoint is None:
            return None
        for problem in self.problems(ground):
            raise problem
        value = value or replace(self.value, sampling=self._sampling)
        refiners = () if self._main_refines else self.refiners
        run = RunContext(execution=execution, ground=ground, output=output, refiners=refiners)
        return build_request(value, self.checkpoint, run)

    @property
    def _main_refines(self) -> bool:
        """Whether the checkpoint that draws is itself a refiner: then no other one finishes."""
        return self.checkpoint is not None and self.checkpoint.kind is CheckpointKind.REFINER

    def _take_new_seeds(self) -> None:
        seed, varied = self._sampling.seed, self._sampling.variation_seed
        if not self._value.seed_locked:
            seed = random_seed()
        if self._sampling.variation_strength and not self._value.variation_locked:
            varied = random_seed()
        self._sampling = replace(self._sampling, seed=seed, variation_seed=varied)

    def reuse(self, request: GenerationRequest, seed: int, checkpoint_id: str = "") -> SdxlDesktopError | None:
        """Take the settings that made a picture back, its own seed locked. Returns what to tell where not all that drew
        it is here."""
        used, differs = find_recorded_checkpoint(request.checkpoint, checkpoint_id, self.checkpoints, self._content_of)
        if used is not None and used is not self.checkpoint:
            self.checkpoint = used
            self._begin_with(used)
        self._sampling, self._sampling_is_set = replace(request.sampling, seed=seed), True
        value = self._value
        refiner, no_refiner = refiner_reused(value.refiner, request.refine, request.micro_conditioning, self.refiners)
        additions, no_additions = addition_values.reused(value.additions, request.additions)
        told = without_scores(request.micro_conditioning)
        self._value = replace(
            value,
            prompts=request.prompts,
            micro_conditioning=told,
            micro_conditioning_on=told != MicroConditioning(),
            edit=value.edit if request.edit is None else edit_values.reused(value.edit, request.edit),
            refiner=refiner,
            additions=additions,
            seed_locked=True,
            variation_locked=request.sampling.variation_strength > 0,
        )
        lost = () if used is not None else (f"the checkpoint {file_name_only(request.checkpoint).name}",)
        title = "" if self.checkpoint is None else self.checkpoint.title
        return reuse_warning((*lost, *no_refiner, *no_additions), title, differs=differs)


def nothing_to_draw_with() -> CheckpointError:
    """What is told where there is no checkpoint."""
    return CheckpointError(
        "There is no checkpoint to draw with.",
        next_step="Put a folder of OpenVINO SDXL parts into your checkpoints folder, or choose it in the settings.",
    )
