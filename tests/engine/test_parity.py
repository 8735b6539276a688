"""What is drawn equals diffusers in torch on the same weights and seed, argument by argument."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import schedulers as reference_schedulers

from sdxl_desktop.core.geometry import Point, Size
from sdxl_desktop.core.request import GenerationRequest, MicroConditioning, Prompts
from sdxl_desktop.core.schedulers import SchedulerName
from sdxl_desktop.engine.engine_protocol import Engine
from sdxl_desktop.engine.openvino import decode
from tests.engine.conftest import SIZE, generate

TOLERANCE = 1e-3

pytestmark = pytest.mark.slow  # the table of tests/engine/parity compares the same arguments in every run

REFERENCE: dict[SchedulerName, tuple[str, dict[str, Any]]] = {
    SchedulerName.EULER: ("EulerDiscreteScheduler", {}),
    SchedulerName.EULER_ANCESTRAL: ("EulerAncestralDiscreteScheduler", {}),
    SchedulerName.DDIM: ("DDIMScheduler", {}),
    SchedulerName.DPMPP_2M: ("DPMSolverMultistepScheduler", {}),
    SchedulerName.DPMPP_2M_KARRAS: ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
    SchedulerName.DPMPP_SDE: ("DPMSolverSDEScheduler", {"noise_sampler_seed": 7}),
    SchedulerName.UNIPC: ("UniPCMultistepScheduler", {}),
    SchedulerName.HEUN: ("HeunDiscreteScheduler", {}),
    SchedulerName.LMS: ("LMSDiscreteScheduler", {}),
    SchedulerName.PNDM: ("PNDMScheduler", {"skip_prk_steps": True}),
    SchedulerName.LCM: ("LCMScheduler", {}),
}


@pytest.fixture(scope="module")
def torch_pipe(tiny_checkpoint: Path) -> Any:
    from diffusers import StableDiffusionXLPipeline

    pipe = StableDiffusionXLPipeline.from_pretrained(tiny_checkpoint / "torch", add_watermarker=False)
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.fixture
def ours(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Callable[[GenerationRequest], Any]:
    """The picture as floats in [0, 1], before it is rounded to 8 bits."""

    def run(request: GenerationRequest) -> Any:
        seen: list[Any] = []
        to_pixels = decode.to_pixels

        def watched(image: Any) -> Any:
            seen.append(image)
            return to_pixels(image)

        monkeypatch.setattr(decode, "to_pixels", watched)
        pixels = generate(engine, request).picture.pixels
        floats = np.clip(seen[-1] / 2 + 0.5, 0, 1)
        assert np.abs(pixels / 255 - floats).max() <= 0.5 / 255 + 1e-6
        return floats

    return run


@pytest.fixture
def theirs(torch_pipe: Any) -> Iterator[Callable[..., Any]]:
    """diffusers' picture as floats in [0, 1]."""
    original = torch_pipe.scheduler

    def run(scheduler: SchedulerName = SchedulerName.EULER, **arguments: Any) -> Any:
        name, options = REFERENCE[scheduler]
        torch_pipe.scheduler = getattr(reference_schedulers, name).from_config(original.config, **options)
        return torch_pipe(
            **{
                "prompt": "a red cat",
                "width": SIZE.width,
                "height": SIZE.height,
                "num_inference_steps": 3,
                "guidance_scale": 5.0,
                "generator": torch.Generator("cpu").manual_seed(7),
                "output_type": "np",
                **arguments,
            }
        ).images[0]

    yield run
    torch_pipe.scheduler = original


def difference(one: Any, other: Any) -> float:
    assert one.shape == other.shape
    return float(np.abs(one - other).max())


@pytest.mark.parametrize("scheduler", REFERENCE)
def test_every_scheduler_draws_what_diffusers_draws(scheduler: Any, ours: Any, theirs: Any, request_for: Any) -> None:
    assert (
        difference(ours(request_for(scheduler=scheduler, steps=5)), theirs(scheduler, num_inference_steps=5))
        <= TOLERANCE
    )


def test_the_schedulers_differ_from_each_other(ours: Any, request_for: Any) -> None:
    pictures = [ours(request_for(scheduler=scheduler, steps=5)) for scheduler in REFERENCE]
    for n, picture in enumerate(pictures):
        for other in pictures[:n]:
            assert difference(picture, other) > TOLERANCE


@pytest.mark.parametrize(
    ("micro", "arguments"),
    [
        (MicroConditioning(original_size=Size(320, 64)), {"original_size": (64, 320)}),
        (MicroConditioning(crop_top_left=Point(40, 8)), {"crops_coords_top_left": (8, 40)}),
        (MicroConditioning(target_size=Size(64, 256)), {"target_size": (256, 64)}),
        (
            MicroConditioning(negative_original_size=Size(320, 64)),
            {"negative_original_size": (64, 320), "negative_target_size": (SIZE.height, SIZE.width)},
        ),
        (
            MicroConditioning(negative_crop_top_left=Point(40, 8)),
            {
                "negative_original_size": (SIZE.height, SIZE.width),
                "negative_crops_coords_top_left": (8, 40),
                "negative_target_size": (SIZE.height, SIZE.width),
            },
        ),
        (
            MicroConditioning(negative_target_size=Size(64, 256)),
            {"negative_original_size": (SIZE.height, SIZE.width), "negative_target_size": (256, 64)},
        ),
    ],
    ids=["original", "crop", "target", "negative original", "negative crop", "negative target"],
)
def test_every_micro_conditioning_argument_means_what_it_means_in_diffusers(
    micro: MicroConditioning, arguments: dict[str, Any], ours: Any, theirs: Any, request_for: Any
) -> None:
    drawn = ours(request_for(micro_conditioning=micro))
    assert difference(drawn, theirs(**arguments)) <= TOLERANCE
    assert difference(drawn, ours(request_for())) > TOLERANCE, "the argument changes nothing"


@pytest.mark.parametrize(
    ("prompts", "arguments"),
    [
        (Prompts(prompt="a red cat", negative_prompt="dog"), {"negative_prompt": "dog"}),
        (Prompts(prompt="a red cat", prompt_2="the sea"), {"prompt_2": "the sea"}),
        (
            Prompts(prompt="a red cat", negative_prompt="dog", negative_prompt_2="fog"),
            {"negative_prompt": "dog", "negative_prompt_2": "fog"},
        ),
        (
            Prompts(prompt="a red cat", negative_prompt_2="fog"),
            {"negative_prompt": "", "negative_prompt_2": "fog"},
        ),
    ],
    ids=["negative", "prompt 2", "both negatives", "only negative 2"],
)
def test_each_prompt_reaches_its_encoder(
    prompts: Prompts, arguments: dict[str, Any], ours: Any, theirs: Any, request_for: Any
) -> None:
    drawn = ours(request_for(prompts=prompts))
    assert difference(drawn, theirs(**arguments)) <= TOLERANCE
    assert difference(drawn, ours(request_for())) > TOLERANCE, "the prompt changes nothing"


@pytest.mark.parametrize(
    ("sampling", "arguments"),
    [
        ({"guidance_scale": 1.0}, {"guidance_scale": 1.0}),
        ({"guidance_scale": 9.5}, {"guidance_scale": 9.5}),
        ({"guidance_scale": 8.0, "guidance_rescale": 0.7}, {"guidance_scale": 8.0, "guidance_rescale": 0.7}),
        ({"size": Size(96, 160)}, {"width": 96, "height": 160}),
    ],
    ids=["no guidance", "guidance", "rescale", "size"],
)
def test_sampling_arguments(
    sampling: dict[str, Any], arguments: dict[str, Any], ours: Any, theirs: Any, request_for: Any
) -> None:
    assert difference(ours(request_for(**sampling)), theirs(**arguments)) <= TOLERANCE


def test_a_long_prompt_equals_a_torch_reference_of_its_chunks(
    ours: Any, theirs: Any, torch_pipe: Any, request_for: Any
) -> None:
    text = "a red cat and the sea " * 12
    embeddings, pooled = reference_chunks(torch_pipe, text)
    reference = theirs(
        prompt=None,
        prompt_embeds=embeddings,
        pooled_prompt_embeds=pooled,
        negative_prompt_embeds=torch.zeros_like(embeddings),
        negative_pooled_prompt_embeds=torch.zeros_like(pooled),
    )
    assert embeddings.shape[1] > 77
    assert difference(ours(request_for(prompts=Prompts(prompt=text))), reference) <= TOLERANCE


def reference_chunks(pipe: Any, text: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Chunks of 75 tokens between start and end marks, through torch, written independently of the engine."""
    rows, pooled = [], None
    for tokenizer, encoder in ((pipe.tokenizer, pipe.text_encoder), (pipe.tokenizer_2, pipe.text_encoder_2)):
        ids = tokenizer.encode(text, add_special_tokens=False)
        states = []
        for start in range(0, len(ids), 75):
            body = [tokenizer.bos_token_id, *ids[start : start + 75], tokenizer.eos_token_id]
            padded = torch.tensor([body + [tokenizer.pad_token_id] * (77 - len(body))])
            with torch.no_grad():
                output = encoder(padded, output_hidden_states=True)
            states.append(output.hidden_states[-2])
            if encoder is pipe.text_encoder_2 and pooled is None:
                pooled = output.text_embeds
        rows.append(torch.cat(states, dim=1))
    assert pooled is not None
    return torch.cat(rows, dim=-1), pooled
