"""Attaches compiled requests to the parts of checkpoints, each on its device: one per part, two for a UNet with step
caching, and one per size if the device needs fixed shapes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import openvino as ov

from sdxl_desktop.core.errors import EngineError
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.parts import Part
from sdxl_desktop.core.request import AUTOMATIC_DEVICE, Execution
from sdxl_desktop.core.speed import StepCaching
from sdxl_desktop.engine.compile_cache import BlobOrigin
from sdxl_desktop.engine.compile_key import DYNAMIC, FIXED, UNET_SHALLOW, CompileKey
from sdxl_desktop.engine.device_times import read_timings
from sdxl_desktop.engine.engine_protocol import Emit
from sdxl_desktop.engine.openvino import devices, fixed_shapes
from sdxl_desktop.engine.openvino.fixed_shapes import FixedShapeRequests, ReshapedModel
from sdxl_desktop.engine.openvino.infer_requests import InferRequestCache
from sdxl_desktop.engine.openvino.interruptible_request import InterruptibleInferRequest
from sdxl_desktop.engine.openvino.loaded_checkpoint import LoadedCheckpoint
from sdxl_desktop.engine.openvino.model_part import ModelPart
from sdxl_desktop.engine.openvino.part_compiler import GraphReader, resolve_key
from sdxl_desktop.engine.openvino.step_caching import graph_cut
from sdxl_desktop.engine.openvino.step_caching.feature_cache import graphs_agree

UNET = Part.UNET

Participants = Sequence[tuple[LoadedCheckpoint, Sequence[str]]]
"""Checkpoints, and the parts of each that a run needs."""

_KeysByCheckpoint = Sequence[tuple[LoadedCheckpoint, dict[str, CompileKey], int]]
"""Checkpoints, the keys of the parts that a run needs, and the skip connection where their UNet is cut."""


@dataclass(slots=True)
class _MissingModels:
    """What has to be compiled: graphs, their origins, and which of them have fixed shapes, with the key of the part."""

    graphs: dict[CompileKey, GraphReader] = field(default_factory=dict)
    origins: dict[CompileKey, BlobOrigin] = field(default_factory=dict)
    reshaped: list[tuple[CompileKey, ReshapedModel]] = field(default_factory=list)

    def add(self, base: CompileKey, form: ReshapedModel) -> None:
        self.reshaped.append((base, form))
        self.graphs[form.key] = lambda: form.model
        self.origins[form.key] = self.origins[base]


class CompiledModels:
    """Compiled models stay until a run needs another checkpoint or form. Only one form of a UNet is kept in memory,
    full or cut, since each holds all of its weights. `measured` is the file of timings from which Automatic selects
    devices."""

    def __init__(self, compiled: InferRequestCache, measured: Path | None = None) -> None:
        self._requests = compiled
        self._timings_file = measured
        self._join_counts: dict[str, int] = {}
        self._agreement: dict[CompileKey, bool] = {}
        self._fixed: dict[CompileKey, FixedShapeRequests] = {}

    def resolve_devices(self, execution: Execution) -> Execution:
        """Return `execution` with an OpenVINO device name for each part. Raises DeviceError for an unavailable
        device."""
        asks = self._timings_file is not None and AUTOMATIC_DEVICE in (
            name.strip().upper() for name in execution.devices
        )
        return devices.resolve_devices(
            execution, read_timings(self._timings_file) if asks and self._timings_file else None
        )

    def compile_parts(
        self,
        participants: Participants,
        execution: Execution,
        caching: StepCaching | None,
        emit: Emit,
        size: Size | None = None,
        *,
        all_parts: bool = False,
    ) -> tuple[str, ...]:
        """Attach a compiled request to every part, compiling missing ones. `execution` must come from
        `resolve_devices`. Return notes to show: where step caching is not possible, and why.

        For devices that need fixed shapes, the UNet is compiled for pictures of `size`, and with `all_parts` every
        part; other parts and shapes are compiled when first called.
        """
        depths = [self._cut_depth(loaded, caching) for loaded, _ in participants]
        named = list(zip(participants, depths, strict=True))
        everything = [
            (loaded, _compile_keys(loaded, tuple(loaded.content_ids), execution, depth)) for (loaded, _), depth in named
        ]
        self._keep_only({key for _, keys in everything for key in keys.values()})
        for loaded, keys in everything:
            self._detach_requests(loaded, keys)
        wanted = [(loaded, _compile_keys(loaded, parts, execution, depth), depth) for (loaded, parts), depth in named]
        missing = self._find_missing(wanted, emit, size, all_parts)
        self._requests.compile_missing(missing.graphs, emit, missing.origins)
        for base, form in missing.reshaped:
            self._fixed[base].add(form, self._requests[form.key])
        for loaded, keys, _ in wanted:
            self._attach_requests(loaded, keys, size_is_known=size is not None)
        if caching is None:
            return ()
        whole = [loaded for loaded, keys, _ in wanted if UNET in keys and loaded.shallow_unet is None]
        return tuple(_CACHING_UNAVAILABLE.format(loaded.folder.name) for loaded in whole)

    def is_compiled(
        self, participants: Participants, execution: Execution, caching: StepCaching | None, size: Size | None = None
    ) -> bool:
        """Whether `compile_parts` with the same arguments has nothing to compile, as far as known without trying."""
        for loaded, parts in participants:
            for key in _compile_keys(loaded, parts, execution, self._cut_depth(loaded, caching)).values():
                fixed = self._fixed.get(key)
                sized = fixed is not None and size is not None and fixed.is_compiled_for(size)
                if not sized and key not in self._requests:
                    return False
        return True

    def _find_missing(
        self, wanted: _KeysByCheckpoint, emit: Emit, size: Size | None, all_parts: bool
    ) -> _MissingModels:
        missing = _MissingModels()
        for loaded, keys, depth in wanted:
            for part, key in keys.items():
                missing.origins[key] = _blob_origin(loaded, key)
                if key.shape == FIXED:
                    self._prepare_fixed(loaded, part, key, depth, emit)
                elif key not in self._requests:
                    missing.graphs[key] = _graph_reader(loaded, part, depth)
            if size is not None:
                for base, form in self._models_for_size(loaded, keys, size, all_parts):
                    missing.add(base, form)
        return missing

    # releasing

    def release(
        self, loaded: LoadedCheckpoint, parts: Sequence[str], execution: Execution, caching: StepCaching | None
    ) -> None:
        """Release these parts' compiled requests and their memory until they are compiled again."""
        for part, key in _compile_keys(loaded, parts, execution, self._cut_depth(loaded, caching)).items():
            self._release(loaded, part, key)

    def discard(self, participants: Participants, execution: Execution, caching: StepCaching | None) -> bool:
        """As `release`, for parts that were loaded from disk: they are compiled again the next time. Each is discarded
        at most once per process. Return whether there were any."""
        discarded = False
        for loaded, parts in participants:
            for part, key in _compile_keys(loaded, parts, execution, self._cut_depth(loaded, caching)).items():
                fixed = self._fixed.get(key)
                keys = (key,) if fixed is None else fixed.keys
                if [own for own in keys if self._requests.discard(own)]:
                    self._release(loaded, part, key)
                    discarded = True
        return discarded

    def _release(self, loaded: LoadedCheckpoint, part: str, key: CompileKey) -> None:
        fixed = self._fixed.pop(key, None)
        for own in (key,) if fixed is None else fixed.keys:
            self._requests.release(own)
            self._agreement.pop(own, None)
        if part == UNET_SHALLOW:
            loaded.shallow_unet = None
        else:
            loaded.pipe.model_parts[part].request = None

    def release_all(self) -> None:
        """Release everything; each part is compiled, or read from the cache on disk, when it is next needed."""
        self._keep_only(set())
        self._agreement.clear()

    def _keep_only(self, keys: set[CompileKey]) -> None:
        self._fixed = {key: fixed for key, fixed in self._fixed.items() if key in keys}
        self._requests.keep_only([*keys, *(key for fixed in self._fixed.values() for key in fixed.keys)])

    def _detach_requests(self, loaded: LoadedCheckpoint, keys: dict[str, CompileKey]) -> None:
        """Detach requests that are no longer valid, so that their memory is free before others are compiled."""
        for part, key in keys.items():
            if not self._has(key) and part != UNET_SHALLOW:
                getattr(loaded.pipe, part).request = None
        if UNET_SHALLOW not in keys or not self._has(keys[UNET_SHALLOW]):
            loaded.shallow_unet = None

    def _has(self, key: CompileKey) -> bool:
        return key in self._fixed or key in self._requests

    # fixed shapes

    def _prepare_fixed(self, loaded: LoadedCheckpoint, part: str, key: CompileKey, depth: int, emit: Emit) -> None:
        """Create or update the requests of a part with fixed shapes, which compile it for each new shape."""
        graph, make = _graph_reader(loaded, part, depth), partial(self._compile_now, _blob_origin(loaded, key), emit)
        if key in self._fixed:
            self._fixed[key].rebind(graph, make)
            return
        self._fixed[key] = FixedShapeRequests(key, graph, make, self._requests.release, loaded.vae_scale_factor)

    def _compile_now(self, origin: BlobOrigin, emit: Emit, form: ReshapedModel) -> InterruptibleInferRequest:
        self._requests.compile_missing({form.key: lambda: form.model}, emit, {form.key: origin})
        return self._requests[form.key]

    def _models_for_size(
        self, loaded: LoadedCheckpoint, keys: dict[str, CompileKey], size: Size, all_parts: bool
    ) -> list[tuple[CompileKey, ReshapedModel]]:
        """Return the graphs with fixed shapes for pictures of `size` that are still to be compiled."""
        found = []
        full: ReshapedModel | None = None
        for part, key in keys.items():
            if key.shape != FIXED or not (all_parts or part in (UNET, UNET_SHALLOW)):
                continue
            fixed = self._fixed[key]
            if fixed.is_compiled_for(size) or (part == UNET_SHALLOW and full is None):
                continue
            if part != UNET_SHALLOW and not fixed_shapes.follow_from_size(fixed.ports):
                continue  # it is compiled at its first call
            fixed.evict_oldest()
            if part == UNET_SHALLOW:
                assert full is not None
                shapes = fixed_shapes.shallow_input_shapes(full, fixed.ports, graph_cut.DEEP_FEATURE)
            else:
                shapes = fixed_shapes.input_shapes(part, fixed.ports, size, loaded.vae_scale_factor)
            form = fixed.reshape(shapes)
            full = form if part == UNET else full
            found.append((key, form))
        return found

    # step caching

    def _cut_depth(self, loaded: LoadedCheckpoint, caching: StepCaching | None) -> int:
        """Return the skip connection where the UNet is cut, counted from 1; 0 if it is not cut."""
        if caching is None:
            return 0
        content = loaded.content_ids[UNET]
        if content not in self._join_counts:
            self._join_counts[content] = len(graph_cut.find_skip_connections(loaded.pipe.unet.model))
        return min(caching.depth, self._join_counts[content])

    def _attach_requests(self, loaded: LoadedCheckpoint, keys: dict[str, CompileKey], *, size_is_known: bool) -> None:
        """Attach the compiled requests. Without a known size, graphs with fixed shapes cannot be compared."""
        for part, key in keys.items():
            if part != UNET_SHALLOW:
                getattr(loaded.pipe, part).request = self._request(key)
        if UNET in keys:
            known = UNET_SHALLOW in keys and (size_is_known or keys[UNET_SHALLOW].shape == DYNAMIC)
            loaded.shallow_unet = self._request(keys[UNET_SHALLOW]) if known and self._graphs_agree(keys) else None

    def _request(self, key: CompileKey) -> Any:
        return self._fixed[key] if key.shape == FIXED else self._requests[key]

    def _graphs_agree(self, keys: dict[str, CompileKey]) -> bool:
        """Whether the full and the shallow graph give the same results; checked once, before they are used."""
        key = keys[UNET_SHALLOW]
        if key not in self._agreement:
            try:
                self._agreement[key] = graphs_agree(self._request(keys[UNET]), self._request(key))
            except EngineError:
                self._agreement[key] = False
        return self._agreement[key]


_CACHING_UNAVAILABLE = (
    "All steps of {} were computed in full: its UNet cannot be split for step caching without changing its results, so "
    "no time was saved."
)


def _compile_keys(
    loaded: LoadedCheckpoint, parts: Sequence[str], execution: Execution, depth: int
) -> dict[str, CompileKey]:
    """Return the keys of `parts` on OpenVINO devices. If `depth` is not 0, the UNet's key is replaced by those of its
    full and shallow graphs."""
    keys = {
        part: resolve_key(key, loaded.pipe.model_parts[part].has_activation_scale)
        for part, key in loaded.compile_keys(parts, execution).items()
    }
    if depth and UNET in keys:
        whole = keys[UNET]
        keys[UNET] = replace(whole, content_id=f"{whole.content_id}-deep{depth}")
        keys[UNET_SHALLOW] = replace(whole, component=UNET_SHALLOW, content_id=f"{whole.content_id}-shallow{depth}")
    return keys


def _blob_origin(loaded: LoadedCheckpoint, key: CompileKey) -> BlobOrigin:
    """Return the origin of a blob. Only LoRAs and another VAE change the weights; embeddings are part of the graph,
    which the key identifies."""
    additions = loaded.additions
    changed = bool(additions.vae) if key.part.startswith(Part.VAE) else bool(additions.loras)
    return BlobOrigin(loaded.folder, derived=changed)


def _graph_reader(loaded: LoadedCheckpoint, part: str, depth: int) -> GraphReader:
    """Return a reader without a reference to the checkpoint, which holds other parts in memory."""
    network = loaded.pipe.model_parts[UNET if part == UNET_SHALLOW else part]
    return partial(_read_graph, network, part, depth)


def _read_graph(network: ModelPart, part: str, depth: int) -> ov.Model:
    if part == UNET_SHALLOW:
        return graph_cut.shallow_model(network.model, depth)
    return graph_cut.full_model(network.model, depth) if part == UNET and depth else network.model
