"""Build one valid `GenerationRequest` from the options, with the same code as the window."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sdxl_desktop.cli.declared import first_flag, parse_given
from sdxl_desktop.cli.input_files import drawing_size, parse_intent, read_additions, read_edit_source
from sdxl_desktop.cli.prompt_craft import PromptCraft
from sdxl_desktop.cli.terminal_encoding import decode_argument
from sdxl_desktop.core.checkpoint import Checkpoint, CheckpointKind
from sdxl_desktop.core.edit import EditParameters, EditSource
from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.latents import ResumePoint
from sdxl_desktop.core.lora_tags import find_tags
from sdxl_desktop.core.noise_schedule import NoiseScheduleOverride
from sdxl_desktop.core.prompt_notes import prompt_notes
from sdxl_desktop.core.refine import RefinerParameters, Refining
from sdxl_desktop.core.request import Execution, GenerationRequest, MicroConditioning, OutputOptions, Prompts, Sampling
from sdxl_desktop.core.scalars import scalars
from sdxl_desktop.core.seeds import random_seed
from sdxl_desktop.core.settings import Preferences
from sdxl_desktop.core.speed import DEFAULT_SPEED
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.core.workspace_value import EditPanelState, RefinerPanelState, WorkspaceValue
from sdxl_desktop.library.addition_detection import read_few_step_lora
from sdxl_desktop.metadata.latent_files import read_latents
from sdxl_desktop.session.addition_library import LoraLookup, UnknownLoraError
from sdxl_desktop.session.building import RunContext, build_request
from sdxl_desktop.session.declared_values import Given
from sdxl_desktop.session.document.frame import frame_of_edit, with_frame_size
from sdxl_desktop.session.edit_values import WITHOUT_A_MASK, with_given_values, with_intent
from sdxl_desktop.session.few_step import recommended_sampling
from sdxl_desktop.session.prompt_craft.presets import SettingsPreset
from sdxl_desktop.session.prompt_loras import with_prompt_loras


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of `generate` as typed; None means "not given". `values` holds those that set a declared value of a
    request, by option name."""

    prompt: str
    values: Mapping[str, Any] = field(default_factory=dict)
    image: Path | None = None
    mask: Path | None = None
    backdrop: str | None = None
    intent: str | None = None
    refiner: str | None = None
    style: tuple[str, ...] = ()
    variants: str | None = None
    preset: str | None = None
    lora: tuple[str, ...] = ()
    embedding: tuple[str, ...] = ()
    vae: Path | None = None
    latents_out: Path | None = None
    from_latents: Path | None = None
    from_step: int | None = None
    ignore_unknown_loras: bool = False


def request_from_options(
    options: Options,
    checkpoint: Checkpoint,
    preferences: Preferences,
    find: Callable[[str], Checkpoint],
    tell: Callable[[str], None],
    craft: PromptCraft | None = None,
    lora_lookup: LoraLookup | None = None,
) -> GenerationRequest:
    """Return the request; values not given come from saved latents, the checkpoint's recommendation, `usual` or, for
    seeds, at random. `find` finds a checkpoint by name or folder, `lora_lookup` the LoRAs that prompts name (None: tags
    are text). Warnings about likely unintended results go to `tell`. `craft` holds the styles, wildcards and preset
    (default: none).

    Raises RequestError, PictureError, AdditionError or CheckpointError for the first invalid value.
    """
    edit_source = _edit_source(options, preferences.backdrop, tell)
    start, made_by = _resume_point(options)
    craft = craft or PromptCraft()
    given = craft.given_with_preset(parse_given(options.values))
    sampling = _sampling(given, checkpoint, edit_source, made_by, craft.preset)
    checkpoint.check_size(sampling.size)
    refiner, refining = _refiner(options, given, find, craft.preset)
    prompts = Prompts(prompt=decode_argument(options.prompt), **given[Prompts])
    for note in prompt_notes(prompts, lora_tags=lora_lookup is not None, expand_variants=craft.expands_variants):
        tell(note)
    value = WorkspaceValue(
        prompts=prompts,
        sampling=sampling,
        micro_conditioning=MicroConditioning(**given.get(MicroConditioning, {})),
        micro_conditioning_on=True,
        edit=_edit(options, given, edit_source, sampling.size),
        refiner=refining,
    )
    run = RunContext(
        execution=_execution(given, preferences.execution),
        edit_source=edit_source,
        output=OutputOptions(
            keep_latents="none" if options.latents_out is None else "steps",
            **{
                "watermark": preferences.watermark,
                "declare_source": preferences.declare_source,
                **given.get(OutputOptions, {}),
            },
        ),
        refiners=() if refiner is None else (refiner,),
        start=start,
    )
    additions = craft.with_preset_adapters(read_additions(options.lora, options.embedding, options.vae), tell)
    request = craft.with_final_prompts(build_request(value, checkpoint, run, additions), tell)
    request = _with_prompt_loras(request, lora_lookup, tell, ignore_unknown=options.ignore_unknown_loras)
    _tell_few_step(request, tell)
    if "size" not in given.get(Sampling, {}):
        request = with_frame_size(request, checkpoint.size_multiple)
    _tell_frame(request, checkpoint, tell)
    return request


def _with_prompt_loras(
    request: GenerationRequest, lookup: LoraLookup | None, tell: Callable[[str], None], *, ignore_unknown: bool
) -> GenerationRequest:
    """Return `request` with the LoRAs that its prompts name; tells which are left out."""
    if lookup is None:
        return request
    try:
        made = with_prompt_loras(request, lookup, leave_out_unknown=ignore_unknown)
    except UnknownLoraError as problem:
        raise RequestError(
            problem.what,
            why=problem.why,
            next_step="Correct the name (sdxl-desktop loras lists them), or add --ignore-unknown-loras.",
        ) from problem
    for tag in (*find_tags(request.prompts.prompt), *find_tags(request.prompts.prompt_2)) if ignore_unknown else ():
        try:
            lookup.find_lora(tag.name)
        except UnknownLoraError as problem:
            tell(f"{problem.what} It is left out.")
    return made


def _tell_frame(request: GenerationRequest, checkpoint: Checkpoint, tell: Callable[[str], None]) -> None:
    """Warn before the run if part of the mask is not generated, or at another aspect ratio."""
    edit, size = request.edit, request.sampling.size
    if edit is None or edit.mask is None or request.start is not None:
        return
    best = frame_of_edit(edit, size, checkpoint.size_multiple)
    if best.cuts_mask:
        tell(f"A part of the mask lies outside what is drawn at {size}. Paste the result back, or use --fit pad.")
    elif best.drawing_size != size:
        tell(f"What is masked is stretched to be drawn at {size}; --size {best.drawing_size} has its shape.")


def _tell_few_step(request: GenerationRequest, tell: Callable[[str], None]) -> None:
    """Warn if the settings differ from those that a few-step LoRA is made for."""
    for use in request.additions.loras:
        made_for = read_few_step_lora(use.file)
        if made_for is not None and made_for.applied_to(request.sampling) != request.sampling:
            spacing = "" if made_for.timestep_spacing is None else f" --timestep-spacing {made_for.timestep_spacing}"
            tell(
                f"{display_text(use.file.name)} is made for {made_for.description}: --steps {made_for.steps} "
                f"--guidance {made_for.guidance_scale:g} --scheduler {made_for.scheduler}{spacing}."
            )


def _execution(given: Given, usual: Execution) -> Execution:
    """Return the execution options: `--device` without per-part devices applies to all parts, and `--precision` to all
    devices, whatever the settings say."""
    own = given.get(Execution, {})
    if "device" in own:
        usual = replace(usual, text_device="", unet_device="", vae_device="")
    if "precision" in own:
        usual = replace(usual, gpu_precision="", npu_precision="")
    return replace(usual, preview=False, **own)


def _edit_source(options: Options, backdrop: str, tell: Callable[[str], None]) -> EditSource:
    """Read the picture to edit and its mask."""
    if options.image is not None:
        return read_edit_source(options.image, options.mask, backdrop=options.backdrop or backdrop, tell=tell)
    named = {"--mask": options.mask, "--intent": options.intent, "--backdrop": options.backdrop}
    flag = next(
        (flag for flag, value in named.items() if value is not None), first_flag(options.values, EditParameters)
    )
    if flag is not None:
        raise RequestError(f"{flag} needs a picture to work on.", next_step="Give one with --image FILE.")
    return EditSource()


def _edit(options: Options, given: Given, edit_source: EditSource, drawn: Size) -> EditPanelState:
    """Return the intent's values at the drawing size `drawn`, overridden by explicitly given ones.

    By default a masked picture is regenerated in full within its mask and retains its own size; without a mask it is
    partly preserved and has the drawing size.
    """
    own, masked = given.get(EditParameters, {}), edit_source.mask is not None
    value = with_given_values(EditPanelState(mask_blur=0.0), own, masked=masked)
    if options.intent is not None:
        intent = parse_intent(options.intent)
        if intent.needs_mask and not masked:
            raise RequestError(f"To {intent.value} something takes a mask.", next_step="Give one with --mask FILE.")
        value = with_given_values(with_intent(value, intent, edit_source, drawn), own, masked=masked)
        value = replace(value, intent=None)
    if edit_source.picture is not None and not masked and own.keys() - {*WITHOUT_A_MASK}:
        raise RequestError(
            "Options for filling a mask were given, but there is no mask.", next_step="Give one with --mask FILE."
        )
    return value


def _resume_point(options: Options) -> tuple[ResumePoint | None, GenerationRequest | None]:
    """Return (where to resume, the request that made the saved latents)."""
    if options.from_latents is None:
        if options.from_step is not None:
            raise RequestError("--from-step needs kept latents.", next_step="Give them with --from-latents FILE.")
        return None, None
    latents, made_by = read_latents(options.from_latents.expanduser())
    return ResumePoint(latents, options.from_step), replace(
        made_by, sampling=replace(made_by.sampling, seed=latents.seed)
    )


def _refiner(
    options: Options, given: Given, find: Callable[[str], Checkpoint], preset: SettingsPreset | None
) -> tuple[Checkpoint | None, RefinerPanelState]:
    """Return the refiner checkpoint, if any, and its settings."""
    scores = {name: one for name, one in given.get(MicroConditioning, {}).items() if name in scalars(RefinerPanelState)}
    asked, refining = options.refiner, given.get(RefinerParameters, {})
    if asked is None and preset is not None and preset.refiner is not None and preset.refiner.on:
        asked = preset.refiner.checkpoint or None
        refining = {**{name: getattr(preset.refiner, name) for name in scalars(Refining)}, **refining}
    if asked is None:
        flag = first_flag(options.values, RefinerParameters)
        if flag is not None:
            raise RequestError(f"{flag} needs a refiner.", next_step="Name one with --refiner NAME|FOLDER.")
        return None, RefinerPanelState(**scores)
    refiner = find(asked)
    if refiner.kind is not CheckpointKind.REFINER:
        raise RequestError(
            f"{refiner.name} is not a refiner.",
            why="It has both text encoders; refiners have the second only.",
            next_step="Name a refiner checkpoint.",
        )
    return refiner, RefinerPanelState(on=True, checkpoint=refiner.name, **refining, **scores)


def _sampling(
    given: Given,
    checkpoint: Checkpoint,
    edit_source: EditSource,
    made_by: GenerationRequest | None,
    preset: SettingsPreset | None,
) -> Sampling:
    own = dict(given.get(Sampling, {}))
    if made_by is None:
        base = recommended_sampling(checkpoint, Sampling(seed=random_seed()))
        if edit_source.picture is not None:
            base = replace(base, size=drawing_size(edit_source.picture.size, checkpoint))
        if preset is not None:
            base = preset.sampling_applied_to(base)
    else:
        base = made_by.sampling
    if "size" in own:
        checkpoint.check_size(own["size"])  # first: its error suggests valid sizes
    if own.get("timesteps"):
        own.setdefault("steps", len(own["timesteps"]))
    elif "steps" in own:
        own["timesteps"] = ()
    else:
        own.pop("timesteps", None)
    noise = replace(base.noise, **given.get(NoiseScheduleOverride, {}))
    return replace(base, **{"speed": DEFAULT_SPEED, "noise": noise, **own})
