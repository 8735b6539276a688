"""Prompts once encoded need no text encoder in any later launch; what does not fit goes, and pictures stay the same."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from sdxl_desktop.core.errors import EngineError, RequestError
from sdxl_desktop.core.events import EngineEvent, Phase, Progress, RunCancelled, RunFailed
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.request import Prompts
from sdxl_desktop.engine.compile_cache import RuntimeVersion
from sdxl_desktop.engine.compile_key import CompileKey
from sdxl_desktop.engine.memory_footprint import DENOISING_BYTES_PER_PIXEL, MemoryFootprint
from sdxl_desktop.engine.openvino import devices
from sdxl_desktop.engine.openvino import engine as engine_module
from sdxl_desktop.engine.openvino.engine import OpenVinoEngine
from sdxl_desktop.engine.openvino.loaded_checkpoint import LoadedCheckpoint
from sdxl_desktop.engine.openvino.memory_budget import MIN_DECODE_BYTES, MemoryBudget
from sdxl_desktop.engine.openvino.part_compiler import Compiler
from sdxl_desktop.engine.openvino.prompt_cache import PromptCache, prompt_cache_key
from sdxl_desktop.engine.openvino.prompt_encoder import PromptConditioning, PromptEncoder
from tests.engine.conftest import generate
from tests.engine.parity.cases import BUILDERS, ParityWorkflow
from tests.engine.parity.tiny_checkpoints import TinyCheckpoints
from tests.engine.tiny_sdxl import Topology

ENCODERS = ("text_encoder", "text_encoder_2")


@pytest.fixture
def launch(precompiled_home: AppPaths) -> Iterator[Callable[..., OpenVinoEngine]]:
    """A new engine over the same home, as after a restart."""
    made: list[OpenVinoEngine] = []

    def start(budget: int | None = None) -> OpenVinoEngine:
        made.append(OpenVinoEngine(precompiled_home, budget))
        return made[-1]

    yield start
    for engine in made:
        engine.close()


def pipe_of(engine: OpenVinoEngine) -> Any:
    return engine.loaded[0].pipe


def loaded_parts(engine: OpenVinoEngine) -> set[str]:
    return {part for part, network in pipe_of(engine).model_parts.items() if network.request is not None}


class TestPromptsKnown:
    def test_after_a_restart_the_same_prompt_gives_the_same_bits_without_text_encoders(
        self, launch: Any, request_for: Any
    ) -> None:
        request = request_for(prompts=Prompts(prompt="a (red:1.2) cat", negative_prompt="blurred"))
        before = generate(launch(), request)
        later = launch()
        recorded = generate(later, request)
        assert (recorded.picture.pixels == before.picture.pixels).all()
        assert loaded_parts(later) == {"unet", "vae_decoder"}
        assert "text_encoder" not in recorded.finished.devices
        changed = replace(request.prompts, prompt="a (red:1.3) cat")
        generate(later, request_for(prompts=changed))
        assert loaded_parts(later) >= set(ENCODERS)

    def test_a_damaged_file_is_encoded_again_and_replaced(
        self, launch: Any, request_for: Any, precompiled_home: AppPaths
    ) -> None:
        picture = generate(launch(), request_for()).picture.pixels
        (file,) = (precompiled_home.cache / "embeddings").iterdir()
        whole = file.read_bytes()
        file.write_bytes(whole[: len(whole) // 2] + b"\0" + whole[len(whole) // 2 + 1 :])
        assert (generate(launch(), request_for()).picture.pixels == picture).all()
        assert file.read_bytes() == whole

    def test_a_malformed_prompt_is_reported_before_anything_is_compiled(self, launch: Any, request_for: Any) -> None:
        recorded = generate(launch(), request_for(prompts=Prompts(prompt="(cat:1.2.3)")))
        assert isinstance(recorded.last, RunFailed)
        assert isinstance(recorded.last.error, RequestError)
        assert "compiling" not in recorded.phases

    def test_what_changes_the_meaning_changes_the_name(self, tiny_checkpoint: Path) -> None:
        loaded = LoadedCheckpoint.load(tiny_checkpoint / "ov")
        keys = [CompileKey("content", "text_encoder_2", "CPU", precision="f32")]

        def name(given: Prompts, compiled_as: list[CompileKey] = keys, driver: str = "1.0") -> str:
            return prompt_cache_key(loaded, given, compiled_as, [RuntimeVersion("2026.4", driver)])

        plain = Prompts(prompt="a red cat")
        assert name(plain) == name(Prompts(prompt="a red cat", prompt_2="a red cat"))
        assert name(Prompts(prompt="a (red:1.1) cat")) == name(Prompts(prompt="a (red) cat"))
        names = [
            name(plain),
            name(Prompts(prompt="a red  dog")),
            name(Prompts(prompt="a (red:1.2) cat")),
            name(Prompts(prompt="a red BREAK cat")),
            name(replace(plain, negative_prompt="grey")),
            name(replace(plain, clip_skip=1)),
            name(plain, [replace(keys[0], precision="bf16")]),
            name(plain, [replace(keys[0], device="GPU")]),
            name(plain, [replace(keys[0], content_id="content-embedding")]),
            name(plain, driver="1.1"),
        ]
        loaded.prompt_encoder = PromptEncoder(loaded.pipe, {"cat": ((520,), (520,))})
        names.append(name(plain))
        assert len(set(names)) == len(names)

    def test_every_file_of_the_tokenizers_counts(self, tiny_checkpoint: Path, tmp_path: Path) -> None:
        folder = tmp_path / "copy"
        shutil.copytree(tiny_checkpoint / "ov", folder)
        names = {LoadedCheckpoint.load(folder).tokenizers_id}
        assert names == {LoadedCheckpoint.load(tiny_checkpoint / "ov").tokenizers_id}
        for part in ("tokenizer", "tokenizer_2"):
            (folder / part / "special_tokens_map.json").write_text('{"pad_token": "!"}')
            names.add(LoadedCheckpoint.load(folder).tokenizers_id)
        assert len(names) == 3


class TestStore:
    def pair(self, value: float) -> tuple[PromptConditioning, PromptConditioning]:
        one = PromptConditioning(torch.full((1, 77, 8), value), torch.full((1, 4), -value))
        return one, one.zeros_like()

    def test_the_least_recently_used_go_when_there_are_too_many(self, tmp_path: Path) -> None:
        store = PromptCache(tmp_path / "made when needed")
        store.put("first", self.pair(1))
        size = next(store.folder.iterdir()).stat().st_size
        store = replace(store, max_bytes=2 * size)
        store.put("second", self.pair(2))
        store.put("second", self.pair(2))
        for file in store.folder.iterdir():
            os.utime(file, (1, 1))
        assert store.get("first") is not None
        store.put("third", self.pair(3))
        assert store.get("second") is None
        kept = store.get("first")
        assert kept is not None
        assert torch.equal(kept[0].prompt_embeds, self.pair(1)[0].prompt_embeds)
        assert torch.equal(kept[0].pooled_prompt_embeds, self.pair(1)[0].pooled_prompt_embeds)
        assert not kept[1].prompt_embeds.any()

    def test_what_is_no_number_is_not_kept(self, tmp_path: Path) -> None:
        store = PromptCache(tmp_path)
        store.put("name", self.pair(float("nan")))
        assert store.get("name") is None

    def test_where_nothing_can_be_written_nothing_is_kept(self, tmp_path: Path) -> None:
        (tmp_path / "taken").write_text("a file")
        store = PromptCache(tmp_path / "taken")
        store.put("name", self.pair(1))
        assert store.get("name") is None


class TestBeside:
    def test_a_problem_while_encoding_is_reported_and_no_thread_continues(
        self, launch: Any, request_for: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        recorded = generate(launch(), request_for(prompts=Prompts(prompt="a cat", clip_skip=11)))
        assert isinstance(recorded.last, RunFailed)
        assert isinstance(recorded.last.error, RequestError)
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("compile-beside")]

    def test_a_problem_while_compiling_beside_is_reported(
        self, launch: Any, request_for: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        plain = Compiler.compile

        def refuse(self: Any, key: CompileKey, *rest: Any) -> Any:
            if key.component == "unet":
                raise EngineError("The UNet is refused.")
            return plain(self, key, *rest)

        engine = launch()
        monkeypatch.setattr(Compiler, "compile", refuse)
        last = generate(engine, request_for()).last
        assert isinstance(last, RunFailed)
        assert last.error.what == "The UNet is refused."
        monkeypatch.undo()
        generate(engine, request_for()).finished  # noqa: B018  (raises when it is none)

    @pytest.mark.parametrize("part", ["text_encoder", "unet"])
    def test_a_cancel_while_something_is_compiled_ends_the_run(self, launch: Any, request_for: Any, part: str) -> None:
        engine, cancel, events = launch(), threading.Event(), []

        def hear(event: Any) -> None:
            events.append(event)
            if isinstance(event, Progress) and event.phase is Phase.COMPILING and event.detail == part:
                cancel.set()

        engine.generate(request_for(), hear, cancel)
        assert isinstance(events[-1], RunCancelled)
        assert not [event for event in events if getattr(event, "phase", None) is Phase.DENOISING]
        assert generate(engine, request_for()).finished.pictures


class FixedBudget(MemoryBudget):
    """So many bytes are left, whatever is taken."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self._room = room

    def available_bytes(self) -> int:
        return self._room


class ReadRecorder:
    """OpenVINO's core for reading graphs; notes the graphs that were read from a file."""

    def __init__(self, files: list[Path]) -> None:
        self._files = files
        self._core = devices.core

    def read_model(self, *source: Any) -> Any:
        self._files += [one for one in source if isinstance(one, Path)]
        return self._core.read_model(*source)


def is_step(event: EngineEvent) -> bool:
    return isinstance(event, Progress) and event.phase is Phase.DENOISING and event.step > 0


BASE_AND_REFINER = (Topology.BASE, Topology.REFINER)


class TestRoom:
    def test_in_a_budget_too_small_for_anything_pictures_are_the_same_and_nothing_stays_that_can_go(
        self, launch: Any, request_for: Any
    ) -> None:
        request = request_for(count=2)
        expected = [picture.pixels for picture in generate(launch(), request).finished.pictures]
        engine = launch(1)
        got = [picture.pixels for picture in generate(engine, request).finished.pictures]
        assert all((one == other).all() for one, other in zip(got, expected, strict=True))
        assert loaded_parts(engine) == {"vae_decoder"}
        generate(engine, request_for(prompts=Prompts(prompt="new words")))
        assert loaded_parts(engine) == {"vae_decoder"}

    def test_before_a_picture_there_must_be_room_for_both_unets_when_a_refiner_follows(
        self, launch: Any, tiny_checkpoints: TinyCheckpoints, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """They draw one after the other, but the first stays in memory when it has drawn."""
        request = BUILDERS[ParityWorkflow.ENSEMBLE](tiny_checkpoints)
        size, unets = (
            request.sampling.size,
            [MemoryFootprint.from_checkpoint(tiny_checkpoints.ov(each)).unet for each in BASE_AND_REFINER],
        )
        work = DENOISING_BYTES_PER_PIXEL * size.width * size.height

        def kept_while_drawing(room: int) -> set[str]:
            monkeypatch.setattr(engine_module, "MemoryBudget", lambda _: FixedBudget(room))
            engine, seen = launch(), []
            engine.generate(
                request, lambda event: seen.append(loaded_parts(engine)) if is_step(event) else None, threading.Event()
            )
            return set(seen[0])

        assert kept_while_drawing(work + sum(unets)) >= set(ENCODERS)
        assert kept_while_drawing(work + sum(unets) - 1).isdisjoint(ENCODERS)

    def test_parts_count_by_where_they_really_lie(self, tiny_checkpoint: Path, tmp_path: Path) -> None:
        """LoRAs and another VAE put other weights in the place of the checkpoint's."""
        loaded = LoadedCheckpoint.load(tiny_checkpoint / "ov")
        assert loaded.memory_footprint == MemoryFootprint.from_checkpoint(tiny_checkpoint / "ov")
        shutil.copytree(tiny_checkpoint / "ov" / "vae_decoder", tmp_path / "larger")
        weights = tmp_path / "larger" / "openvino_model.bin"
        weights.write_bytes(weights.read_bytes() * 2)
        other = LoadedCheckpoint.load(tiny_checkpoint / "ov")
        other.pipe.vae_decoder.use_graph_from(tmp_path / "larger")
        assert other.memory_footprint == replace(
            loaded.memory_footprint, vae_decoder=2 * loaded.memory_footprint.vae_decoder
        )

    def test_a_decoder_that_has_not_run_yet_will_take_memory_for_its_weights(self) -> None:
        assert FixedBudget(1000).decode_budget(100 << 20) == MIN_DECODE_BYTES
        room = FixedBudget(2 * MIN_DECODE_BYTES)
        assert room.decode_budget(2 * MIN_DECODE_BYTES, weight_bytes=5) == 2 * MIN_DECODE_BYTES - 5
        assert room.decode_budget(MIN_DECODE_BYTES) is None
        assert room.decode_budget(MIN_DECODE_BYTES, weight_bytes=MIN_DECODE_BYTES) is not None

    def test_with_room_everything_stays(self, launch: Any, request_for: Any) -> None:
        engine = launch(10**15)
        generate(engine, request_for())
        assert loaded_parts(engine) >= {*ENCODERS, "unet", "vae_decoder"}

    def test_graphs_do_not_stay_beside_what_was_compiled_of_them(
        self, launch: Any, request_for: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        engine = launch()
        recorded = generate(engine, request_for())
        read: list[Any] = []
        monkeypatch.setattr(devices, "core", ReadRecorder(read))
        parts = pipe_of(engine).model_parts.values()
        assert len([part.model for part in parts]) == len(read), "each is read from disk when it is needed again"
        assert recorded.finished.peak_bytes > 100 << 20
