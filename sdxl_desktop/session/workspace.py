"""The panel values: build the next request, reuse a picture's settings, and report what prevents a run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

from sdxl_desktop.core.checkpoint import Checkpoint, CheckpointKind
from sdxl_desktop.core.edit import EditSource
from sdxl_desktop.core.errors import CheckpointError, RequestError, SdxlDesktopError
from sdxl_desktop.core.intents import Intent
from sdxl_desktop.core.request import (
    MAX_SIDE,
    SIZE_MULTIPLE,
    Execution,
    GenerationRequest,
    OutputOptions,
    Prompts,
    Sampling,
)
from sdxl_desktop.core.seeds import random_seed
from sdxl_desktop.core.speed import DEFAULT_SPEED
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.core.workspace_value import WorkspaceValue
from sdxl_desktop.library.detect.sampling_metadata import FewStepSettings
from sdxl_desktop.metadata.picture_files import PictureRecord
from sdxl_desktop.metadata.picture_records import AnyRecord
from sdxl_desktop.session import addition_values, edit_values
from sdxl_desktop.session.addition_library import AdditionLibrary
from sdxl_desktop.session.addition_values import listed_files
from sdxl_desktop.session.building import (
    DEFAULT_OUTPUT,
    NO_EDIT_SOURCE,
    RunContext,
    build_refiner_parameters,
    build_request,
    find_obstacle,
    with_used_embeddings,
)
from sdxl_desktop.session.checkpoint_lookup import find_recorded_checkpoint, reuse_warning
from sdxl_desktop.session.few_step import FewStepSwitch, recommended_sampling
from sdxl_desktop.session.prompt_craft import presets
from sdxl_desktop.session.prompt_craft.presets import FindAdapter, HashOf, PresetPart, SettingsPreset
from sdxl_desktop.session.prompt_craft.prompt_builder import PromptBuilder
from sdxl_desktop.session.prompt_loras import with_prompt_loras
from sdxl_desktop.session.recorded_settings import recorded_settings
from sdxl_desktop.session.recorded_values import SAMPLING_FIELDS, with_recorded_parts
from sdxl_desktop.session.settings_parts import RecordedSettings, SettingsPart, Surroundings
from sdxl_desktop.session.typed_prompts import TypedPrompts


class Workspace:
    """The values of the next run, the available checkpoints, and the canvas content (`edit_source`).

    `unreadable` lists panel inputs that cannot be parsed. `few_step.notice` says which settings were applied for a
    few-step checkpoint. The view calls `take` with what the user changed, and shows `value` again after it and after
    every other call.
    """

    def __init__(
        self,
        content_of: Callable[[Path], str] = lambda folder: "",
        addition_files: Callable[[], Sequence[Path]] = lambda: (),
    ) -> None:
        """`content_of` returns the content id of a checkpoint's folder, "" if unknown; `addition_files` the LoRAs,
        embeddings and VAEs in the library."""
        self.checkpoints: tuple[Checkpoint, ...] = ()
        self.checkpoints_known = False
        """Whether `checkpoints` was set, even to none."""
        self.checkpoint: Checkpoint | None = None
        """The checkpoint used for generation."""
        self.edit_source = NO_EDIT_SOURCE
        self.input_errors: tuple[RequestError, ...] = ()
        self.few_step = FewStepSwitch()
        self.prompt_builder = PromptBuilder()
        """Knows the styles and wildcards; the owner of the workspace sets it."""
        self.addition_library: AdditionLibrary | None = None
        """Where the names of LoRAs in prompts are looked up; None: there is no library, so tags are text."""
        self.lora_tags = True
        """Whether tags such as <lora:name:0.8> add LoRAs; otherwise they are text."""
        self.leave_out_unknown_loras = False
        """Whether the next request is built without the LoRAs that are not in the library."""
        self._content_of = content_of
        self._addition_files = addition_files
        self._wanted = ""
        self._sampling = Sampling(speed=DEFAULT_SPEED)
        self._sampling_is_set = False
        self._value = WorkspaceValue()

    # values

    @property
    def value(self) -> WorkspaceValue:
        """All values; `sampling` is None until it is set."""
        return replace(
            self._value,
            sampling=self._sampling if self._sampling_is_set else None,
            checkpoint=self._wanted if self.checkpoint is None else self.checkpoint.name,
        )

    @property
    def sampling(self) -> Sampling:
        """The sampling values set, else the defaults."""
        return self._sampling

    def set_value(self, value: WorkspaceValue) -> None:
        """Replace all values; the checkpoint is unchanged if none has that name."""
        self._wanted = value.checkpoint
        self.checkpoint = self._named(value.checkpoint) or self.checkpoint
        if self.checkpoint is not None:
            self._begin_with(self.checkpoint)
        if value.sampling is not None:
            self._sampling, self._sampling_is_set = value.sampling, True
        self._value = value
        self._reapply_intent()

    def apply_user_changes(self, value: WorkspaceValue) -> None:
        """Apply what the user changed in the panels, except the checkpoint. An intent ends if one of the values it
        determines was changed."""
        self._sampling = value.sampling or self._sampling
        edit = edit_values.after_user_change(self._value.edit, value.edit, self.edit_source, self._sampling.size)
        self._value = replace(value, edit=edit)

    def lock_seed(self, seed: int) -> None:
        """Set the seed of one picture and lock it."""
        self._sampling = replace(self._sampling, seed=seed)
        self._value = replace(self._value, seed_locked=True)

    def set_prompt(self, prompt: str) -> None:
        """Replace the prompt; the other prompts stay."""
        self.set_prompts(replace(self._value.prompts, prompt=prompt))

    def set_prompts(self, prompts: Prompts) -> None:
        """Replace all prompts."""
        self._value = replace(self._value, prompts=prompts)

    def set_styles(self, names: tuple[str, ...]) -> None:
        """Put these styles on the prompt."""
        self._value = replace(self._value, styles=names)

    def set_typed(self, prompt: str, negative_prompt: str, styles: tuple[str, ...]) -> None:
        """Replace the prompt, the negative prompt and the styles."""
        prompts = replace(self._value.prompts, prompt=prompt, negative_prompt=negative_prompt)
        self._value = replace(self._value, prompts=prompts, styles=styles)

    def apply_few_step(self, settings: FewStepSettings) -> None:
        """Apply the settings recommended for a distilled few-step model."""
        self._sampling = settings.applied_to(self._sampling)

    # checkpoints

    def set_checkpoints(self, checkpoints: Sequence[Checkpoint]) -> None:
        """Set the available checkpoints; the chosen one and all values set before are unchanged."""
        self._wanted = self.value.checkpoint
        self.checkpoints, self.checkpoints_known = tuple(checkpoints), True
        base = (one for one in self.checkpoints if one.kind is CheckpointKind.BASE)
        self.checkpoint = self._named(self._wanted) or next(base, next(iter(self.checkpoints), None))
        if self.checkpoint is None:
            return
        self._begin_with(self.checkpoint)
        if not self._sampling_is_set:
            self._sampling, self._sampling_is_set = recommended_sampling(self.checkpoint, self._sampling), True

    def select_checkpoint(self, name: str) -> bool:
        """Choose the checkpoint `name` on behalf of the user, with its recommended settings; False if there is none."""
        found = self._named(name)
        if found is not None and found is not self.checkpoint:
            self.checkpoint = found
            self._sampling = self.few_step.switch(found, self._sampling)
            self._reapply_intent()
        return found is not None

    def restore_sampling(self) -> None:
        """Restore the steps, guidance and scheduler set before a few-step checkpoint was chosen."""
        self._sampling = self.few_step.restore(self._sampling)

    @property
    def refiners(self) -> tuple[Checkpoint, ...]:
        return tuple(one for one in self.checkpoints if one.kind is CheckpointKind.REFINER)

    def find_checkpoint_folder(self, folder: Path) -> Path | None:
        """Return the folder of the checkpoint that a record names by `folder`, matched by path or else name; None if
        there is none. The recorded path itself is not opened."""
        known = [checkpoint.folder for checkpoint in self.checkpoints]
        same = [one for one in known if one == folder] or [one for one in known if one.name == folder.name]
        return next(iter(same), None)

    def _named(self, name: str) -> Checkpoint | None:
        return next((one for one in self.checkpoints if one.name == name), None)

    def _begin_with(self, checkpoint: Checkpoint) -> None:
        """Start using a checkpoint that the user did not choose in the list: its settings are not applied."""
        self.few_step.set_checkpoint(checkpoint)
        self._sampling = replace(self._sampling, size=self._sampling.size.rounded_to_multiple(checkpoint.size_multiple))

    # the picture on the canvas

    def set_edit_source(self, edit_source: EditSource) -> None:
        """Set the canvas content."""
        self.edit_source = edit_source
        edit = edit_values.with_edit_source(self._value.edit, edit_source, self._sampling.size)
        self._value = replace(self._value, edit=edit)

    def apply_intent(self, intent: Intent) -> None:
        """Apply the values of `intent`; they follow the mask until one of them is changed."""
        if intent is Intent.EXPAND:
            self.match_shape()
        edit = edit_values.with_intent(self._value.edit, intent, self.edit_source, self._sampling.size)
        self._value = replace(self._value, edit=edit)

    def reset_intent(self) -> None:
        """Reset the intent for a new picture on the canvas."""
        self._value = replace(self._value, edit=edit_values.with_default_intent(self._value.edit))
        self._reapply_intent()

    def match_shape(self) -> None:
        """Set the size to the canvas picture's aspect ratio, at about the checkpoint's native area."""
        if self.edit_source.picture is None:
            return
        best = self._sampling.size if self.checkpoint is None else self.checkpoint.recommended.size
        multiple = SIZE_MULTIPLE if self.checkpoint is None else self.checkpoint.size_multiple
        size = best.with_aspect_ratio_of(self.edit_source.picture.size, multiple, MAX_SIDE)
        self._sampling = replace(self._sampling, size=size)
        self._reapply_intent()

    def _reapply_intent(self) -> None:
        edit = edit_values.apply_current_intent(self._value.edit, self.edit_source, self._sampling.size)
        self._value = replace(self._value, edit=edit)

    # additions

    def add_lora(self, file: Path, weight: float = 1.0) -> None:
        """Add a LoRA to the list with this weight; a listed one is enabled."""
        self._value = replace(self._value, additions=addition_values.with_lora(self._value.additions, file, weight))

    def add_embedding(self, file: Path, token: str) -> None:
        """Add an embedding to the list under `token`, or the nearest free token; raises RequestError for an invalid
        token."""
        additions = addition_values.with_embedding(self._value.additions, file, token)
        self._value = replace(self._value, additions=additions)

    def set_vae(self, path: Path) -> None:
        """Decode with the VAE in this file or folder."""
        self._value = replace(self._value, additions=replace(self._value.additions, vae=path))

    # the request

    def problems(self, edit_source: EditSource | None = None) -> tuple[SdxlDesktopError, ...]:
        """Return what prevents a run on `edit_source` (None: the canvas content), each with what to do."""
        if self.checkpoint is None:
            return (no_checkpoint_error(),)
        edit_source = self.edit_source if edit_source is None else edit_source
        other_vae = self._value.additions.vae is not None
        found = (
            find_obstacle(self.checkpoint, edit_source, other_vae=other_vae),
            *self.input_errors,
            self._refiner_problem(),
            self._prompt_problem(),
        )
        return tuple(one for one in found if one is not None)

    def _refiner_problem(self) -> RequestError | None:
        if self._is_refiner_selected:
            return None
        try:
            build_refiner_parameters(self._value.refiner, self.refiners)
        except RequestError as problem:
            return problem
        return None

    def _prompt_problem(self) -> RequestError | None:
        """Return what is missing for the prompt: a style or a wildcard."""
        try:
            self.prompt_builder.check(self.prompt_builder.source(self._value.prompts, self._value.styles))
        except RequestError as problem:
            return problem
        return None

    def build_request(
        self, execution: Execution, edit_source: EditSource = NO_EDIT_SOURCE, *, output: OutputOptions = DEFAULT_OUTPUT
    ) -> GenerationRequest | None:
        """Return the next request with its seeds; None without a checkpoint. Seeds that are not locked are drawn anew
        each time, and shown afterwards.

        Raises RequestError for incompatible values, and if the checkpoint cannot process `edit_source`; then no seed is
        drawn.
        """
        asked = self._build_without_new_seeds(execution, edit_source, output)
        if asked is None:
            return None
        self._take_new_seeds()
        return self._with_final_prompts(replace(asked, sampling=self._sampling))

    def _with_final_prompts(self, request: GenerationRequest) -> GenerationRequest:
        """Return `request`, whose prompts are as typed, with the final ones and the embeddings that they name."""
        return self._with_additions(self.prompt_builder.applied_to(request, self._value.styles))

    def _with_additions(self, request: GenerationRequest) -> GenerationRequest:
        """Return `request`, whose prompts are final, with the embeddings and LoRAs that they name."""
        made = with_used_embeddings(request, self._value.additions)
        lookup = self.addition_library if self.lora_tags else None
        return with_prompt_loras(made, lookup, leave_out_unknown=self.leave_out_unknown_loras)

    def build_combinations(
        self, execution: Execution, edit_source: EditSource = NO_EDIT_SOURCE, *, output: OutputOptions = DEFAULT_OUTPUT
    ) -> tuple[GenerationRequest, ...] | None:
        """Return one request, as `build_request` does, for each combination of the prompt's variants and wildcards, all
        with the same seeds; None without a checkpoint. Raises RequestError also for more than MAX_COMBINATIONS."""
        asked = self._build_without_new_seeds(execution, edit_source, output)
        if asked is None:
            return None
        made = self.prompt_builder.combination_requests(asked, self._value.styles)
        self._take_new_seeds()
        return tuple(self._with_additions(replace(request, sampling=self._sampling)) for request in made)

    def count_combinations(self) -> int:
        """Return the number of combinations of the prompt's variants and wildcards; MAX_COMBINATIONS + 1 stands for
        more. Raises RequestError."""
        source = self.prompt_builder.source(self._value.prompts, self._value.styles)
        return len(self.prompt_builder.combinations(source))

    def build_comparison_requests(
        self, execution: Execution, edit_source: EditSource = NO_EDIT_SOURCE, *, output: OutputOptions = DEFAULT_OUTPUT
    ) -> tuple[GenerationRequest, GenerationRequest] | None:
        """Return a request for one picture of the present seed without micro-conditioning, and one with it, whether
        enabled or not.

        None without a checkpoint. Raises RequestError as `request` does.
        """
        alone = replace(self._sampling, count=1)
        without, with_it = (
            self._build_without_new_seeds(
                execution, edit_source, output, replace(self.value, micro_conditioning_on=on, sampling=alone)
            )
            for on in (False, True)
        )
        if without is None or with_it is None:
            return None
        return self._with_final_prompts(without), self._with_final_prompts(with_it)

    def can_request(
        self, execution: Execution, edit_source: EditSource = NO_EDIT_SOURCE, *, output: OutputOptions = DEFAULT_OUTPUT
    ) -> bool:
        """Whether `request` would return a request."""
        try:
            return self._build_without_new_seeds(execution, edit_source, output) is not None
        except SdxlDesktopError:
            return False

    def _build_without_new_seeds(
        self, execution: Execution, edit_source: EditSource, output: OutputOptions, value: WorkspaceValue | None = None
    ) -> GenerationRequest | None:
        if self.checkpoint is None:
            return None
        for problem in self.problems(edit_source):
            raise problem
        value = value or replace(self.value, sampling=self._sampling)
        refiners = () if self._is_refiner_selected else self.refiners
        run = RunContext(execution=execution, edit_source=edit_source, output=output, refiners=refiners)
        return build_request(value, self.checkpoint, run)

    @property
    def _is_refiner_selected(self) -> bool:
        """Whether the chosen checkpoint is itself a refiner: then no other refiner is used."""
        return self.checkpoint is not None and self.checkpoint.kind is CheckpointKind.REFINER

    def _take_new_seeds(self) -> None:
        seed, varied = self._sampling.seed, self._sampling.variation_seed
        if not self._value.seed_locked:
            seed = random_seed()
        if self._sampling.variation_strength and not self._value.variation_locked:
            varied = random_seed()
        self._sampling = replace(self._sampling, seed=seed, variation_seed=varied)

    # the settings of a picture

    def recorded_settings(self, record: AnyRecord, execution: Execution | None = None) -> RecordedSettings:
        """Return what `record` holds, with its models looked up here; `execution`: where the next run happens."""
        surroundings = Surroundings(
            prompts=self._value.prompts,
            sampling=self._sampling,
            checkpoint=Path() if self.checkpoint is None else self.checkpoint.folder,
            checkpoints=self.checkpoints,
            files=self.adapter_files(),
            content_of=self._content_of,
            execution=execution,
        )
        return recorded_settings(record, surroundings)

    def apply_settings(
        self, settings: RecordedSettings, parts: Collection[SettingsPart] = tuple(SettingsPart)
    ) -> SdxlDesktopError | None:
        """Apply those of `parts` that `settings` has. Returns a warning if not everything they use is available."""
        chosen = frozenset(parts) & frozenset(settings.parts)
        differs = SettingsPart.CHECKPOINT in chosen and self._take_checkpoint(settings)
        self._take_sampling(settings, chosen)
        lost: tuple[str, ...] = ()
        if chosen & {SettingsPart.PROMPT, SettingsPart.NEGATIVE_PROMPT}:
            settings, styles, lost = self._typed_prompts.restore(settings, chosen)
            self._value = replace(self._value, styles=styles)
        self._value = with_recorded_parts(self._value, settings, chosen, self.refiners)
        title = "" if self.checkpoint is None else self.checkpoint.title
        return reuse_warning(tuple(dict.fromkeys((*settings.missing_of(chosen), *lost))), title, differs=differs)

    @property
    def _typed_prompts(self) -> TypedPrompts:
        return TypedPrompts(self.prompt_builder, self.addition_library if self.lora_tags else None)

    def apply_recorded(self, request: GenerationRequest, seed: int, checkpoint_id: str = "") -> SdxlDesktopError | None:
        """Apply all settings that made a picture, with its seed locked. Returns a warning if not everything it used is
        available."""
        record = PictureRecord(version="", seed=seed, request=request, checkpoint_id=checkpoint_id)
        return self.apply_settings(self.recorded_settings(record))

    def _take_checkpoint(self, settings: RecordedSettings) -> bool:
        """Choose the recorded checkpoint, if it is here; return whether it has other weights than recorded."""
        used, differs = find_recorded_checkpoint(
            settings.request.checkpoint, settings.checkpoint_id, self.checkpoints, self._content_of
        )
        if used is not None and used is not self.checkpoint:
            self.checkpoint = used
            self._begin_with(used)
        return differs

    def _take_sampling(self, settings: RecordedSettings, parts: Collection[SettingsPart]) -> None:
        recorded = replace(settings.request.sampling, seed=settings.seed)
        names = [name for part, own in SAMPLING_FIELDS.items() if part in parts for name in own]
        if names:
            self._sampling = replace(self._sampling, **{name: getattr(recorded, name) for name in names})
            self._sampling_is_set = True

    def adapter_files(self) -> tuple[Path, ...]:
        """Return the files of LoRAs, embeddings and VAEs that are known: listed, in the library, and beside it."""
        library = self.addition_library
        kept = () if library is None else tuple(entry.file for entry in library.entries)
        return tuple(dict.fromkeys((*listed_files(self._value.additions), *kept, *self._addition_files())))

    # presets

    def create_preset(self, name: str, parts: Collection[PresetPart], hash_of: HashOf) -> SettingsPreset:
        """Return a preset of the chosen parts of the present values; raises RequestError."""
        return presets.create_preset(name, self.value, self._sampling, parts, hash_of)

    def apply_preset(self, preset: SettingsPreset, find: FindAdapter) -> SdxlDesktopError | None:
        """Apply what `preset` holds. Returns a warning if not everything it names is available."""
        lost: tuple[str, ...] = ()
        if preset.checkpoint and not self.select_checkpoint(preset.checkpoint):
            lost = (f"the checkpoint {display_text(preset.checkpoint, 60)}",)
        value, no_adapters = presets.apply_preset(replace(self.value, sampling=self._sampling), preset, find)
        self._sampling, self._sampling_is_set = value.sampling or self._sampling, True
        if self.checkpoint is not None:
            size = self._sampling.size.rounded_to_multiple(self.checkpoint.size_multiple)
            self._sampling = replace(self._sampling, size=size)
        self._value = value
        self._reapply_intent()
        no_styles = tuple(
            f"the style {display_text(name, 60)}" for name in self._typed_prompts.missing_styles(preset.styles or ())
        )
        no_refiner = () if self._refiner_problem() is None else (f"the refiner {value.refiner.checkpoint}",)
        return presets.missing_warning((*lost, *no_refiner, *no_adapters, *no_styles))

    def apply_recommended(self) -> None:
        """Set what the checkpoint recommends: size, steps, guidance and scheduler."""
        if self.checkpoint is not None:
            self._sampling, self._sampling_is_set = recommended_sampling(self.checkpoint, self._sampling), True
            self._reapply_intent()


def no_checkpoint_error() -> CheckpointError:
    """Return the error for a missing checkpoint."""
    return CheckpointError(
        "There is no checkpoint to draw with.",
        next_step="Put a folder of OpenVINO SDXL parts into your checkpoints folder, or choose it in the settings.",
    )
