"""Requests that differ from a case in one thing that must show: what proves that a comparison can fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.refine import RefinerMode
from sdxl_desktop.core.request import GenerationRequest
from tests.engine.parity import input_images
from tests.engine.parity.cases import ParityWorkflow

InputSwap = Callable[[GenerationRequest], GenerationRequest]


def _prompts(request: GenerationRequest) -> GenerationRequest:
    message = request.prompts
    return replace(request, prompts=replace(message, prompt=message.prompt_2, prompt_2=message.prompt))


def _negatives(request: GenerationRequest) -> GenerationRequest:
    message = request.prompts
    changed = replace(message, negative_prompt=message.negative_prompt_2, negative_prompt_2=message.negative_prompt)
    return replace(request, prompts=changed)


def _sampling(**changes: Any) -> InputSwap:
    return lambda request: replace(request, sampling=replace(request.sampling, **changes))


def _sizes(request: GenerationRequest) -> GenerationRequest:
    """Width and height of the original size exchanged."""
    size = request.sampling.size
    micro = replace(request.micro_conditioning, original_size=Size(size.height, size.width))
    return replace(request, micro_conditioning=micro)


def _scores(request: GenerationRequest) -> GenerationRequest:
    micro = request.micro_conditioning
    changed = replace(
        micro, aesthetic_score=micro.negative_aesthetic_score, negative_aesthetic_score=micro.aesthetic_score
    )
    return replace(request, micro_conditioning=changed)


def _picture(request: GenerationRequest) -> GenerationRequest:
    assert request.edit is not None
    other = input_images.photo(request.edit.picture.size, seed=4)
    return replace(request, edit=replace(request.edit, picture=other))


def _mirrored_picture(request: GenerationRequest) -> GenerationRequest:
    assert request.edit is not None
    mirrored = request.edit.picture.from_pixels(request.edit.picture.array[:, ::-1])
    return replace(request, edit=replace(request.edit, picture=mirrored))


def _mask(request: GenerationRequest) -> GenerationRequest:
    assert request.edit is not None
    assert request.edit.mask is not None
    inverted = request.edit.mask.from_pixels(255 - request.edit.mask.array)
    return replace(request, edit=replace(request.edit, mask=inverted))


def _strength(request: GenerationRequest) -> GenerationRequest:
    assert request.edit is not None
    return replace(request, edit=replace(request.edit, strength=0.9))


def _margin(request: GenerationRequest) -> GenerationRequest:
    assert request.edit is not None
    return replace(request, edit=replace(request.edit, only_masked=0))


def _refine(**changes: Any) -> InputSwap:
    def swap(request: GenerationRequest) -> GenerationRequest:
        assert request.refine is not None
        return replace(request, refine=replace(request.refine, **changes))

    return swap


def _without_refiner(request: GenerationRequest) -> GenerationRequest:
    return replace(request, refine=None)


EVERYWHERE: dict[str, InputSwap] = {
    "the second prompt for the first": _prompts,
    "the second negative prompt for the first": _negatives,
    "another seed": _sampling(seed=8),
    "another guidance scale": _sampling(guidance_scale=3.0),
    "one step more": lambda request: _sampling(steps=request.sampling.steps + 1)(request),
    "width for height in the original size": _sizes,
}
GUIDED_BY_EMBEDDING = {name: swap for name, swap in EVERYWHERE.items() if "negative" not in name}
REFINER_ALONE = {name: swap for name, swap in EVERYWHERE.items() if "negative" not in name}
"""A refiner has one encoder, so its second negative prompt goes nowhere."""
EDITED: dict[str, InputSwap] = {
    "another picture": _picture,
    "the picture mirrored": _mirrored_picture,
    "another strength": _strength,
}
MASKED: dict[str, InputSwap] = {**EDITED, "the mask inverted": _mask}
ENSEMBLE: dict[str, InputSwap] = {
    "no refiner": _without_refiner,
    "the other way of refining": _refine(way=RefinerMode.IMG2IMG),
    "another hand-off": _refine(handoff=0.5),
    "the aesthetic scores exchanged": _scores,
}
REFINER_IMG2IMG: dict[str, InputSwap] = {
    "no refiner": _without_refiner,
    "the other way of refining": _refine(way=RefinerMode.ENSEMBLE),
    "another refiner strength": _refine(strength=0.6),
    "the aesthetic scores exchanged": _scores,
}

SWAPS_BY_WORKFLOW: dict[ParityWorkflow, dict[str, InputSwap]] = {
    ParityWorkflow.TEXT: EVERYWHERE,
    ParityWorkflow.BLOCKS_SSD_1B: EVERYWHERE,
    ParityWorkflow.BLOCKS_VEGA: EVERYWHERE,
    ParityWorkflow.FEW_STEP: GUIDED_BY_EMBEDDING,
    ParityWorkflow.IMAGE: {**EVERYWHERE, **EDITED},
    ParityWorkflow.INPAINT: {**EVERYWHERE, **MASKED},
    ParityWorkflow.INPAINT_9: {**EVERYWHERE, **MASKED},
    ParityWorkflow.ONLY_MASKED: {**EVERYWHERE, **EDITED, "another margin": _margin},
    ParityWorkflow.ENSEMBLE: {**EVERYWHERE, **ENSEMBLE},
    ParityWorkflow.RETOUCH: {**EVERYWHERE, **REFINER_IMG2IMG},
    ParityWorkflow.REFINER: {**REFINER_ALONE, **EDITED, "the aesthetic scores exchanged": _scores},
    ParityWorkflow.INPAINT_ENSEMBLE: {**EVERYWHERE, **MASKED, **ENSEMBLE},
    ParityWorkflow.INPAINT_RETOUCH: {**EVERYWHERE, **MASKED, **REFINER_IMG2IMG},
}
