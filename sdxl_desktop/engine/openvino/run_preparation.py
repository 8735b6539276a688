"""Prepares a run for denoising: compiles parts, encodes prompts and frees memory."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from sdxl_desktop.core.events import Phase
from sdxl_desktop.core.parts import ENCODERS, Part
from sdxl_desktop.engine.compile_key import CompileKey
from sdxl_desktop.engine.engine_protocol import CancelToken
from sdxl_desktop.engine.memory_footprint import DECODING_BYTES_PER_PIXEL, DENOISING_BYTES_PER_PIXEL
from sdxl_desktop.engine.openvino.compiled_models import CompiledModels
from sdxl_desktop.engine.openvino.generation_run import GenerationRun
from sdxl_desktop.engine.openvino.interruptible_request import Interrupt
from sdxl_desktop.engine.openvino.loaded_checkpoint import LoadedCheckpoint
from sdxl_desktop.engine.openvino.memory_budget import MemoryBudget
from sdxl_desktop.engine.openvino.part_compiler import execution_device, runtime_version
from sdxl_desktop.engine.openvino.prompt_cache import ConditioningPair, PromptCache, prompt_cache_key
from sdxl_desktop.engine.openvino.workflow import StageInputs


@dataclass(frozen=True, slots=True, eq=False)
class RunCheckpoint:
    """A checkpoint of a run, the parts needed of it, and whether it is the refiner."""

    loaded: LoadedCheckpoint
    parts: tuple[str, ...]
    refining: bool = False

    @property
    def encoders(self) -> tuple[str, ...]:
        return tuple(part for part in self.parts if part in ENCODERS)

    @property
    def others(self) -> tuple[str, ...]:
        return tuple(part for part in self.parts if part not in ENCODERS)


class _AnyCancelToken:
    """A cancel token that is set if either of two tokens is."""

    def __init__(self, one: CancelToken, other: CancelToken) -> None:
        self._tokens = (one, other)

    def is_set(self) -> bool:
        return any(token.is_set() for token in self._tokens)


class RunPreparation:
    """Text encoders are compiled first. While they run, the other parts are compiled in another thread (OpenVINO
    releases the GIL). If all prompts are cached, the text encoders are not loaded."""

    def __init__(
        self, placement: CompiledModels, store: PromptCache, interrupt: Interrupt, budget: MemoryBudget | None = None
    ) -> None:
        self._compiled_models = placement
        self._prompt_cache = store
        self._interrupt = interrupt
        self.budget = budget or MemoryBudget()
        self._cache_hits: set[str] = set()
        self._removed_keys: set[str] = set()

    def prepare_stages(self, run: GenerationRun, participants: Sequence[RunCheckpoint]) -> list[StageInputs]:
        """Compile the parts and encode the prompts of `participants`. Raises the errors of both."""
        cache_keys = [
            self._prompt_cache_key(part.loaded, run) if Part.UNET in part.parts else "" for part in participants
        ]
        pairs = [self._prompt_cache.get(name) if name else None for name in cache_keys]
        new = [bool(name) and pair is None for name, pair in zip(cache_keys, pairs, strict=True)]
        self._cache_hits = {name for name, pair in zip(cache_keys, pairs, strict=True) if pair is not None}
        if any(new):
            with run.stopwatch.timing("compile"):
                needed = [(part, part.encoders if at else ()) for part, at in zip(participants, new, strict=True)]
                self._compile(run, needed)
            if self._is_ready(run, participants):
                self._compile_others(run, participants)
                self._encode(run, participants, cache_keys, pairs, new)
            else:
                self._encode_while_compiling(run, participants, cache_keys, pairs, new)
        else:
            with run.stopwatch.timing("compile"):
                self._compile_others(run, participants)
            run.emit_phase(Phase.ENCODING)
        for part in participants:
            part.loaded.pipe.release_graphs()
        return [StageInputs(part.loaded, pair) for part, pair in zip(participants, pairs, strict=True)]

    def discard_cached(self, run: GenerationRun, participants: Sequence[RunCheckpoint]) -> bool:
        """Remove the compiled parts and encoded prompts that were read from disk and used for the latents, so that
        `prepare_stages` creates them again. Each is removed at most once per process. Return whether there were any."""
        taking_part = [
            (part.loaded, [name for name in part.parts if name != Part.VAE_DECODER]) for part in participants
        ]
        discarded = self._compiled_models.discard(taking_part, run.execution, run.step_caching)
        forgotten = self._cache_hits if discarded else self._cache_hits - self._removed_keys
        for name in forgotten:
            self._prompt_cache.remove(name)
        self._removed_keys |= forgotten
        for part in participants:
            part.loaded.prompt_encoder.clear_cache()
        return discarded or bool(forgotten)

    def _prompt_cache_key(self, loaded: LoadedCheckpoint, run: GenerationRun) -> str:
        keys = self._encoder_compile_keys(loaded, run)
        return prompt_cache_key(loaded, run.prompts, keys, [runtime_version(key.device) for key in keys])

    def _encoder_compile_keys(self, loaded: LoadedCheckpoint, run: GenerationRun) -> tuple[CompileKey, ...]:
        return tuple(loaded.compile_keys(ENCODERS, run.execution).values())

    def _is_ready(self, run: GenerationRun, participants: Sequence[RunCheckpoint]) -> bool:
        """Whether nothing has to be compiled during encoding, so that a thread for it would only add overhead."""
        taking_part = [(part.loaded, part.others) for part in participants]
        return self._compiled_models.is_compiled(
            taking_part, run.execution, run.step_caching, run.request.sampling.size
        )

    def _encode_while_compiling(
        self,
        run: GenerationRun,
        participants: Sequence[RunCheckpoint],
        cache_keys: Sequence[str],
        pairs: list[ConditioningPair | None],
        new: Sequence[bool],
    ) -> None:
        """As `_encode`, while the other parts are compiled in another thread."""
        given_up = threading.Event()
        self._interrupt.token = _AnyCancelToken(self._interrupt.token, given_up)
        with ThreadPoolExecutor(1, "compile-beside") as executor:
            others = executor.submit(self._compile_others, run, participants)
            try:
                self._encode(run, participants, cache_keys, pairs, new)
            except BaseException:
                given_up.set()
                raise
            with run.stopwatch.timing("compile"):
                others.result()

    def _encode(
        self,
        run: GenerationRun,
        participants: Sequence[RunCheckpoint],
        cache_keys: Sequence[str],
        pairs: list[ConditioningPair | None],
        new: Sequence[bool],
    ) -> None:
        """Encode the prompts for which `new` is set, and store the results in `pairs`."""
        run.emit_phase(Phase.ENCODING)
        with run.stopwatch.timing("encode"):
            for at, part in enumerate(participants):
                if new[at]:
                    compiled_as = self._encoder_compile_keys(part.loaded, run)
                    pairs[at] = pair = part.loaded.prompt_encoder.encode(run.prompts, compiled_as)
                    self._prompt_cache.put(cache_keys[at], pair)

    def _compile_others(self, run: GenerationRun, participants: Sequence[RunCheckpoint]) -> None:
        run.notes = self._compile(run, [(part, part.others) for part in participants])

    def _compile(self, run: GenerationRun, wanted: Sequence[tuple[RunCheckpoint, tuple[str, ...]]]) -> tuple[str, ...]:
        taking_part = [(part.loaded, parts) for part, parts in wanted]
        size = run.request.sampling.size
        notes = self._compiled_models.compile_parts(taking_part, run.execution, run.step_caching, run.emit, size)
        for part, parts in wanted:
            networks = part.loaded.pipe.model_parts
            for name in parts:
                if name in networks and not part.refining:
                    run.execution_devices[name] = execution_device(networks[name].request.compiled)
                elif name == Part.UNET:
                    run.execution_devices["refiner"] = execution_device(networks[name].request.compiled)
        return notes

    # memory

    def free_memory_to_denoise(self, run: GenerationRun, participants: Sequence[RunCheckpoint]) -> None:
        """Before denoising: compile the parts released earlier, and release text encoders if the rest would not fit."""
        if any(part.loaded.pipe.unet.request is None for part in participants if Part.UNET in part.parts):
            with run.stopwatch.timing("compile"):
                self._compile_others(run, participants)
                for part in participants:
                    part.loaded.pipe.release_graphs()
        drawing = {id(part.loaded): part.loaded for part in participants if Part.UNET in part.parts}.values()
        if drawing:  # UNets run one after the other, but each stays in memory
            size = run.request.sampling.size
            fresh = sum(loaded.memory_footprint.unet for loaded in drawing if not loaded.has_run(Part.UNET))
            self._free_memory(run, participants, fresh + DENOISING_BYTES_PER_PIXEL * size.width * size.height, ENCODERS)

    def free_memory_to_decode(self, run: GenerationRun, participants: Sequence[RunCheckpoint]) -> None:
        """Before decoding: release parts not needed for it, if it would not fit otherwise."""
        self._free_memory(
            run, participants, self._bytes_needed_to_decode(run, participants), (*ENCODERS, Part.VAE_ENCODER, Part.UNET)
        )

    def may_overlap(self, run: GenerationRun, participants: Sequence[RunCheckpoint]) -> bool:
        """Whether to decode a picture while the next one is denoised. This needs memory for both and a different device
        than the UNet's, since two parts on one device only slow each other down."""
        apart = run.execution.device_for(Part.VAE_DECODER) != run.execution.device_for(Part.UNET)
        return apart and self.budget.has_room_for(self._bytes_needed_to_decode(run, participants))

    def _bytes_needed_to_decode(self, run: GenerationRun, participants: Sequence[RunCheckpoint]) -> int:
        """Return the bytes a decode takes in addition to the current memory use."""
        base = participants[0].loaded
        weights = base.memory_footprint.vae_decoder if base.has_run(Part.VAE_DECODER) else 0
        return base.memory_footprint.decoding(run.request.sampling.size) - weights

    def decode_budget(self, run: GenerationRun, participants: Sequence[RunCheckpoint]) -> int | None:
        """Return the bytes a decode may take; None if it needs no limit."""
        base, size = participants[0].loaded, run.request.sampling.size
        weights = 0 if base.has_run(Part.VAE_DECODER) else base.memory_footprint.vae_decoder
        return self.budget.decode_budget(DECODING_BYTES_PER_PIXEL * size.width * size.height, weight_bytes=weights)

    def _free_memory(
        self, run: GenerationRun, participants: Sequence[RunCheckpoint], wanted: int, releasable_parts: Sequence[str]
    ) -> None:
        """Release `releasable_parts`, one after the other, until `wanted` bytes fit into the budget."""
        for name in releasable_parts:
            for part in participants:
                network = part.loaded.pipe.model_parts.get(name)
                if self.budget.has_room_for(wanted):
                    return
                if network is not None and network.request is not None:
                    self._compiled_models.release(part.loaded, (name,), run.execution, run.step_caching)
