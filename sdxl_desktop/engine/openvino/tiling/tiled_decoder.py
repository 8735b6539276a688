"""Decodes latents in strips: computes the lower part of a VAE decoder whole, and the rest segment by segment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino as ov
from openvino import opset13 as ops

from sdxl_desktop.core.errors import EngineError
from sdxl_desktop.engine.openvino.tiling.decoder_segments import SegmentedDecoder, segment_decoder
from sdxl_desktop.engine.openvino.tiling.group_norms import find_group_norms
from sdxl_desktop.engine.openvino.tiling.inference import CancelCheck, infer, never_cancel, trim_heap
from sdxl_desktop.engine.openvino.tiling.strip_decode import CompiledStrip, StripDecode
from sdxl_desktop.engine.openvino.tiling.strip_graph import build_strip_graph, channel_moments, to_storage_type
from sdxl_desktop.engine.openvino.tiling.strip_plan import StripPlan, plan_strips, whole_decode_bytes

Floats = npt.NDArray[np.float32]
CompileFunction = Callable[[ov.Model], Any]

_TRIAL_SIDE = 8
"""Side of the latents with which a decoder is tested."""
_TOLERANCE = 1e-3
"""Maximum pixel difference in this test, relative to the largest value in the picture. Measured: 1e-5 with SDXL's VAE,
1e-6 with the starter's; 0.01 with variances that are 5 % off, 0.1 with an error at the strips' edges."""
_VALUES_PER_LATENT_PIXEL = 70_000
"""Values per latent pixel that a decoder of unsupported structure is assumed to hold: those of SDXL's."""
_PROPERTIES = (
    *("PERFORMANCE_HINT", "EXECUTION_MODE_HINT", "INFERENCE_PRECISION_HINT", "INFERENCE_NUM_THREADS"),
    *("DYNAMIC_QUANTIZATION_GROUP_SIZE", "ENABLE_CPU_PINNING", "SCHEDULING_CORE_TYPE", "ENABLE_HYPER_THREADING"),
)


_F32_PROPERTIES = {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0}


class TiledDecoder:
    """A VAE decoder that needs little memory.

    `compile` compiles a graph with the whole decoder's properties, `compile_exactly` in 32 bits; `each` is the bytes
    per value in the former. Not thread-safe. Compiled models are kept until a picture is decoded with another plan.
    """

    def __init__(self, model: ov.Model, compile: CompileFunction, compile_exactly: CompileFunction, each: int) -> None:
        self._model = model
        self._compile = compile
        self._compile_exactly = compile_exactly
        self._bytes_per_value = each
        self._matches: bool | None = None
        self._plan: StripPlan | None = None
        self._strips: dict[int, CompiledStrip] = {}
        self._heads: dict[tuple[int, ov.Type], Any] = {}
        self.division = segment_decoder(model)
        """The divided decoder; None if its structure is not supported."""

    @classmethod
    def for_compiled_decoder(cls, compiled: Any, model: ov.Model, core: ov.Core) -> TiledDecoder | None:
        """Create one for the decoder `model` with the properties of its `compiled` model; None if it does not run on
        the CPU, since other devices have their own memory."""
        if list(compiled.get_property("EXECUTION_DEVICES")) != ["CPU"]:
            return None
        known = set(compiled.get_property("SUPPORTED_PROPERTIES"))
        config = {name: compiled.get_property(name) for name in _PROPERTIES if name in known}
        each = 4 if config.get("INFERENCE_PRECISION_HINT") == ov.Type.f32 else 2
        return cls(model, _compile_function(core, config), _compile_function(core, config | _F32_PROPERTIES), each)

    def fits_whole(self, height: int, width: int, budget: int) -> bool:
        """Whether latents [1, C, height, width] can be decoded whole within `budget` bytes besides the weights."""
        if self.division is None:
            return _VALUES_PER_LATENT_PIXEL * height * width * self._bytes_per_value <= budget
        return whole_decode_bytes(self.division, height, width, self._bytes_per_value) <= budget

    def plan(self, height: int, width: int, budget: int) -> StripPlan:
        """Return the best plan for decoding latents [1, C, height, width] in strips within `budget` bytes besides the
        weights."""
        assert self.division is not None
        return plan_strips(self.division, height, width, budget)

    def matches_whole_decode(self, check: CancelCheck = never_cancel) -> bool:
        """Whether the result equals that of the whole decoder. Tested once, with a small picture of several strips, in
        32 bits: at lower precision both round differently, which could hide an error."""
        if self._matches is None:
            self._matches = self.division is not None and self._compare_with_whole(self.division, check)
            trim_heap()
        return self._matches

    def decode(self, latents: Floats, plan: StripPlan, check: CancelCheck = never_cancel) -> Floats:
        """Decode unscaled latents, float32 [1, C, h, w], to float32 [3, H, W]. Raises what `check` raises, and
        EngineError if the device fails."""
        assert self.division is not None
        if plan != self._plan:
            self._strips.clear()
            self._plan = plan
        tail = StripDecode(self.division, plan, self._compiled_strip, check)
        self._run_head(latents, tail, check)
        return tail.run()

    def _compare_with_whole(self, division: SegmentedDecoder, check: CancelCheck) -> bool:
        channels = division.model.input(0).get_shape()[1]
        latents = np.random.default_rng(7).standard_normal((1, channels, _TRIAL_SIDE, _TRIAL_SIDE), np.float32)
        plan = StripPlan(_TRIAL_SIDE, _TRIAL_SIDE, division.cuts()[0], 0, ov.Type.f32)
        _, _, width = plan.shape_of(division.segment(len(division.norms)).target)
        strips = TiledDecoder(self._model, self._compile_exactly, self._compile_exactly, 4)
        try:
            given = strips.decode(latents, replace(plan, strip_area=6 * width), check)
            whole = self._compile_exactly(self._model)([latents])[0][0]
        except (EngineError, RuntimeError):
            return False
        return whole.shape == given.shape and bool(np.abs(whole - given).max() <= _TOLERANCE * np.abs(whole).max())

    def _run_head(self, latents: Floats, tail: StripDecode, check: CancelCheck) -> None:
        """Compute the part that needs the whole picture, where values are still small."""
        division, plan = tail.division, tail.plan
        key = plan.cut, plan.storage_type
        if key not in self._heads:
            self._heads.clear()
            self._heads[key] = self._compile(_head_model(self._model, division, plan))
        request = self._heads[key].create_infer_request()
        request.set_input_tensor(ov.Tensor(np.ascontiguousarray(latents, np.float32)))
        infer(request, check)
        results = [request.get_output_tensor(port).data for port in range(len(request.results))]
        for number, value in zip(sorted(division.required_sources(plan.cut)), results[:-2], strict=True):
            tail.store_source(number, value[0])
        _, height, width = plan.shape_of(division.norms[plan.cut].source)
        tail.set_moments(plan.cut, height * width, results[-2], results[-1])
        del request, results
        self._heads[key].release_memory()
        if not plan.keeps_head:
            self._heads.clear()
        trim_heap()

    def _compiled_strip(self, plan: StripPlan, number: int) -> CompiledStrip:
        if number not in self._strips:
            assert self.division is not None
            segment = self.division.segment(number)
            _, _, width = plan.shape_of(segment.target)
            graph = build_strip_graph(self.division, number, plan.strip_rows(segment), width, plan.storage_type)
            self._strips[number] = CompiledStrip(graph, self._compile(graph.model))
        return self._strips[number]


def _head_model(model: ov.Model, division: SegmentedDecoder, plan: StripPlan) -> ov.Model:
    """Return a graph that outputs the values to store, then the moments of norm `cut`'s source."""
    copy = model.clone()
    sources = [norm.source for norm in find_group_norms(copy)]
    kept = [
        to_storage_type(sources[number], plan.storage_type) for number in sorted(division.required_sources(plan.cut))
    ]
    results = [ops.result(value) for value in (*kept, *channel_moments(sources[plan.cut]))]
    return ov.Model(results, copy.get_parameters(), "head")


def _compile_function(core: ov.Core, config: dict[str, Any]) -> CompileFunction:
    def compile(graph: ov.Model) -> Any:
        try:
            return core.compile_model(graph, "CPU", config)
        except RuntimeError as problem:
            raise EngineError(
                "The VAE decoder cannot be compiled for decoding in strips.",
                why=str(problem).strip().splitlines()[-1].rstrip(".") + ".",
                next_step="A smaller picture needs no strips; closing other programs leaves more memory.",
            ) from problem

    return compile
