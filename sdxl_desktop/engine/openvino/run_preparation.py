"""Gets ready what a run needs before it can denoise: compiled parts, encoded prompts, and memory for what comes."""

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


class _AnyCancelToken:
    """A token that is set when one of two is."""

    def __init__(self, one: CancelToken, other: CancelToken) -> None:
        self._tokens = (one, other)

    def is_set(self) -> bool:
        return any(token.is_set() for token in self._tokens)


class RunPreparation:
    """Text encoders come first, and while they read, the other parts are compiled in another thread (OpenVINO leaves
    the interpreter to others meanwhile). For prompts that were encoded before, they are not even loaded."""

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
        """The checkpoints of `cast` with everything compiled and encoded. Raises whatever either of both does."""
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
        """Remove what led to latents and was read from the disk, compiled parts and encoded prompts, so that `actors`
        makes it anew; whether there was any. Once in this process for each."""
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
        return prompt_cache_key(loaded, run.request.prompts, keys, [runtime_version(key.device) for key in keys])

    def _encoder_compile_keys(self, loaded: LoadedCheckpoint, run: GenerationRun) -> tuple[CompileKey, ...]:
        return tuple(loaded.compile_keys(ENCODERS, run.execution).values())

    def _is_ready(self, run: GenerationRun, participants: Sequence[RunCheckpoint]) -> bool:
        """Whether nothing is to be compiled beside encoding: then a thread for it would only cost its start."""
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
        """As `_encode`, compiling what draws meanwhile."""
        given_up = threading.Event()
        self._interrupt.token = _AnyCancelToken(self._interrupt.token, given_up)
        with ThreadPoolExecutor(1, "compile-beside") as beside:
            others = beside.submit(self._compile_others, run, participants)
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
        """Fill in `pairs` where they are `new`."""
        run.emit_phase(Phase.ENCODING)
        with run.stopwatch.timing("encode"):
            for at, part in enumerate(participants):
                if new[at]:
                    compiled_as = self._encoder_compile_keys(part.loaded, run)
                    pairs[at] = pair = part.loaded.prompt_encoder.encode(run.request.prompts, compiled_as)
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
        """Before a picture: bring back what had to go, and let go of text encoders where the rest would not fit."""
        if any(part.loaded.pipe.unet.request is None for part in participants if Part.UNET in part.parts):
            with run.stopwatch.timing("compile"):
                self._compile_others(run, participants)
                for part in participants:
                    part.loaded.pipe.release_graphs()
        drawing = {id(part.loaded): part.loaded for part in participants if Part.UNET in part.parts}.values()
        if drawing:  # one after the other, but each stays when it has run
            size = run.request.sampling.size
            fresh = sum(loaded.memory_footprint.unet for loaded in drawing if not loaded.has_run(Part.UNET))
            self._free_memory(run, participants, fresh + DENOISING_BYTES_PER_PIXEL * size.width * size.height, ENCODERS)

    def free_memory_to_decode(self, run: GenerationRun, participants: Sequence[RunCheckpoint]) -> None:
        """Before a decode: let go of what it does not need, where it would not fit otherwise."""
        self._free_memory(
            run, participants, self._bytes_needed_to_decode(run, participants), (*ENCODERS, Part.VAE_ENCODER, Part.UNET)
        )

    def may_overlap(self, run: GenerationRun, participants: Sequence[RunCheckpoint]) -> bool:
        """Whether a picture is better decoded while the next one is denoised: on another device than the UNet's, since
        on the same one they would only take each other's time, and with memory for both."""
        apart = run.execution.device_for(Part.VAE_DECODER) != run.execution.device_for(Part.UNET)
        return apart and self.budget.has_room_for(self._bytes_needed_to_decode(run, participants))

    def _bytes_needed_to_decode(self, run: GenerationRun, participants: Sequence[RunCheckpoint]) -> int:
        """Bytes that a decode will take beyond what is taken now."""
        base = participants[0].loaded
        weights = base.memory_footprint.vae_decoder if base.has_run(Part.VAE_DECODER) else 0
        return base.memory_footprint.decoding(run.request.sampling.size) - weights

    def decode_budget(self, run: GenerationRun, participants: Sequence[RunCheckpoint]) -> int | None:
        """Bytes that a decode may take; None where it need not be careful."""
        base, size = participants[0].loaded, run.request.sampling.size
        weights = 0 if base.has_run(Part.VAE_DECODER) else base.memory_footprint.vae_decoder
        return self.budget.decode_budget(DECODING_BYTES_PER_PIXEL * size.width * size.height, weight_bytes=weights)

    def _free_memory(
        self, run: GenerationRun, participants: Sequence[RunCheckpoint], wanted: int, releasable_parts: Sequence[str]
    ) -> None:
        """Let go of `may_go`, one after the other, until `wanted` bytes fit into the budget."""
        for name in releasable_parts:
            for part in participants:
                network = part.loaded.pipe.model_parts.get(name)
                if self.budget.has_room_for(wanted):
                    return
                if network is not None and network.request is not None:
                    self._compiled_models.release(part.loaded, (name,), run.execution, run.step_caching)
