"""A kind of conditioning that only this file knows changes UNet calls without an edit of the denoising loop, and draws
what a loop by hand over diffusers' networks draws."""

from __future__ import annotations

import itertools
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
import torch
from openvino import opset13 as ops

from sdxl_desktop.core.device import FIXED_SHAPES_VARIABLE
from sdxl_desktop.core.events import RunFailed
from sdxl_desktop.core.latents import ResumePoint, SavedLatents
from sdxl_desktop.core.request import GenerationRequest, OutputOptions
from sdxl_desktop.core.schedulers import SchedulerName
from sdxl_desktop.core.speed import SpeedPlan, SpeedPreset, StepCaching
from sdxl_desktop.engine.engine_protocol import Engine
from sdxl_desktop.engine.openvino import stage_plan
from sdxl_desktop.engine.openvino.extensions.base import CallUNet, Extension, StageContext
from sdxl_desktop.engine.openvino.unet_call import NEGATIVE, POSITIVE, Prediction, UNetCall, UNetInputs
from tests.engine.conftest import app_paths_in, generate
from tests.engine.parity import pipeline_arguments
from tests.engine.parity.cases import BUILDERS, ParityWorkflow
from tests.engine.parity.reference_schedulers import reference_scheduler
from tests.engine.parity.tiny_checkpoints import TinyCheckpoints
from tests.engine.parity.torch_reference import TorchReference
from tests.engine.test_step_caching import cached

TOLERANCE = 1e-3
RESIDUAL = "mid_block_additional_residual"
REGION = "region"

Kind = Callable[[StageContext], Extension | None]
Add = Callable[[Kind], None]
Predict = Callable[[torch.Tensor, torch.Tensor, int], torch.Tensor]


@pytest.fixture
def add(monkeypatch: pytest.MonkeyPatch) -> Add:
    """Has one more kind of conditioning take part from now on, between the text and guidance."""

    def adding(kind: Kind) -> None:
        monkeypatch.setattr(
            stage_plan,
            "EXTENSION_FACTORIES",
            (stage_plan.EXTENSION_FACTORIES[0], kind, *stage_plan.EXTENSION_FACTORIES[1:]),
        )

    return adding


@pytest.fixture(scope="module")
def reference() -> TorchReference:
    return TorchReference()


@pytest.fixture(scope="module")
def controlled(tiny_checkpoints: TinyCheckpoints, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny checkpoint, exported so that its UNet has an input for a residual after its middle block."""
    folder = tmp_path_factory.mktemp("controlled")
    (folder / "torch").symlink_to(tiny_checkpoints.base / "torch")
    shutil.copytree(tiny_checkpoints.base / "ov", folder / "ov")
    graph = tiny_checkpoints.base / "ov" / "unet" / "openvino_model.xml"
    model = ov.Core().read_model(graph)
    middle = [node for node in model.get_ordered_ops() if ".mid_block." in node.get_friendly_name()][-1].output(0)
    readers = middle.get_target_inputs()
    residual = ops.parameter(ov.PartialShape([-1, middle.get_partial_shape()[1], -1, -1]), ov.Type.f32, name=RESIDUAL)
    residual.output(0).get_tensor().set_names({RESIDUAL})
    added = ops.add(middle, residual)
    for reader in readers:
        reader.replace_source_output(added.output(0))
    model.add_parameters([residual])
    ov.save_model(model, folder / "ov" / "unet" / "openvino_model.xml", compress_to_fp16=False)
    return folder / "ov"


@pytest.fixture(scope="module")
def static_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sdxl_desktop.engine.openvino.engine import OpenVinoEngine

        made = OpenVinoEngine(app_paths_in(tmp_path_factory.mktemp("static")))
    yield made
    made.close()


def kept(engine: Engine, request: GenerationRequest) -> SavedLatents:
    asked = replace(request, output=OutputOptions(watermark=False, keep_latents="steps"))
    latents = generate(engine, asked).picture.latents
    assert latents is not None
    return latents


def apart(one: Any, other: Any) -> float:
    return float(np.abs(one - other).max())


# by hand, with diffusers


class ReferenceLoop:
    """diffusers' UNet and schedulers, and a loop of this file's own."""

    def __init__(self, reference: TorchReference, request: GenerationRequest) -> None:
        self._pipe = reference.pipelines.checkpoint(request.checkpoint)
        self._sampling = request.sampling
        with torch.no_grad():
            positive, negative, pooled, negative_pooled = self._pipe.encode_prompt(
                **pipeline_arguments.prompt_arguments(request)
            )
        self.embeds = {POSITIVE: (positive, pooled), NEGATIVE: (negative, negative_pooled)}

    def ask(self, row: str, seen: torch.Tensor, timestep: torch.Tensor, **more: Any) -> torch.Tensor:
        states, pooled = self.embeds[row]
        size = self._sampling.size
        ids = torch.tensor([[size.height, size.width, 0, 0, size.height, size.width]], dtype=torch.float32)
        conditions = {"text_embeds": pooled, "time_ids": ids}
        answer: torch.Tensor = self._pipe.unet(seen, timestep, states, added_cond_kwargs=conditions, **more).sample
        return answer

    def guided(self, negative: torch.Tensor, positive: torch.Tensor) -> torch.Tensor:
        return negative + self._sampling.guidance_scale * (positive - negative)

    def draw(self, predict: Predict, after: Callable[[torch.Tensor, int], torch.Tensor] = lambda made, _: made) -> Any:
        """The final latents [C, h, w]."""
        sampling = self._sampling
        scheduler = reference_scheduler(sampling.scheduler, self._pipe.scheduler.config, sampling.seed)
        scheduler.set_timesteps(sampling.steps)
        shape = (1, 4, sampling.size.height // 8, sampling.size.width // 8)
        latents = torch.randn(shape, generator=torch.Generator("cpu").manual_seed(sampling.seed))
        latents = latents * scheduler.init_noise_sigma
        with torch.no_grad():
            for call, timestep in enumerate(scheduler.timesteps):
                predicted = predict(scheduler.scale_model_input(latents, timestep), timestep, call)
                latents = after(scheduler.step(predicted, timestep, latents).prev_sample, call)
        return latents[0].numpy()


# kinds of conditioning


class Residuals(Extension):
    """As a ControlNet's: a residual of the positive row, from `start` to `end` of the schedule."""

    def __init__(self, residual: torch.Tensor, start: float, end: float) -> None:
        self._residual, self._start, self._end = residual, start, end

    def before_unet(self, inputs: UNetInputs, call: UNetCall) -> None:
        active = call.is_within(self._start, self._end)
        rows = [self._residual if active and row != NEGATIVE else self._residual * 0 for row in inputs.rows]
        inputs.add(RESIDUAL, torch.cat(rows))


class Region(Extension):
    """Another prompt where `mask` [1, 1, h, w] is 1, until `end` of the schedule."""

    def __init__(self, embeds: tuple[torch.Tensor, torch.Tensor], mask: torch.Tensor, end: float = 1.0) -> None:
        self._inputs = {"encoder_hidden_states": embeds[0], "text_embeds": embeds[1]}
        self._mask, self._end = mask, end

    def plan(self, calls: tuple[UNetCall, ...]) -> tuple[UNetCall, ...]:
        return tuple(
            replace(call, rows=(*call.rows, REGION)) if call.is_within(0, self._end) else call for call in calls
        )

    def row_inputs(self, row: str) -> Mapping[str, torch.Tensor]:
        return self._inputs if row == REGION else {}

    def after_prediction(self, prediction: Prediction, call: UNetCall) -> None:
        if REGION in prediction.rows:
            region = prediction.rows[REGION]
            prediction.rows[POSITIVE] = torch.where(self._mask > 0, region, prediction.rows[POSITIVE])


class MoreTokens(Extension):
    """As an IP-Adapter's: tokens after those of the prompt, zeros for the negative row."""

    def __init__(self, tokens: torch.Tensor) -> None:
        self._tokens = tokens

    def before_unet(self, inputs: UNetInputs, call: UNetCall) -> None:
        more = torch.cat([self._tokens * (row != NEGATIVE) for row in inputs.rows])
        inputs["encoder_hidden_states"] = torch.cat([inputs["encoder_hidden_states"], more], dim=1)


class IdleExtension(Extension):
    """Has all extension points and changes nothing; counts how often each was called."""

    def __init__(self) -> None:
        self.called: dict[str, list[int]] = {}

    def _note(self, name: str, call: UNetCall) -> None:
        self.called.setdefault(name, []).append(call.number)

    def plan(self, calls: tuple[UNetCall, ...]) -> tuple[UNetCall, ...]:
        return tuple(replace(call) for call in calls)

    def before_unet(self, inputs: UNetInputs, call: UNetCall) -> None:
        self._note("before_unet", call)

    def call_unet(self, inputs: UNetInputs, call: UNetCall, unet: CallUNet) -> torch.Tensor:
        self._note("call_unet", call)
        return unet(inputs)

    def after_prediction(self, prediction: Prediction, call: UNetCall) -> None:
        self._note("after_prediction", call)

    def after_step(self, latents: torch.Tensor, call: UNetCall) -> torch.Tensor:
        self._note("after_step", call)
        return latents


def random(*shape: int, seed: int = 5) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator("cpu").manual_seed(seed))


def half(request: GenerationRequest) -> torch.Tensor:
    """float32 [1, 1, h, w]: 1 in the right half."""
    height, width = request.sampling.size.height // 8, request.sampling.size.width // 8
    return (torch.arange(width) >= width // 2).float().expand(1, 1, height, width)


def middle(request: GenerationRequest) -> torch.Tensor:
    """A residual that fits the tiny UNet's middle block."""
    return random(1, 64, request.sampling.size.height // 32, request.sampling.size.width // 32)


# what they draw


@pytest.mark.parametrize("scheduler", [SchedulerName.EULER, SchedulerName.HEUN])
def test_a_residual_takes_part_from_its_start_to_its_end(
    scheduler: SchedulerName,
    tiny_checkpoints: TinyCheckpoints,
    controlled: Path,
    reference: TorchReference,
    engine: Engine,
    add: Add,
) -> None:
    request = replace(
        BUILDERS[ParityWorkflow.TEXT](tiny_checkpoints, steps=6, scheduler=scheduler), checkpoint=controlled
    )
    reference_loop, residual = ReferenceLoop(reference, request), middle(request)
    active = {SchedulerName.EULER: [2, 3], SchedulerName.HEUN: [3, 4, 5, 6]}[scheduler]  # of 6 calls, of 11

    def drawn(active: list[int]) -> Any:
        def predict(seen: torch.Tensor, timestep: torch.Tensor, call: int) -> torch.Tensor:
            none = [torch.zeros(1)] * 20
            more = {RESIDUAL: residual, "down_block_additional_residuals": none} if call in active else {}
            negative = reference_loop.ask(NEGATIVE, seen, timestep)
            return reference_loop.guided(negative, reference_loop.ask(POSITIVE, seen, timestep, **more))

        return reference_loop.draw(predict)

    add(lambda context: Residuals(residual, 0.25, 0.7))
    got = kept(engine, request).final
    assert apart(got, drawn(active)) <= TOLERANCE
    assert apart(got, drawn([])) > 10 * TOLERANCE
    assert apart(got, drawn(active[:-1])) > 10 * TOLERANCE


@pytest.mark.parametrize("full", [None, [0, 3]], ids=["every call", "cached steps"])
def test_another_prompt_has_a_region_of_its_own(
    full: list[int] | None,
    tiny_checkpoints: TinyCheckpoints,
    reference: TorchReference,
    engine: Engine,
    add: Add,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A call without the region's row may use features of one that has it."""
    request = BUILDERS[ParityWorkflow.TEXT](tiny_checkpoints, steps=6, guidance_rescale=0.0)
    reference_loop, mask = ReferenceLoop(reference, request), half(request)
    reference_loop.embeds[REGION] = random(1, 77, 80), random(1, 64)
    until = 5 if full else 4
    pipe = reference.pipelines.checkpoint(request.checkpoint)

    def predict(seen: torch.Tensor, timestep: torch.Tensor, call: int) -> torch.Tensor:
        rows = [NEGATIVE, POSITIVE, REGION]
        states, pooled = (torch.cat([reference_loop.embeds[row][at] for row in rows]) for at in (0, 1))
        size = request.sampling.size
        ids = torch.tensor([[size.height, size.width, 0, 0, size.height, size.width]], dtype=torch.float32)
        conditions = {"text_embeds": pooled, "time_ids": ids.repeat(3, 1)}
        message = pipe.unet(seen.repeat(3, 1, 1, 1), timestep, states, added_cond_kwargs=conditions).sample
        negative, positive, region = message.chunk(3)
        return reference_loop.guided(negative, torch.where(mask > 0, region, positive) if call < until else positive)

    with torch.no_grad(), cached(pipe.unet, 1, full) if full else nullcontext():
        expected = reference_loop.draw(predict)
    plain = kept(engine, request).final
    add(lambda context: Region(reference_loop.embeds[REGION], mask, until / 6))
    if full:
        caching = StepCaching(interval=3, min_full_steps=1, depth=1, extrapolate=False)
        plans = {SpeedPreset.EXACT: SpeedPlan(), SpeedPreset.FAST: SpeedPlan(step_caching=caching)}
        monkeypatch.setattr(SpeedPreset, "plan", property(lambda speed: plans[speed]))
        request = replace(request, sampling=replace(request.sampling, speed=SpeedPreset.FAST))
    got = kept(engine, request).final
    assert apart(got, expected) <= TOLERANCE
    assert apart(got, plain) > 10 * TOLERANCE


def test_tokens_are_added_to_the_prompts(
    tiny_checkpoints: TinyCheckpoints, reference: TorchReference, engine: Engine, add: Add
) -> None:
    request = BUILDERS[ParityWorkflow.TEXT](tiny_checkpoints, steps=4)
    reference_loop, tokens = ReferenceLoop(reference, request), random(1, 4, 80)
    plain = kept(engine, request).final
    add(lambda context: MoreTokens(tokens))
    for row, factor in ((NEGATIVE, 0), (POSITIVE, 1)):
        states, pooled = reference_loop.embeds[row]
        reference_loop.embeds[row] = torch.cat([states, tokens * factor], dim=1), pooled
    expected = reference_loop.draw(
        lambda seen, timestep, _: reference_loop.guided(
            reference_loop.ask(NEGATIVE, seen, timestep), reference_loop.ask(POSITIVE, seen, timestep)
        )
    )
    got = kept(engine, request).final
    assert apart(got, expected) <= TOLERANCE
    assert apart(got, plain) > 10 * TOLERANCE


def test_predictions_and_latents_are_changed_at_given_steps(
    tiny_checkpoints: TinyCheckpoints, reference: TorchReference, engine: Engine, add: Add
) -> None:
    class Changing(Extension):
        def after_prediction(self, prediction: Prediction, call: UNetCall) -> None:
            if call.step == 2:
                prediction.rows[NEGATIVE] = prediction.rows[NEGATIVE] * 0.5

        def after_step(self, latents: torch.Tensor, call: UNetCall) -> torch.Tensor:
            return latents + 0.25 if call.step == 3 else latents

    request = BUILDERS[ParityWorkflow.TEXT](tiny_checkpoints, steps=4)
    reference_loop = ReferenceLoop(reference, request)

    def predict(seen: torch.Tensor, timestep: torch.Tensor, call: int) -> torch.Tensor:
        negative = reference_loop.ask(NEGATIVE, seen, timestep) * (0.5 if call == 1 else 1)
        return reference_loop.guided(negative, reference_loop.ask(POSITIVE, seen, timestep))

    plain = kept(engine, request).final
    add(lambda context: Changing())
    got = kept(engine, request).final
    assert apart(got, reference_loop.draw(predict, lambda latents, call: latents + 0.25 * (call == 2))) <= TOLERANCE
    assert apart(got, plain) > 10 * TOLERANCE


def test_fixed_shapes_draw_the_same(
    tiny_checkpoints: TinyCheckpoints,
    controlled: Path,
    engine: Engine,
    static_engine: Engine,
    add: Add,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Three rows, one at a time, tokens of the extension's own, and an input whose shape is independent of the size."""
    request = replace(BUILDERS[ParityWorkflow.TEXT](tiny_checkpoints, steps=3), checkpoint=controlled)
    residual, tokens = middle(request), random(1, 4, 80)
    embeds, mask = (random(1, 77, 80), random(1, 64)), half(request)
    add(lambda context: MoreTokens(tokens))
    add(lambda context: Region(embeds, mask, 0.7))
    add(lambda context: Residuals(residual, 0.3, 1))
    dynamic = kept(engine, request).final
    monkeypatch.setenv(FIXED_SHAPES_VARIABLE, "cpu")
    assert apart(dynamic, kept(static_engine, request).final) <= 1e-4 * np.abs(dynamic).max()


# who does nothing


INACTIVE_IN_EVERY_RUN = (
    (ParityWorkflow.TEXT, SpeedPreset.EXACT),
    (ParityWorkflow.INPAINT, SpeedPreset.EXACT),
    (ParityWorkflow.INPAINT_ENSEMBLE, SpeedPreset.FAST),
)


@pytest.mark.parametrize(
    ("workflow", "speed"),
    [
        pytest.param(*each, marks=[] if each in INACTIVE_IN_EVERY_RUN else [pytest.mark.slow])
        for each in itertools.product(
            (ParityWorkflow.TEXT, ParityWorkflow.INPAINT, ParityWorkflow.INPAINT_ENSEMBLE),
            (SpeedPreset.EXACT, SpeedPreset.FAST),
        )
    ],
)
def test_what_is_inactive_leaves_every_bit_as_it_was(
    workflow: ParityWorkflow, speed: SpeedPreset, tiny_checkpoints: TinyCheckpoints, engine: Engine, add: Add
) -> None:
    request = BUILDERS[workflow](tiny_checkpoints)
    request = replace(request, sampling=replace(request.sampling, speed=speed, steps=8))
    without = kept(engine, request)
    made: list[IdleExtension] = []

    def idle(context: StageContext) -> IdleExtension:
        made.append(IdleExtension())
        return made[-1]

    add(idle)
    add(lambda context: None)
    got = kept(engine, request)
    assert np.array_equal(got.final, without.final)
    assert without.predictions is not None
    assert got.predictions is not None
    assert np.array_equal(got.predictions, without.predictions)
    assert sum(len(each.called["after_step"]) for each in made) == len(without.predictions)
    assert all(each.called["before_unet"] == each.called["after_step"] for each in made)


def test_of_a_replayed_call_only_the_step_is_seen(tiny_checkpoints: TinyCheckpoints, engine: Engine, add: Add) -> None:
    request = BUILDERS[ParityWorkflow.TEXT](tiny_checkpoints, steps=5)
    mask, embeds = half(request), (random(1, 77, 80), random(1, 64))
    idle = IdleExtension()
    add(lambda context: idle)
    add(lambda context: Region(embeds, mask))
    whole = kept(engine, request)
    idle.called.clear()
    again = kept(engine, replace(request, start=ResumePoint(whole, step=3)))
    assert np.array_equal(again.final, whole.final)
    assert idle.called["after_step"] == [0, 1, 2, 3, 4]
    assert {name: calls for name, calls in idle.called.items() if name != "after_step"} == {
        name: [3, 4] for name in ("before_unet", "call_unet", "after_prediction")
    }


def test_a_stage_can_be_left_alone(tiny_checkpoints: TinyCheckpoints, engine: Engine, add: Add) -> None:
    class Shift(Extension):
        def after_step(self, latents: torch.Tensor, call: UNetCall) -> torch.Tensor:
            return latents + 0.5

    request = BUILDERS[ParityWorkflow.ENSEMBLE](tiny_checkpoints)
    without = kept(engine, request).predictions
    add(lambda context: Shift() if context.refining else None)
    got = kept(engine, request).predictions
    assert got is not None
    assert without is not None
    same = [np.array_equal(one, other) for one, other in zip(got, without, strict=True)]
    first = same.index(False)
    assert first > 1  # the refiner's second call is the first that sees other latents
    assert not any(same[first:])


# what cannot be


@pytest.mark.parametrize("static", [False, True])
def test_an_input_that_a_unet_does_not_have_is_named(
    static: bool,
    tiny_checkpoints: TinyCheckpoints,
    engine: Engine,
    static_engine: Engine,
    add: Add,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    request = BUILDERS[ParityWorkflow.TEXT](tiny_checkpoints, steps=2)
    add(lambda context: Residuals(middle(request), 0, 1))
    if static:
        monkeypatch.setenv(FIXED_SHAPES_VARIABLE, "cpu")
    recorded = generate(static_engine if static else engine, request)
    assert isinstance(recorded.last, RunFailed)
    assert RESIDUAL in str(recorded.last.error)


def test_an_input_that_nothing_gives_is_named(
    tiny_checkpoints: TinyCheckpoints, controlled: Path, engine: Engine
) -> None:
    """OpenVINO would use the value of an earlier call, or zeros."""
    recorded = generate(
        engine, replace(BUILDERS[ParityWorkflow.TEXT](tiny_checkpoints, steps=2), checkpoint=controlled)
    )
    assert isinstance(recorded.last, RunFailed)
    assert RESIDUAL in str(recorded.last.error)
