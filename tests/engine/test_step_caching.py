"""Cached steps and limited guidance draw what the papers' loops draw in torch, and exactness is never touched."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Event as Flag
from typing import Any

import numpy as np
import pytest
import torch

from sdxl_desktop.core.events import EngineEvent, Progress, RunCancelled
from sdxl_desktop.core.latents import ResumePoint, SavedLatents
from sdxl_desktop.core.refine import RefinerMode
from sdxl_desktop.core.request import GenerationRequest, OutputOptions
from sdxl_desktop.core.schedulers import SchedulerName
from sdxl_desktop.core.speed import SpeedPlan, SpeedPreset, StepCaching
from sdxl_desktop.engine.engine_protocol import Engine
from sdxl_desktop.engine.openvino import compiled_models, stage_plan
from sdxl_desktop.engine.openvino.extensions import guidance
from sdxl_desktop.engine.openvino.extensions.base import StageContext
from sdxl_desktop.engine.openvino.step_caching.feature_cache import FeatureCache
from sdxl_desktop.engine.openvino.unet_call import FeatureBlend, UNetCall, UNetInputs
from tests.engine.conftest import generate
from tests.engine.parity import pipeline_arguments
from tests.engine.parity.cases import BUILDERS, TOLERANCE, ParityWorkflow, image_edit, refine_parameters
from tests.engine.parity.our_engine import OurEngine
from tests.engine.parity.reference_schedulers import reference_scheduler
from tests.engine.parity.tiny_checkpoints import TinyCheckpoints
from tests.engine.parity.tolerances import max_difference
from tests.engine.parity.torch_reference import TorchReference
from tests.engine.scheduler_cases import scheduler_params
from tests.engine.tiny_sdxl import Topology

EVERY_THIRD = StepCaching(interval=3, min_full_steps=1, depth=1, extrapolate=False)
TWICE_A_STEP = [SchedulerName.HEUN, SchedulerName.DPMPP_SDE]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def reference() -> TorchReference:
    return TorchReference()


@pytest.fixture
def ours(engine: Engine) -> OurEngine:
    return OurEngine(engine)


Fast = Callable[[GenerationRequest, SpeedPlan], GenerationRequest]


@pytest.fixture
def by_plan(monkeypatch: pytest.MonkeyPatch) -> Fast:
    """The request drawn by a plan of the test's own."""

    def asked(request: GenerationRequest, plan: SpeedPlan) -> GenerationRequest:
        plans = {speed: speed.plan for speed in SpeedPreset} | {SpeedPreset.FAST: plan}
        monkeypatch.setattr(SpeedPreset, "plan", property(lambda speed: plans[speed]))
        return at(request, SpeedPreset.FAST)

    return asked


def at(request: GenerationRequest, speed: SpeedPreset) -> GenerationRequest:
    return replace(request, sampling=replace(request.sampling, speed=speed))


# the papers' loops


def extrapolated_feature(call: int, full: list[int], timesteps: list[float], order: int = 1) -> list[tuple[int, float]]:
    """Weights of full calls that follow the line through the last ones of the last two full steps, not further than
    twice their distance. A step has `order` calls."""
    earlier = [other for other in full if other < call]
    last = earlier[-1]
    before = [other for other in earlier if other // order < last // order]
    if not before or timesteps[last] == timesteps[call]:
        return [(last, 1.0)]
    share = min(2.0, (timesteps[last] - timesteps[call]) / (timesteps[before[-1]] - timesteps[last]))
    return [(last, 1 + share), (before[-1], -share)]


def reused_feature(call: int, full: list[int], _: list[float]) -> list[tuple[int, float]]:
    return [(max(other for other in full if other < call), 1.0)]


@contextmanager
def cached(unet: Any, depth: int, full: list[int], weigh: Callable[..., Any] = reused_feature) -> Iterator[None]:
    """diffusers' UNet computes everything in calls `full` only; in others, what the `depth`-th last resnet of its last
    up block is given from below is made of what it was given in full calls."""
    below: dict[int, torch.Tensor] = {}
    timesteps: list[float] = []
    resnet, skips = unet.up_blocks[-1].resnets[-depth], unet.down_blocks[0].resnets[0].out_channels

    def count(_: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        timesteps.append(float(named.get("timestep", arguments[1] if len(arguments) > 1 else 0)))

    def exchange(_: Any, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        call, joined = len(timesteps) - 1, arguments[0]
        feature, skip = joined[:, :-skips], joined[:, -skips:]
        if call in full:
            below[call] = feature
        else:
            weights = weigh(call, full, timesteps)
            rows = len(feature)
            feature = sum(below[other][-rows:] * weight for other, weight in weights)
        return (torch.cat([feature, skip], dim=1), *arguments[1:])

    hooks = [
        unet.register_forward_pre_hook(count, with_kwargs=True),
        resnet.register_forward_pre_hook(exchange),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
    assert len(timesteps) > len(full), "nothing was cached"


CACHED: dict[str, tuple[Callable[[TinyCheckpoints], GenerationRequest], Topology, list[int]]] = {
    "text": (
        lambda tiny_checkpoints: BUILDERS[ParityWorkflow.TEXT](tiny_checkpoints, steps=9),
        Topology.BASE,
        [0, 3, 6],
    ),
    "not guided": (
        lambda tiny_checkpoints: BUILDERS[ParityWorkflow.TEXT](tiny_checkpoints, steps=6, guidance_scale=1.0),
        Topology.BASE,
        [0, 3],
    ),
    "guidance rescaled": (
        lambda tiny_checkpoints: BUILDERS[ParityWorkflow.TEXT](tiny_checkpoints, steps=6, guidance_rescale=0.7),
        Topology.BASE,
        [0, 3],
    ),
    "SSD-1B": (
        lambda tiny_checkpoints: BUILDERS[ParityWorkflow.BLOCKS_SSD_1B](tiny_checkpoints, steps=6),
        Topology.SSD_1B,
        [0, 3],
    ),
    "Vega": (
        lambda tiny_checkpoints: BUILDERS[ParityWorkflow.BLOCKS_VEGA](tiny_checkpoints, steps=6),
        Topology.VEGA,
        [0, 3],
    ),
    "LCM": (
        lambda tiny_checkpoints: BUILDERS[ParityWorkflow.FEW_STEP](tiny_checkpoints, steps=6),
        Topology.LCM,
        [0, 3],
    ),
    "a share of the steps": (
        lambda tiny_checkpoints: BUILDERS[ParityWorkflow.IMAGE](tiny_checkpoints, steps=10, edit=image_edit(0.6)),
        Topology.BASE,
        [0, 3],
    ),
    "nine channels": (
        lambda tiny_checkpoints: BUILDERS[ParityWorkflow.INPAINT_9](tiny_checkpoints, steps=10),
        Topology.INPAINT,
        [0, 3],
    ),
    "refiner": (
        lambda tiny_checkpoints: BUILDERS[ParityWorkflow.REFINER](tiny_checkpoints, steps=10),
        Topology.REFINER,
        [0, 3],
    ),
    "two looks a step": (
        lambda tiny_checkpoints: BUILDERS[ParityWorkflow.TEXT](tiny_checkpoints, steps=6, scheduler=SchedulerName.HEUN),
        Topology.BASE,
        [0, 1, 6, 7],  # of eleven: steps one and four
    ),
    "Karras": (
        lambda tiny_checkpoints: BUILDERS[ParityWorkflow.TEXT](
            tiny_checkpoints, steps=9, scheduler=SchedulerName.DPMPP_2M_KARRAS
        ),
        Topology.BASE,
        [0, 3, 6],
    ),
}


IN_EVERY_RUN = ("text", "two looks a step")
"""Graphs of other topologies are cut and compared in every run; drawing with all of them takes a while."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name not in IN_EVERY_RUN)) for name in CACHED]
)
def test_cached_steps_are_those_of_the_paper(
    name: str, tiny_checkpoints: TinyCheckpoints, reference: TorchReference, ours: OurEngine, by_plan: Fast
) -> None:
    build, topology, full = CACHED[name]
    request = build(tiny_checkpoints)
    unet = reference.pipelines.checkpoint(tiny_checkpoints.ov(topology)).unet
    with cached(unet, 1, full):
        expected = reference.generate(request)
    assert max_difference(ours.generate(by_plan(request, SpeedPlan(step_caching=EVERY_THIRD))), expected) <= TOLERANCE
    assert max_difference(ours.generate(request), expected) > TOLERANCE, (
        "caching changes nothing, so nothing was compared"
    )


@pytest.mark.parametrize(
    ("scheduler", "depth"),
    [
        pytest.param(scheduler, depth, marks=[] if first else [pytest.mark.slow])
        for scheduler, depth, first in (
            (SchedulerName.EULER, 1, True),
            (SchedulerName.EULER, 2, False),
            (SchedulerName.EULER, 3, False),
            (SchedulerName.HEUN, 1, False),
            (SchedulerName.HEUN, 2, True),
            (SchedulerName.HEUN, 3, False),
        )
    ],
)
def test_extrapolated_features_are_on_the_line_through_the_last_two(
    depth: int,
    scheduler: SchedulerName,
    tiny_checkpoints: TinyCheckpoints,
    deep_checkpoint: Path,
    reference: TorchReference,
    ours: OurEngine,
    by_plan: Fast,
) -> None:
    request = BUILDERS[ParityWorkflow.TEXT](tiny_checkpoints, steps=10, scheduler=scheduler)
    request = replace(request, checkpoint=deep_checkpoint / "ov") if depth == 3 else request
    order = 1 if scheduler is SchedulerName.EULER else 2
    full = [0, 2, 5, 7] if order == 1 else [0, 1, 4, 5, 10, 11, 14, 15]
    caching = StepCaching(interval=2.5, min_full_steps=1, depth=depth, extrapolate=True)
    assert caching.full_steps(10) == (1, 3, 6, 8)
    unet = reference.pipelines.checkpoint(request.checkpoint).unet
    with cached(unet, depth, full, partial(extrapolated_feature, order=order)):
        expected = reference.generate(request)
    assert max_difference(ours.generate(by_plan(request, SpeedPlan(step_caching=caching))), expected) <= TOLERANCE
    with cached(unet, depth, full, reused_feature):
        assert max_difference(reference.generate(request), expected) > TOLERANCE, "foretelling changes nothing"


def test_base_and_refiner_keep_features_of_their_own(
    tiny_checkpoints: TinyCheckpoints, reference: TorchReference, ours: OurEngine, by_plan: Fast
) -> None:
    request = BUILDERS[ParityWorkflow.ENSEMBLE](
        tiny_checkpoints,
        steps=10,
        refine=refine_parameters(tiny_checkpoints, RefinerMode.ENSEMBLE, handoff=0.5),
        scheduler=SchedulerName.EULER,
    )
    with ExitStack() as both:
        for topology in (Topology.BASE, Topology.REFINER):
            unet = reference.pipelines.checkpoint(tiny_checkpoints.ov(topology)).unet
            both.enter_context(cached(unet, 1, [0, 2]))
        expected = reference.generate(request)
    assert max_difference(ours.generate(by_plan(request, SpeedPlan(step_caching=EVERY_THIRD))), expected) <= TOLERANCE


# guidance


@dataclass(frozen=True, kw_only=True)
class GuidanceInterval:
    """The noise levels σ in (low, high] at which the picture is guided."""

    low: float
    high: float


class GuidanceInInterval(guidance.ClassifierFreeGuidance):
    """Guidance of another kind than the application's."""

    def __init__(self, scale: float, interval: GuidanceInterval) -> None:
        super().__init__(scale)
        self._interval = interval

    def is_guided(self, call: UNetCall) -> bool:
        return self._interval.low < call.sigma <= self._interval.high


@pytest.fixture
def within(monkeypatch: pytest.MonkeyPatch) -> Callable[[GuidanceInterval], None]:
    """What is drawn from now on is guided in an interval only."""

    def limit(interval: GuidanceInterval) -> None:
        def for_stage(context: StageContext) -> GuidanceInInterval:
            return GuidanceInInterval(context.request.sampling.guidance_scale, interval)

        kinds = [for_stage if kind is guidance.for_stage else kind for kind in stage_plan.EXTENSION_FACTORIES]
        monkeypatch.setattr(stage_plan, "EXTENSION_FACTORIES", tuple(kinds))

    return limit


def limited(
    request: GenerationRequest, reference: TorchReference, interval: GuidanceInterval, unet: Callable[..., Any]
) -> Any:
    """Kynkäänniemi et al.'s loop in torch, with Euler: the final latents. The levels are the scheduler's own."""
    pipe = reference.pipelines.checkpoint(request.checkpoint)
    sampling = request.sampling
    scheduler = reference_scheduler(sampling.scheduler, pipe.scheduler.config, sampling.seed)
    scheduler.set_timesteps(sampling.steps)
    ids = torch.tensor([[sampling.size.height, sampling.size.width, 0, 0, sampling.size.height, sampling.size.width]])
    positive, negative, pooled, negative_pooled = pipe.encode_prompt(**pipeline_arguments.prompt_arguments(request))
    shape = (1, 4, sampling.size.height // 8, sampling.size.width // 8)
    latents = torch.randn(shape, generator=torch.Generator("cpu").manual_seed(sampling.seed))
    latents = latents * scheduler.init_noise_sigma

    def ask(states: torch.Tensor, added: torch.Tensor, timestep: torch.Tensor) -> Any:
        conditions = {"text_embeds": added, "time_ids": ids.float().repeat(len(states), 1)}
        seen = scheduler.scale_model_input(latents, timestep).repeat(len(states), 1, 1, 1)
        return unet(seen, timestep, states, added_cond_kwargs=conditions).sample

    for timestep, sigma in zip(scheduler.timesteps, scheduler.sigmas[:-1], strict=True):
        if interval.low < sigma <= interval.high:
            states, added = torch.cat([negative, positive]), torch.cat([negative_pooled, pooled])
            without, with_words = ask(states, added, timestep).chunk(2)
            message = without + sampling.guidance_scale * (with_words - without)
        else:
            message = ask(positive, pooled, timestep)
        latents = scheduler.step(message, timestep, latents).prev_sample
    return latents[0].numpy()


def kept(engine: Engine, request: GenerationRequest) -> SavedLatents:
    asked = replace(request, output=OutputOptions(watermark=False, keep_latents="steps"))
    latents = generate(engine, asked).picture.latents
    assert latents is not None
    return latents


INTERVAL = GuidanceInterval(low=0.4, high=4.0)


def test_guidance_is_limited_to_its_interval(
    tiny_checkpoints: TinyCheckpoints,
    reference: TorchReference,
    engine: Engine,
    within: Callable[[GuidanceInterval], None],
) -> None:
    request = BUILDERS[ParityWorkflow.TEXT](tiny_checkpoints, steps=8)
    with torch.no_grad():
        expected = limited(request, reference, INTERVAL, reference.pipelines.checkpoint(request.checkpoint).unet)
    everywhere = kept(engine, request).final
    within(INTERVAL)
    assert np.abs(kept(engine, request).final - expected).max() <= TOLERANCE
    assert np.abs(everywhere - expected).max() > TOLERANCE


def test_cached_steps_and_limited_guidance_go_together(
    tiny_checkpoints: TinyCheckpoints,
    reference: TorchReference,
    engine: Engine,
    by_plan: Fast,
    within: Callable[[GuidanceInterval], None],
) -> None:
    """Of eight steps two are not guided, four are, two are not. The third has no feature for its half without the
    words, so it is full though it would not have to be; the seventh and eighth take the half with the words."""
    request = BUILDERS[ParityWorkflow.TEXT](tiny_checkpoints, steps=8)
    unet = reference.pipelines.checkpoint(request.checkpoint).unet
    with torch.no_grad(), cached(unet, 1, [0, 2, 4]):
        expected = limited(request, reference, INTERVAL, unet)
    within(INTERVAL)
    plan = SpeedPlan(step_caching=StepCaching(interval=4, min_full_steps=1, extrapolate=False))
    assert np.abs(kept(engine, by_plan(request, plan)).final - expected).max() <= TOLERANCE


# every scheduler, cancel, going on


@pytest.mark.parametrize("preset", [SpeedPreset.FAST, pytest.param(SpeedPreset.BALANCED, marks=pytest.mark.slow)])
@pytest.mark.parametrize("scheduler", scheduler_params())
def test_every_scheduler_runs_at_every_speed(
    scheduler: SchedulerName,
    preset: SpeedPreset,
    tiny_checkpoints: TinyCheckpoints,
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    saved = _count_saved(monkeypatch)
    request = BUILDERS[ParityWorkflow.TEXT](tiny_checkpoints, steps=10, scheduler=scheduler)
    latents = kept(engine, at(request, preset))
    caching = preset.plan.step_caching
    assert caching is not None
    cached_steps = 10 - len(caching.full_steps(10))
    assert len(saved) >= cached_steps > 0
    assert np.isfinite(latents.final).all()
    assert np.array_equal(latents.final, kept(engine, at(request, preset)).final), "the same request, another picture"


def _count_saved(monkeypatch: pytest.MonkeyPatch) -> list[FeatureBlend]:
    """Every UNet call that the shallow graph answered, as it happens."""
    saved: list[FeatureBlend] = []
    predict = FeatureCache.predict

    def watched(self: FeatureCache, inputs: UNetInputs, blend: FeatureBlend) -> torch.Tensor:
        saved.append(blend)
        return predict(self, inputs, blend)

    monkeypatch.setattr(FeatureCache, "predict", watched)
    return saved


@pytest.mark.parametrize("step", [5, *(pytest.param(step, marks=pytest.mark.slow) for step in (2, 7))])
@pytest.mark.parametrize("scheduler", [SchedulerName.EULER_ANCESTRAL, SchedulerName.DPMPP_2M, *TWICE_A_STEP])
def test_going_on_from_a_step_ends_where_the_whole_run_ends(
    scheduler: SchedulerName, step: int, tiny_checkpoints: TinyCheckpoints, engine: Engine
) -> None:
    request = at(BUILDERS[ParityWorkflow.TEXT](tiny_checkpoints, steps=10, scheduler=scheduler), SpeedPreset.FAST)
    whole = kept(engine, request)
    again = kept(engine, replace(request, start=ResumePoint(whole, step=step)))
    assert np.array_equal(again.final, whole.final)


def test_a_cancelled_run_leaves_nothing_to_the_next(tiny_checkpoints: TinyCheckpoints, engine: Engine) -> None:
    request = at(BUILDERS[ParityWorkflow.TEXT](tiny_checkpoints, steps=10), SpeedPreset.FAST)
    expected = kept(engine, request).final
    other = replace(request, sampling=replace(request.sampling, seed=99))
    cancel, events = Flag(), []

    def hear(event: EngineEvent) -> None:
        events.append(event)
        if isinstance(event, Progress) and event.step == 3:
            cancel.set()

    engine.generate(other, hear, cancel)
    assert isinstance(events[-1], RunCancelled)
    assert np.array_equal(kept(engine, request).final, expected)


def test_every_picture_of_a_run_is_that_of_its_seed(tiny_checkpoints: TinyCheckpoints, engine: Engine) -> None:
    request = at(BUILDERS[ParityWorkflow.TEXT](tiny_checkpoints, steps=10), SpeedPreset.FAST)
    two = generate(engine, replace(request, sampling=replace(request.sampling, count=2))).finished.pictures
    second = replace(request, sampling=replace(request.sampling, seed=request.sampling.seed + 1))
    assert np.array_equal(two[1].pixels, generate(engine, second).picture.pixels)


def test_exactness_is_not_touched(tiny_checkpoints: TinyCheckpoints, engine: Engine) -> None:
    request = BUILDERS[ParityWorkflow.TEXT](tiny_checkpoints, steps=10)
    before = kept(engine, request).final
    assert not np.array_equal(kept(engine, at(request, SpeedPreset.FAST)).final, before)
    assert np.array_equal(kept(engine, request).final, before)


def test_the_time_left_shrinks_to_nothing(tiny_checkpoints: TinyCheckpoints, engine: Engine) -> None:
    recorded = generate(engine, at(BUILDERS[ParityWorkflow.TEXT](tiny_checkpoints, steps=10), SpeedPreset.FAST))
    left = [event.seconds_left for event in recorded.of_type(Progress) if event.step]
    assert all(seconds is not None and seconds >= 0 for seconds in left)
    assert left[-1] == 0


# where it cannot be


def test_a_unet_whose_graphs_disagree_is_computed_in_full_and_the_user_is_informed(
    tiny_checkpoints: TinyCheckpoints, engine_home: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sdxl_desktop.engine.openvino.engine import OpenVinoEngine
    fresh = OpenVinoEngine(engine_home)
    request = BUILDERS[ParityWorkflow.TEXT](tiny_checkpoints, steps=6)
    exact = generate(fresh, request).picture
    monkeypatch.setattr(compiled_models, "graphs_agree", lambda full, shallow: False)
    saved = _count_saved(monkeypatch)
    drawn = generate(fresh, at(request, SpeedPreset.FAST)).picture
    fresh.close()
    assert not saved
    assert np.array_equal(drawn.pixels, exact.pixels)
    assert any("computed in full" in note for note in drawn.notes)
    assert not exact.notes
