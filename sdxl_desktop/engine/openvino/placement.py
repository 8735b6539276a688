"""Puts compiled requests under the parts of checkpoints, each on its device: one for each part, two for a UNet whose
steps are cached, and one for each size where the device wants fixed shapes."""

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
from sdxl_desktop.core.request import AUTOMATIC, Execution
from sdxl_desktop.core.speed import StepCaching
from sdxl_desktop.engine.compile_key import DYNAMIC, FIXED, SHALLOW, CompileKey
from sdxl_desktop.engine.compiled_store import Origin
from sdxl_desktop.engine.device_times import read_table
from sdxl_desktop.engine.openvino import devices, static
from sdxl_desktop.engine.openvino.caching import cut
from sdxl_desktop.engine.openvino.caching.features import agree
from sdxl_desktop.engine.openvino.compiled import CompiledParts
from sdxl_desktop.engine.openvino.interrupt import InterruptibleRequest
from sdxl_desktop.engine.openvino.loaded import LoadedCheckpoint
from sdxl_desktop.engine.openvino.network import Network
from sdxl_desktop.engine.openvino.parts import Graph, settled
from sdxl_desktop.engine.openvino.static import FixedShapes, Reshaped
from sdxl_desktop.engine.protocol import Emit

UNET = Part.UNET

TakingPart = Sequence[tuple[LoadedCheckpoint, Sequence[str]]]
"""Checkpoints, and which parts of each a run needs."""

_Wanted = Sequence[tuple[LoadedCheckpoint, dict[str, CompileKey], int]]
"""Checkpoints, the keys of the parts that a run needs, and at which join their UNets are cut."""


@dataclass(slots=True)
class _Missing:
    """What has to be compiled: graphs, for whom, and which of them are of a fixed shape, by the part's own key."""

    graphs: dict[CompileKey, Graph] = field(default_factory=dict)
    origins: dict[CompileKey, Origin] = field(default_factory=dict)
    reshaped: list[tuple[CompileKey, Reshaped]] = field(default_factory=list)

    def add(self, base: CompileKey, form: Reshaped) -> None:
        self.reshaped.append((base, form))
        self.graphs[form.key] = lambda: form.model
        self.origins[form.key] = self.origins[base]


class Placement:
    """What is compiled stays until a run wants another checkpoint or form: of a UNet only one form is kept in memory,
    plain or cut, since each holds all of its weights. `measured` is the file by which Automatic finds devices."""

    def __init__(self, compiled: CompiledParts, measured: Path | None = None) -> None:
        self._compiled = compiled
        self._measured = measured
        self._joins: dict[str, int] = {}
        self._agree: dict[CompileKey, bool] = {}
        self._fixed: dict[CompileKey, FixedShapes] = {}

    def resolved(self, execution: Execution) -> Execution:
        """With the device of each part by OpenVINO's name; raises DeviceError for one that is not there."""
        asks = self._measured is not None and AUTOMATIC in (name.strip().upper() for name in execution.devices)
        return devices.resolved(execution, read_table(self._measured) if asks and self._measured else None)

    def place(
        self,
        taking_part: TakingPart,
        execution: Execution,
        caching: StepCaching | None,
        emit: Emit,
        size: Size | None = None,
        *,
        complete: bool = False,
    ) -> tuple[str, ...]:
        """Put a compiled request under every part, compiling what is missing. `execution` is `resolved`. Returns what
        a person should know: where step caching cannot be had, and why.

        For devices that want fixed shapes the UNet is compiled for pictures of `size`, when `complete` every
        part; other parts, and what else comes, when it comes.
        """
        depths = [self._depth(loaded, caching) for loaded, _ in taking_part]
        named = list(zip(taking_part, depths, strict=True))
        everything = [(loaded, _keys(loaded, tuple(loaded.contents), execution, depth)) for (loaded, _), depth in named]
        self._keep_only({key for _, keys in everything for key in keys.values()})
        for loaded, keys in everything:
            self._let_go(loaded, keys)
        wanted = [(loaded, _keys(loaded, parts, execution, depth), depth) for (loaded, parts), depth in named]
        missing = self._missing(wanted, emit, size, complete)
        self._compiled.ensure(missing.graphs, emit, missing.origins)
        for base, form in missing.reshaped:
            self._fixed[base].take(form, self._compiled[form.key])
        for loaded, keys, _ in wanted:
            self._put(loaded, keys, sized=size is not None)
        if caching is None:
            return ()
        whole = [loaded for loaded, keys, _ in wanted if UNET in keys and loaded.shallow is None]
        return tuple(_OFF.format(loaded.folder.name) for loaded in whole)

    def has(
        self, taking_part: TakingPart, execution: Execution, caching: StepCaching | None, size: Size | None = None
    ) -> bool:
        """Whether `place` with the same has nothing to compile, as far as is known without trying."""
        for loaded, parts in taking_part:
            for key in _keys(loaded, parts, execution, self._depth(loaded, caching)).values():
                fixed = self._fixed.get(key)
                sized = fixed is not None and size is not None and fixed.serves(size)
                if not sized and key not in self._compiled:
                    return False
        return True

    def _missing(self, wanted: _Wanted, emit: Emit, size: Size | None, complete: bool) -> _Missing:
        missing = _Missing()
        for loaded, keys, depth in wanted:
            for part, key in keys.items():
                missing.origins[key] = _origin(loaded, key)
                if key.shape == FIXED:
                    self._prepare_fixed(loaded, part, key, depth, emit)
                elif key not in self._compiled:
                    missing.graphs[key] = _graph(loaded, part, depth)
            if size is not None:
                for base, form in self._for_size(loaded, keys, size, complete):
                    missing.add(base, form)
        return missing

    # what stays

    def release(
        self, loaded: LoadedCheckpoint, parts: Sequence[str], execution: Execution, caching: StepCaching | None
    ) -> None:
        """Let go of these parts' compiled requests, and with them their memory, until they are placed again."""
        for part, key in _keys(loaded, parts, execution, self._depth(loaded, caching)).items():
            self._release(loaded, part, key)

    def discard(self, taking_part: TakingPart, execution: Execution, caching: StepCaching | None) -> bool:
        """As `release`, for those parts that were loaded from the disk: they are compiled anew when placed again.
        Whether there were any. Once in this process for each."""
        discarded = False
        for loaded, parts in taking_part:
            for part, key in _keys(loaded, parts, execution, self._depth(loaded, caching)).items():
                fixed = self._fixed.get(key)
                keys = (key,) if fixed is None else fixed.keys
                if [own for own in keys if self._compiled.discard(own)]:
                    self._release(loaded, part, key)
                    discarded = True
        return discarded

    def _release(self, loaded: LoadedCheckpoint, part: str, key: CompileKey) -> None:
        fixed = self._fixed.pop(key, None)
        for own in (key,) if fixed is None else fixed.keys:
            self._compiled.let_go(own)
            self._agree.pop(own, None)
        if part == SHALLOW:
            loaded.shallow = None
        else:
            loaded.pipe.networks[part].request = None

    def forget(self) -> None:
        """Let go of everything; each part is compiled, or read from what is kept on disk, when it is next placed."""
        self._keep_only(set())
        self._agree.clear()

    def _keep_only(self, keys: set[CompileKey]) -> None:
        self._fixed = {key: fixed for key, fixed in self._fixed.items() if key in keys}
        self._compiled.keep_only([*keys, *(key for fixed in self._fixed.values() for key in fixed.keys)])

    def _let_go(self, loaded: LoadedCheckpoint, keys: dict[str, CompileKey]) -> None:
        """Take away the requests that no longer belong there, so that their memory is free before others need it."""
        for part, key in keys.items():
            if not self._has(key) and part != SHALLOW:
                getattr(loaded.pipe, part).request = None
        if SHALLOW not in keys or not self._has(keys[SHALLOW]):
            loaded.shallow = None

    def _has(self, key: CompileKey) -> bool:
        return key in self._fixed or key in self._compiled

    # fixed shapes

    def _prepare_fixed(self, loaded: LoadedCheckpoint, part: str, key: CompileKey, depth: int, emit: Emit) -> None:
        """What answers for a part of any shape, compiling it for each when it is first asked."""
        graph, make = _graph(loaded, part, depth), partial(self._compile_now, _origin(loaded, key), emit)
        if key in self._fixed:
            self._fixed[key].listen(graph, make)
            return
        self._fixed[key] = FixedShapes(key, graph, make, self._compiled.let_go, loaded.vae_factor)

    def _compile_now(self, origin: Origin, emit: Emit, form: Reshaped) -> InterruptibleRequest:
        self._compiled.ensure({form.key: lambda: form.model}, emit, {form.key: origin})
        return self._compiled[form.key]

    def _for_size(
        self, loaded: LoadedCheckpoint, keys: dict[str, CompileKey], size: Size, complete: bool
    ) -> list[tuple[CompileKey, Reshaped]]:
        """The graphs for pictures of `size` that are still to be compiled, where devices want them fixed."""
        found = []
        full: Reshaped | None = None
        for part, key in keys.items():
            if key.shape != FIXED or not (complete or part in (UNET, SHALLOW)):
                continue
            fixed = self._fixed[key]
            if fixed.serves(size) or (part == SHALLOW and full is None):
                continue
            if part != SHALLOW and not static.follow_from_size(fixed.ports):
                continue  # it is compiled when it is first asked
            fixed.make_room()
            if part == SHALLOW:
                assert full is not None
                shapes = static.shallow_shapes(full, fixed.ports, cut.DEEP)
            else:
                shapes = static.shapes_for(part, fixed.ports, size, loaded.vae_factor)
            form = fixed.reshaped(shapes)
            full = form if part == UNET else full
            found.append((key, form))
        return found

    # step caching

    def _depth(self, loaded: LoadedCheckpoint, caching: StepCaching | None) -> int:
        """At which join its UNet is cut, counted from 1; 0 when it stays whole."""
        if caching is None:
            return 0
        content = loaded.contents[UNET]
        if content not in self._joins:
            self._joins[content] = len(cut.joins(loaded.pipe.unet.model))
        return min(caching.depth, self._joins[content])

    def _put(self, loaded: LoadedCheckpoint, keys: dict[str, CompileKey], *, sized: bool) -> None:
        """`sized`: it is known for which size, without which the graphs of fixed shapes cannot be compared."""
        for part, key in keys.items():
            if part != SHALLOW:
                getattr(loaded.pipe, part).request = self._request(key)
        if UNET in keys:
            known = SHALLOW in keys and (sized or keys[SHALLOW].shape == DYNAMIC)
            loaded.shallow = self._request(keys[SHALLOW]) if known and self._trusted(keys) else None

    def _request(self, key: CompileKey) -> Any:
        return self._fixed[key] if key.shape == FIXED else self._compiled[key]

    def _trusted(self, keys: dict[str, CompileKey]) -> bool:
        """Whether the two graphs say the same; found out once, before they are used."""
        key = keys[SHALLOW]
        if key not in self._agree:
            try:
                self._agree[key] = agree(self._request(keys[UNET]), self._request(key))
            except EngineError:
                self._agree[key] = False
        return self._agree[key]


_OFF = (
    "Steps of {} were all computed in full: its UNet cannot be cut in two that together say what it says, so nothing "
    "was saved there."
)


def _keys(loaded: LoadedCheckpoint, parts: Sequence[str], execution: Execution, depth: int) -> dict[str, CompileKey]:
    """The keys of `parts` on devices by OpenVINO's names; with a `depth` those of the UNet's two graphs for that of the
    whole."""
    keys = {
        part: settled(key, loaded.pipe.networks[part].is_scaled) for part, key in loaded.keys(parts, execution).items()
    }
    if depth and UNET in keys:
        whole = keys[UNET]
        keys[UNET] = replace(whole, checkpoint=f"{whole.checkpoint}-deep{depth}")
        keys[SHALLOW] = replace(whole, component=SHALLOW, checkpoint=f"{whole.checkpoint}-shallow{depth}")
    return keys


def _origin(loaded: LoadedCheckpoint, key: CompileKey) -> Origin:
    """Only LoRAs and another VAE bring other weights; embeddings are joined to the graph, which the key tells."""
    additions = loaded.additions
    changed = bool(additions.vae) if key.part.startswith(Part.VAE) else bool(additions.loras)
    return Origin(loaded.folder, derived=changed)


def _graph(loaded: LoadedCheckpoint, part: str, depth: int) -> Graph:
    """It does not hold on to the checkpoint, which has other parts in memory, too."""
    network = loaded.pipe.networks[UNET if part == SHALLOW else part]
    return partial(_read, network, part, depth)


def _read(network: Network, part: str, depth: int) -> ov.Model:
    if part == SHALLOW:
        return cut.shallow_graph(network.model, depth)
    return cut.full_graph(network.model, depth) if part == UNET and depth else network.model
