"""Puts compiled requests under the parts of checkpoints: one for each part, two for a UNet whose steps are cached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sdxl_desktop.core.errors import EngineError
from sdxl_desktop.core.request import Execution
from sdxl_desktop.core.speed import StepCaching
from sdxl_desktop.engine.compile_key import SHALLOW, CompileKey
from sdxl_desktop.engine.compiled_store import Origin
from sdxl_desktop.engine.openvino import devices
from sdxl_desktop.engine.openvino.caching import cut
from sdxl_desktop.engine.openvino.caching.features import agree
from sdxl_desktop.engine.openvino.compiled import CompiledParts
from sdxl_desktop.engine.openvino.loaded import LoadedCheckpoint
from sdxl_desktop.engine.protocol import Emit

UNET = "unet"

TakingPart = Sequence[tuple[LoadedCheckpoint, Sequence[str]]]
"""Checkpoints, and which parts of each a run needs."""


class Placement:
    """What is compiled stays until a run wants another checkpoint or form: of a UNet only one form is kept in memory,
    plain or cut, since each holds all of its weights."""

    def __init__(self, compiled: CompiledParts) -> None:
        self._compiled = compiled
        self._joins: dict[str, int] = {}
        self._agree: dict[CompileKey, bool] = {}

    def place(
        self, taking_part: TakingPart, execution: Execution, caching: StepCaching | None, emit: Emit
    ) -> tuple[str, ...]:
        """Put a compiled request under every part, compiling what is missing; raises DeviceError when there is no such
        device. Returns what a person should know: where step caching cannot be had, and why."""
        device = devices.resolve(execution.device)
        depths = [self._depth(loaded, caching) for loaded, _ in taking_part]
        named = list(zip(taking_part, depths, strict=True))
        everything = [
            (loaded, _keys(loaded, tuple(loaded.contents), device, execution, depth)) for (loaded, _), depth in named
        ]
        self._compiled.keep_only(key for _, keys in everything for key in keys.values())
        for loaded, keys in everything:
            self._let_go(loaded, keys)
        wanted = [(loaded, _keys(loaded, parts, device, execution, depth), depth) for (loaded, parts), depth in named]
        missing = {
            key: _graph(loaded, part, depth)
            for loaded, keys, depth in wanted
            for part, key in keys.items()
            if key not in self._compiled
        }
        origins = {key: _origin(loaded, key) for loaded, keys, _ in wanted for key in keys.values()}
        self._compiled.ensure(missing, emit, origins)
        for loaded, keys, _ in wanted:
            self._put(loaded, keys)
        if caching is None:
            return ()
        whole = [loaded for loaded, keys, _ in wanted if UNET in keys and loaded.shallow is None]
        return tuple(_OFF.format(loaded.folder.name) for loaded in whole)

    def _let_go(self, loaded: LoadedCheckpoint, keys: dict[str, CompileKey]) -> None:
        """Take away the requests that no longer belong there, so that their memory is free before others need it."""
        for part, key in keys.items():
            if key not in self._compiled and part != SHALLOW:
                getattr(loaded.pipe, part).request = None
        if SHALLOW not in keys or keys[SHALLOW] not in self._compiled:
            loaded.shallow = None

    def _depth(self, loaded: LoadedCheckpoint, caching: StepCaching | None) -> int:
        """At which join its UNet is cut, counted from 1; 0 when it stays whole."""
        if caching is None:
            return 0
        content = loaded.contents[UNET]
        if content not in self._joins:
            self._joins[content] = len(cut.joins(loaded.pipe.unet.model))
        return min(caching.depth, self._joins[content])

    def _put(self, loaded: LoadedCheckpoint, keys: dict[str, CompileKey]) -> None:
        for part, key in keys.items():
            if part != SHALLOW:
                getattr(loaded.pipe, part).request = self._compiled[key]
        if UNET in keys:
            loaded.shallow = self._compiled[keys[SHALLOW]] if SHALLOW in keys and self._trusted(keys) else None

    def _trusted(self, keys: dict[str, CompileKey]) -> bool:
        """Whether the two graphs say the same; found out once, before they are used."""
        key = keys[SHALLOW]
        if key not in self._agree:
            try:
                self._agree[key] = agree(self._compiled[keys[UNET]], self._compiled[key])
            except EngineError:
                self._agree[key] = False
        return self._agree[key]


_OFF = (
    "Steps of {} were all computed in full: its UNet cannot be cut in two that together say what it says, so nothing "
    "was saved there."
)


def _keys(
    loaded: LoadedCheckpoint, parts: Sequence[str], device: str, execution: Execution, depth: int
) -> dict[str, CompileKey]:
    """The keys of `parts`; with a `depth` those of the UNet's two graphs for that of the whole."""
    keys = loaded.keys(parts, device, execution)
    if depth and UNET in keys:
        whole = keys[UNET]
        keys[UNET] = replace(whole, checkpoint=f"{whole.checkpoint}-deep{depth}")
        keys[SHALLOW] = replace(whole, component=SHALLOW, checkpoint=f"{whole.checkpoint}-shallow{depth}")
    return keys


def _origin(loaded: LoadedCheckpoint, key: CompileKey) -> Origin:
    """Only LoRAs and another VAE bring other weights; embeddings are joined to the graph, which the key tells."""
    additions = loaded.additions
    changed = bool(additions.vae) if key.part.startswith("vae") else bool(additions.loras)
    return Origin(loaded.folder, derived=changed)


def _graph(loaded: LoadedCheckpoint, part: str, depth: int) -> Any:
    if part == SHALLOW:
        return cut.shallow_graph(loaded.pipe.unet.model, depth)
    model = getattr(loaded.pipe, part).model
    return cut.full_graph(model, depth) if part == UNET and depth else model
