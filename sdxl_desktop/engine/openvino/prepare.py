"""Gets ready what a run needs before it can denoise: compiled parts, encoded prompts, and memory for what comes."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from sdxl_desktop.core.events import Phase
from sdxl_desktop.core.parts import ENCODERS, Part
from sdxl_desktop.engine.compile_key import CompileKey
from sdxl_desktop.engine.footprint import DECODING, DENOISING
from sdxl_desktop.engine.openvino.budget import Budget
from sdxl_desktop.engine.openvino.conditioning_store import ConditioningStore, Pair, pair_name
from sdxl_desktop.engine.openvino.interrupt import Interrupt
from sdxl_desktop.engine.openvino.loaded import LoadedCheckpoint
from sdxl_desktop.engine.openvino.parts import execution_device, runtime
from sdxl_desktop.engine.openvino.placement import Placement
from sdxl_desktop.engine.openvino.run import Run
from sdxl_desktop.engine.openvino.workflow import Actor
from sdxl_desktop.engine.protocol import CancelToken


@dataclass(frozen=True, slots=True, eq=False)
class RunCheckpoint:
    """A checkpoint that takes part in a run, the parts of it that are needed, and whether it refines."""

    loaded: LoadedCheckpoint
    parts: tuple[str, ...]
    refining: bool = False

    @property
    def encoders(self) -> tuple[str, ...]:
        return tuple(part for part in self.parts if part in ENCODERS)

    @property
    def others(self) -> tuple[str, ...]:
        return tuple(part for part in self.parts if part not in ENCODERS)


class _Either:
    """A token that is set when one of two is."""

    def __init__(self, one: CancelToken, other: CancelToken) -> None:
        self._tokens = (one, other)

    def is_set(self) -> bool:
        return any(token.is_set() for token in self._tokens)


class Preparation:
    """Text encoders come first, and while they read, the other parts are compiled in another thread (OpenVINO leaves
    the interpreter to others meanwhile). For prompts that were encoded before, they are not even loaded."""

    def __init__(
        self, placement: Placement, store: ConditioningStore, interrupt: Interrupt, budget: Budget | None = None
    ) -> None:
        self._placement = placement
        self._store = store
        self._interrupt = interrupt
        self.budget = budget or Budget()
        self._read: set[str] = set()
        self._forgotten: set[str] = set()

    def actors(self, run: Run, cast: Sequence[RunCheckpoint]) -> list[Actor]:
        """The checkpoints of `cast` with everything compiled and encoded. Raises whatever either of both does."""
        names = [self._name(part.loaded, run) if Part.UNET in part.parts else "" for part in cast]
        pairs = [self._store.get(name) if name else None for name in names]
        new = [bool(name) and pair is None for name, pair in zip(names, pairs, strict=True)]
        self._read = {name for name, pair in zip(names, pairs, strict=True) if pair is not None}
        if any(new):
            with run.watch.timing("compile"):
                needed = [(part, part.encoders if at else ()) for part, at in zip(cast, new, strict=True)]
                self._place(run, needed)
            if self._is_ready(run, cast):
                self._place_others(run, cast)
                self._encode(run, cast, names, pairs, new)
            else:
                self._encode_beside(run, cast, names, pairs, new)
        else:
            with run.watch.timing("compile"):
                self._place_others(run, cast)
            run.tell(Phase.ENCODING)
        for part in cast:
            part.loaded.pipe.shed()
        return [Actor(part.loaded, pair) for part, pair in zip(cast, pairs, strict=True)]

    def renew(self, run: Run, cast: Sequence[RunCheckpoint]) -> bool:
        """Remove what led to latents and was read from the disk, compiled parts and encoded prompts, so that `actors`
        makes it anew; whether there was any. Once in this process for each."""
        taking_part = [(part.loaded, [name for name in part.parts if name != Part.VAE_DECODER]) for part in cast]
        discarded = self._placement.discard(taking_part, run.execution, run.caching)
        forgotten = self._read if discarded else self._read - self._forgotten
        for name in forgotten:
            self._store.forget(name)
        self._forgotten |= forgotten
        for part in cast:
            part.loaded.encoder.forget()
        return discarded or bool(forgotten)

    def _name(self, loaded: LoadedCheckpoint, run: Run) -> str:
        keys = self._compiled_as(loaded, run)
        return pair_name(loaded, run.request.prompts, keys, [runtime(key.device) for key in keys])

    def _compiled_as(self, loaded: LoadedCheckpoint, run: Run) -> tuple[CompileKey, ...]:
        return tuple(loaded.keys(ENCODERS, run.execution).values())

    def _is_ready(self, run: Run, cast: Sequence[RunCheckpoint]) -> bool:
        """Whether nothing is to be compiled beside encoding: then a thread for it would only cost its start."""
        taking_part = [(part.loaded, part.others) for part in cast]
        return self._placement.has(taking_part, run.execution, run.caching, run.request.sampling.size)

    def _encode_beside(
        self,
        run: Run,
        cast: Sequence[RunCheckpoint],
        names: Sequence[str],
        pairs: list[Pair | None],
        new: Sequence[bool],
    ) -> None:
        """As `_encode`, compiling what draws meanwhile."""
        given_up = threading.Event()
        self._interrupt.token = _Either(self._interrupt.token, given_up)
        with ThreadPoolExecutor(1, "compile-beside") as beside:
            others = beside.submit(self._place_others, run, cast)
            try:
                self._encode(run, cast, names, pairs, new)
            except BaseException:
                given_up.set()
                raise
            with run.watch.timing("compile"):
                others.result()

    def _encode(
        self,
        run: Run,
        cast: Sequence[RunCheckpoint],
        names: Sequence[str],
        pairs: list[Pair | None],
        new: Sequence[bool],
    ) -> None:
        """Fill in `pairs` where they are `new`."""
        run.tell(Phase.ENCODING)
        with run.watch.timing("encode"):
            for at, part in enumerate(cast):
                if new[at]:
                    compiled_as = self._compiled_as(part.loaded, run)
                    pairs[at] = pair = part.loaded.encoder.encode(run.request.prompts, compiled_as)
                    self._store.put(names[at], pair)

    def _place_others(self, run: Run, cast: Sequence[RunCheckpoint]) -> None:
        run.notes = self._place(run, [(part, part.others) for part in cast])

    def _place(self, run: Run, wanted: Sequence[tuple[RunCheckpoint, tuple[str, ...]]]) -> tuple[str, ...]:
        taking_part = [(part.loaded, parts) for part, parts in wanted]
        size = run.request.sampling.size
        notes = self._placement.place(taking_part, run.execution, run.caching, run.emit, size)
        for part, parts in wanted:
            networks = part.loaded.pipe.networks
            for name in parts:
                if name in networks and not part.refining:
                    run.ran_on[name] = execution_device(networks[name].request.compiled)
                elif name == Part.UNET:
                    run.ran_on["refiner"] = execution_device(networks[name].request.compiled)
        return notes

    # memory

    def room_to_denoise(self, run: Run, cast: Sequence[RunCheckpoint]) -> None:
        """Before a picture: bring back what had to go, and let go of text encoders where the rest would not fit."""
        if any(part.loaded.pipe.unet.request is None for part in cast if Part.UNET in part.parts):
            with run.watch.timing("compile"):
                self._place_others(run, cast)
                for part in cast:
                    part.loaded.pipe.shed()
        drawing = {id(part.loaded): part.loaded for part in cast if Part.UNET in part.parts}.values()
        if drawing:  # one after the other, but each stays when it has run
            size = run.request.sampling.size
            fresh = sum(loaded.footprint.unet for loaded in drawing if not loaded.has_run(Part.UNET))
            self._make_room(run, cast, fresh + DENOISING * size.width * size.height, ENCODERS)

    def room_to_decode(self, run: Run, cast: Sequence[RunCheckpoint]) -> None:
        """Before a decode: let go of what it does not need, where it would not fit otherwise."""
        self._make_room(run, cast, self._wanted_to_decode(run, cast), (*ENCODERS, Part.VAE_ENCODER, Part.UNET))

    def may_overlap(self, run: Run, cast: Sequence[RunCheckpoint]) -> bool:
        """Whether a picture is better decoded while the next one is denoised: on another device than the UNet's, since
        on the same one they would only take each other's time, and with memory for both."""
        apart = run.execution.device_for(Part.VAE_DECODER) != run.execution.device_for(Part.UNET)
        return apart and self.budget.has_room_for(self._wanted_to_decode(run, cast))

    def _wanted_to_decode(self, run: Run, cast: Sequence[RunCheckpoint]) -> int:
        """Bytes that a decode will take beyond what is taken now."""
        base = cast[0].loaded
        weights = base.footprint.decoder if base.has_run(Part.VAE_DECODER) else 0
        return base.footprint.decoding(run.request.sampling.size) - weights

    def bytes_to_decode(self, run: Run, cast: Sequence[RunCheckpoint]) -> int | None:
        """Bytes that a decode may take; None where it need not be careful."""
        base, size = cast[0].loaded, run.request.sampling.size
        weights = 0 if base.has_run(Part.VAE_DECODER) else base.footprint.decoder
        return self.budget.for_decoding(DECODING * size.width * size.height, beside=weights)

    def _make_room(self, run: Run, cast: Sequence[RunCheckpoint], wanted: int, may_go: Sequence[str]) -> None:
        """Let go of `may_go`, one after the other, until `wanted` bytes fit into the budget."""
        for name in may_go:
            for part in cast:
                network = part.loaded.pipe.networks.get(name)
                if self.budget.has_room_for(wanted):
                    return
                if network is not None and network.request is not None:
                    self._placement.release(part.loaded, (name,), run.execution, run.caching)
