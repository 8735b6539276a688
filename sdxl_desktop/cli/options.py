"""What was typed, and how it becomes one valid `GenerationRequest`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from sdxl_desktop.cli.inputs import Asked, drawing_size, filled, read_additions, read_edit
from sdxl_desktop.cli.streams import typed
from sdxl_desktop.core.checkpoint import Checkpoint, CheckpointKind, Recommended
from sdxl_desktop.core.edit import Edit
from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.foreign_text import shown
from sdxl_desktop.core.geometry import Point, Size
from sdxl_desktop.core.latents import Start
from sdxl_desktop.core.noise_schedule import NoiseOverride, PredictionType, TimestepSpacing
from sdxl_desktop.core.prompt_notes import prompt_notes
from sdxl_desktop.core.refine import Refine, RefineWay
from sdxl_desktop.core.request import (
    Execution,
    GenerationRequest,
    MicroConditioning,
    Output,
    Precision,
    Prompts,
    Sampling,
)
from sdxl_desktop.core.schedulers import SchedulerName
from sdxl_desktop.core.seeds import random_seed, read_seed
from sdxl_desktop.core.settings import Preferences
from sdxl_desktop.core.speed import DEFAULT_SPEED, Speed
from sdxl_desktop.history.latents import read_latents
from sdxl_desktop.library.additions import few_step_lora
from sdxl_desktop.session.document.frame import frame_of, framed


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of `generate` as typed; None means "not given"."""

    prompt: str
    negative: str = ""
    prompt_2: str = ""
    negative_2: str = ""
    size: str | None = None
    steps: int | None = None
    guidance: float | None = None
    guidance_rescale: float | None = None
    scheduler: str | None = None
    speed: str | None = None
    seed: str | None = None
    count: int = 1
    original_size: str | None = None
    target_size: str | None = None
    crop: str | None = None
    negative_original_size: str | None = None
    negative_target_size: str | None = None
    negative_crop: str | None = None
    device: str | None = None
    text_device: str | None = None
    unet_device: str | None = None
    vae_device: str | None = None
    threads: int | None = None
    precision: str | None = None
    image: Path | None = None
    mask: Path | None = None
    strength: float | None = None
    fit: str = "crop"
    backdrop: str | None = None
    intent: str | None = None
    mask_blur: float | None = None
    grow: int | None = None
    prefill: str | None = None
    soft_mask: bool | None = None
    match_colours: bool | None = None
    only_masked: int | None = None
    paste_back: bool | None = None
    refiner: str | None = None
    refine: str | None = None
    handoff: float | None = None
    refiner_steps: int | None = None
    refiner_strength: float | None = None
    aesthetic_score: float | None = None
    negative_aesthetic_score: float | None = None
    lora: tuple[str, ...] = ()
    embedding: tuple[str, ...] = ()
    vae: Path | None = None
    clip_skip: int = 0
    timesteps: str | None = None
    prediction_type: str | None = None
    zero_snr: bool | None = None
    timestep_spacing: str | None = None
    variation_seed: str | None = None
    variation_strength: float | None = None
    watermark: bool | None = None
    latents_out: Path | None = None
    from_latents: Path | None = None
    from_step: int | None = None


def build_request(
    options: Options,
    checkpoint: Checkpoint,
    usual: Preferences,
    find: Callable[[str], Checkpoint],
    tell: Callable[[str], None],
) -> GenerationRequest:
    """The request; what was not given comes from kept latents, or the checkpoint's recommendation, or is `usual`, or is
    drawn by lot. `find` looks a checkpoint up by name or folder. What is drawn, but perhaps not as it was meant, goes
    to `tell`.

    Raises RequestError, PictureError, AdditionError or CheckpointError for the first value that cannot be.
    """
    edit = _edit(options, usual.backdrop, tell)
    start, made_by = _start(options)
    sampling = _sampling(options, checkpoint, edit, made_by)
    checkpoint.check_size(sampling.size)
    edit = None if edit is None else filled(edit, _asked_of_edit(options), sampling.size)
    request = GenerationRequest(
        checkpoint=checkpoint.folder,
        prompts=_prompts(options, tell),
        sampling=sampling,
        micro_conditioning=_micro_conditioning(options),
        edit=edit,
        refine=_refine(options, find),
        additions=read_additions(options.lora, options.embedding, options.vae),
        start=start,
        output=Output(
            watermark=usual.watermark if options.watermark is None else options.watermark,
            keep_latents="none" if options.latents_out is None else "steps",
        ),
        execution=_execution(options, usual.execution),
    )
    _tell_few_step(request, tell)
    if options.size is None:
        request = framed(request, checkpoint.size_multiple)
    _tell_frame(request, checkpoint, tell)
    return request


def _prompts(options: Options, tell: Callable[[str], None]) -> Prompts:
    prompts = Prompts(
        prompt=typed(options.prompt),
        negative_prompt=typed(options.negative),
        prompt_2=typed(options.prompt_2),
        negative_prompt_2=typed(options.negative_2),
        clip_skip=options.clip_skip,
    )
    for note in prompt_notes(prompts):
        tell(note)
    return prompts


def _tell_frame(request: GenerationRequest, checkpoint: Checkpoint, tell: Callable[[str], None]) -> None:
    """Say before the run what of the mask it does not draw, or draws in another shape than it has."""
    edit, size = request.edit, request.sampling.size
    if edit is None or edit.mask is None or request.start is not None:
        return
    best = frame_of(edit, size, checkpoint.size_multiple)
    if best.leaves_out:
        tell(f"A part of the mask lies outside what is drawn at {size}. Paste the result back, or use --fit pad.")
    elif best.drawn != size:
        tell(f"What is masked is stretched to be drawn at {size}; --size {best.drawn} has its shape.")


def _tell_few_step(request: GenerationRequest, tell: Callable[[str], None]) -> None:
    """Say which settings a LoRA is made for that is distilled to few steps, where others are used."""
    for use in request.additions.loras:
        made_for = few_step_lora(use.file)
        if made_for is not None and made_for.on(request.sampling) != request.sampling:
            spacing = "" if made_for.timestep_spacing is None else f" --timestep-spacing {made_for.timestep_spacing}"
            tell(
                f"{shown(use.file.name)} is made for {made_for.words}: --steps {made_for.steps} "
                f"--guidance {made_for.guidance_scale:g} --scheduler {made_for.scheduler}{spacing}."
            )


def _execution(options: Options, usual: Execution) -> Execution:
    """Where it runs: a `--device` without a word on the parts is for all of them, and a `--precision` for all devices,
    whatever the settings say."""
    parts = {
        name: (getattr(usual, name) if options.device is None else "") if asked is None else asked
        for name in ("text_device", "unet_device", "vae_device")
        for asked in (getattr(options, name),)
    }
    return Execution(
        device=usual.device if options.device is None else options.device,
        threads=usual.threads if options.threads is None else options.threads,
        precision=usual.precision if options.precision is None else cast(Precision, options.precision),
        gpu_precision=usual.gpu_precision if options.precision is None else "",
        npu_precision=usual.npu_precision if options.precision is None else "",
        preview=False,
        **parts,
    )


_NEEDS_PICTURE = (
    "mask",
    "intent",
    "strength",
    "mask_blur",
    "grow",
    "prefill",
    "soft_mask",
    "match_colours",
    "only_masked",
    "paste_back",
    "backdrop",
)


def _edit(options: Options, backdrop: str, tell: Callable[[str], None]) -> Edit | None:
    """The picture, the mask and how they meet what is drawn; how the mask is filled follows when the size is known."""
    if options.image is not None:
        return read_edit(
            options.image,
            options.mask,
            fit=options.fit,
            only_masked=options.only_masked,
            paste_back=options.paste_back,
            backdrop=options.backdrop or backdrop,
            tell=tell,
        )
    for name in _NEEDS_PICTURE:
        if getattr(options, name) is not None:
            flag = "--hard-mask" if name == "soft_mask" and not options.soft_mask else "--" + name.replace("_", "-")
            raise RequestError(f"{flag} needs a picture to work on.", next_step="Give one with --image FILE.")
    return None


def _asked_of_edit(options: Options) -> Asked:
    return Asked(
        intent=options.intent,
        strength=options.strength,
        mask_blur=options.mask_blur,
        grow=options.grow,
        prefill=options.prefill,
        soft=options.soft_mask,
        match_colour=options.match_colours,
    )


def _start(options: Options) -> tuple[Start | None, GenerationRequest | None]:
    """(where to begin, the request that made the kept latents)."""
    if options.from_latents is None:
        if options.from_step is not None:
            raise RequestError("--from-step needs kept latents.", next_step="Give them with --from-latents FILE.")
        return None, None
    latents, made_by = read_latents(options.from_latents.expanduser())
    return Start(latents, options.from_step), replace(made_by, sampling=replace(made_by.sampling, seed=latents.seed))


def _refine(options: Options, find: Callable[[str], Checkpoint]) -> Refine | None:
    if options.refiner is None:
        for name in ("refine", "handoff", "refiner_steps", "refiner_strength"):
            if getattr(options, name) is not None:
                flag = "--" + name.replace("_", "-")
                raise RequestError(f"{flag} needs a refiner.", next_step="Name one with --refiner NAME|FOLDER.")
        return None
    refiner = find(options.refiner)
    if refiner.kind is not CheckpointKind.REFINER:
        raise RequestError(
            f"{refiner.name} is not a refiner.",
            why="It has both text encoders; refiners have the second only.",
            next_step="Name a refiner checkpoint.",
        )
    usual = Refine(checkpoint=refiner.folder)
    return Refine(
        checkpoint=refiner.folder,
        way=usual.way if options.refine is None else _way(options.refine),
        handoff=usual.handoff if options.handoff is None else options.handoff,
        steps=options.refiner_steps,
        strength=usual.strength if options.refiner_strength is None else options.refiner_strength,
    )


def _way(text: str) -> RefineWay:
    try:
        return RefineWay(text.lower())
    except ValueError:
        raise RequestError(f"A refiner cannot work by {text!r}.", next_step="Choose ensemble or img2img.") from None


def _sampling(
    options: Options, checkpoint: Checkpoint, edit: Edit | None, made_by: GenerationRequest | None
) -> Sampling:
    best: Recommended | Sampling = checkpoint.recommended if made_by is None else made_by.sampling
    size = best.size if edit is None or made_by is not None else drawing_size(edit.picture.size, checkpoint)
    if options.size is not None:
        size = Size.parse(options.size)
        checkpoint.check_size(size)  # first: it knows which sizes can be drawn instead
    usual = Sampling() if made_by is None else made_by.sampling
    timesteps = _timesteps(options.timesteps) or (usual.timesteps if options.steps is None else ())
    steps = (len(timesteps) or best.steps) if options.steps is None else options.steps
    kept_seed = None if made_by is None else made_by.sampling.seed
    return Sampling(
        size=size,
        steps=steps,
        guidance_scale=best.guidance_scale if options.guidance is None else options.guidance,
        guidance_rescale=usual.guidance_rescale if options.guidance_rescale is None else options.guidance_rescale,
        scheduler=best.scheduler if options.scheduler is None else SchedulerName.parse(options.scheduler),
        seed=_seed(options.seed, random_seed() if kept_seed is None else kept_seed),
        count=options.count,
        variation_seed=_seed(options.variation_seed, usual.variation_seed),
        variation_strength=(
            usual.variation_strength if options.variation_strength is None else options.variation_strength
        ),
        timesteps=timesteps,
        noise=_noise(options, usual.noise),
        speed=DEFAULT_SPEED if options.speed is None else Speed.parse(options.speed),
    )


def _seed(text: str | None, default: int) -> int:
    """The seed that was given; `default` when none was, and one by lot for what stands for a random one."""
    if text is None:
        return default
    seed = read_seed(text)
    return random_seed() if seed is None else seed


def _noise(options: Options, usual: NoiseOverride) -> NoiseOverride:
    prediction, spacing = options.prediction_type, options.timestep_spacing
    return NoiseOverride(
        prediction_type=usual.prediction_type if prediction is None else PredictionType.parse(prediction),
        zero_terminal_snr=usual.zero_terminal_snr if options.zero_snr is None else options.zero_snr,
        timestep_spacing=usual.timestep_spacing if spacing is None else TimestepSpacing.parse(spacing),
    )


def _timesteps(text: str | None) -> tuple[int, ...]:
    if text is None:
        return ()
    try:
        return tuple(int(word) for word in text.replace(",", " ").split())
    except ValueError:
        raise RequestError(
            f"{text!r} is not a row of timesteps.", next_step="Write whole numbers, for instance 999,749,499,249."
        ) from None


def _micro_conditioning(options: Options) -> MicroConditioning:
    return MicroConditioning(
        original_size=_size(options.original_size),
        crop_top_left=_point(options.crop),
        target_size=_size(options.target_size),
        negative_original_size=_size(options.negative_original_size),
        negative_crop_top_left=_point(options.negative_crop),
        negative_target_size=_size(options.negative_target_size),
        **_scores(options),
    )


def _scores(options: Options) -> dict[str, float]:
    named = {
        "aesthetic_score": options.aesthetic_score,
        "negative_aesthetic_score": options.negative_aesthetic_score,
    }
    return {name: score for name, score in named.items() if score is not None}


def _size(text: str | None) -> Size | None:
    return None if text is None else Size.parse(text)


def _point(text: str | None) -> Point | None:
    return None if text is None else Point.parse(text)
