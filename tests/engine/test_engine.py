"""What the OpenVINO engine promises beyond the pixels: repeatable, lazy, watchable, honest about failure."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
import torch

from sdxl_desktop.core.errors import CheckpointError, DeviceError, EngineError, RequestError
from sdxl_desktop.core.events import Phase, PictureFinished, Preview, Progress, RunFailed
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.request import OutputOptions, Prompts
from sdxl_desktop.core.schedulers import SchedulerName
from sdxl_desktop.engine.compile_key import CompileKey, CompileTimes
from sdxl_desktop.engine.openvino import devices, part_compiler
from sdxl_desktop.engine.openvino.engine import OpenVinoEngine
from sdxl_desktop.engine.openvino.interruptible_request import Interrupt, Interrupted, InterruptibleInferRequest
from sdxl_desktop.engine.openvino.latent_preview import PreviewMap
from sdxl_desktop.engine.openvino.loaded_checkpoint import LoadedCheckpoint
from tests.engine.conftest import SIZE, generate
from tests.engine.scheduler_cases import scheduler_params
from tests.typed import not_none


def error_of(engine: Any, request: Any) -> Any:
    last = generate(engine, request).last
    assert isinstance(last, RunFailed), last
    return last.error


class TestRepeatability:
    def test_the_same_request_gives_the_same_bits(self, engine: Any, request_for: Any) -> None:
        first = generate(engine, request_for(seed=11, scheduler=SchedulerName.EULER_ANCESTRAL)).picture.pixels
        generate(engine, request_for(seed=12))
        again = generate(engine, request_for(seed=11, scheduler=SchedulerName.EULER_ANCESTRAL)).picture.pixels
        assert (first == again).all()

    @pytest.mark.parametrize("scheduler", [SchedulerName.EULER_ANCESTRAL, SchedulerName.DPMPP_SDE])
    def test_a_batch_is_single_runs_of_consecutive_seeds(self, scheduler: Any, engine: Any, request_for: Any) -> None:
        recorded = generate(engine, request_for(seed=20, count=3, scheduler=scheduler))
        assert [event.picture.seed for event in recorded.of_type(PictureFinished)] == [20, 21, 22]
        for picture in recorded.finished.pictures:
            single = generate(engine, request_for(seed=picture.seed, scheduler=scheduler)).picture
            assert (single.pixels == picture.pixels).all()

    def test_each_picture_can_have_a_prompt_of_its_own(self, engine: Any, request_for: Any) -> None:
        prompts = tuple(Prompts(prompt=words, negative_prompt=f"no {words}") for words in ("cat", "dog", "dog"))
        several = replace(request_for(seed=24, count=3), prompts=prompts[0], picture_prompts=prompts)
        for picture, words in zip(generate(engine, several).finished.pictures, prompts, strict=True):
            single = generate(engine, request_for(seed=picture.seed, prompts=words)).picture
            assert (single.pixels == picture.pixels).all()

    def test_preview_changes_nothing(self, engine: Any, request_for: Any) -> None:
        with_preview = generate(engine, request_for(preview=True)).picture.pixels
        assert (with_preview == generate(engine, request_for(preview=False)).picture.pixels).all()


class TestNothingTwice:
    def test_another_seed_or_prompt_neither_loads_nor_compiles(
        self, engine: Any, request_for: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        generate(engine, request_for(prompts=Prompts(prompt="words that nothing has encoded yet")))
        monkeypatch.setattr(LoadedCheckpoint, "load", lambda folder: pytest.fail("loaded again"))
        monkeypatch.setattr(part_compiler.Compiler, "compile", lambda *_: pytest.fail("compiled again"))
        recorded = generate(engine, request_for(seed=99, prompts=Prompts(prompt="another")))
        assert recorded.phases == ["encoding", "denoising", "decoding"]

    def test_a_prompt_once_encoded_is_not_encoded_again(self, engine: Any, request_for: Any) -> None:
        generate(engine, request_for(prompts=Prompts(prompt="kept words")))
        encoder = engine.loaded[0].pipe.text_encoder_2
        encoder.request.last_outputs = None
        generate(engine, request_for(seed=3, prompts=Prompts(prompt="kept words")))
        assert encoder.request.last_outputs is None
        generate(engine, request_for(prompts=Prompts(prompt="new words")))
        assert encoder.request.last_outputs is not None

    def test_a_new_engine_takes_compiled_parts_from_disk(
        self, engine: Any, engine_home: AppPaths, request_for: Any
    ) -> None:
        generate(engine, request_for())
        fresh = OpenVinoEngine(engine_home)
        recorded = generate(fresh, request_for())
        assert fresh.loaded
        assert fresh.loaded[0].pipe.unet.request.compiled.get_property("LOADED_FROM_CACHE")
        compiling = [event for event in recorded.of_type(Progress) if event.phase is Phase.COMPILING]
        assert compiling
        assert all(event.seconds_left is not None for event in compiling), "past durations give an estimate"
        fresh.close()

    def test_a_blob_that_a_killed_compilation_left_is_discarded(
        self, engine: Any, engine_home: AppPaths, request_for: Any
    ) -> None:
        picture = generate(engine, request_for()).picture
        for folder in engine_home.compiled.iterdir():
            (folder / ".unfinished").touch()
            for blob in folder.glob("*.blob"):
                start = blob.read_bytes()[:1000]
                blob.unlink()  # the other engine may have it mapped, and would crash if its file were shortened
                blob.write_bytes(start)
        fresh = OpenVinoEngine(engine_home)
        assert (generate(fresh, request_for()).picture.pixels == picture.pixels).all()
        fresh.close()

    def test_changed_weights_are_noticed(self, tiny_checkpoint: Path, tmp_path: Path) -> None:
        copy = tmp_path / "unet"
        shutil.copytree(tiny_checkpoint / "ov" / "unet", copy)
        before = part_compiler.content_id(copy)
        assert before == part_compiler.content_id(tiny_checkpoint / "ov" / "unet")
        weights = bytearray((copy / "openvino_model.bin").read_bytes())
        weights[len(weights) // 2] ^= 1
        (copy / "openvino_model.bin").write_bytes(weights)
        assert part_compiler.content_id(copy) != before

    def test_compile_times_survive_restarts_and_damage(self, tmp_path: Path) -> None:
        times = CompileTimes(tmp_path / "times.json")
        key = CompileKey("abc", "unet", "CPU")
        assert times.expected_seconds(key) is None
        times.record(key, 2.5)
        assert CompileTimes(tmp_path / "times.json").expected_seconds(key) == 2.5
        assert times.total_seconds([key, CompileKey("abc", "unet", "GPU")]) is None
        (tmp_path / "times.json").write_text("{broken")
        assert times.expected_seconds(key) is None


class TestWatching:
    def test_phases_come_in_order_and_devices_are_reported(self, precompiled_home: AppPaths, request_for: Any) -> None:
        recorded = generate(OpenVinoEngine(precompiled_home), request_for())
        assert recorded.phases == ["loading", "compiling", "encoding", "denoising", "decoding"]
        assert recorded.finished.devices == dict.fromkeys(
            ("text_encoder", "text_encoder_2", "unet", "vae_decoder"), "CPU"
        )
        assert recorded.finished.timings.compile > 0

    @pytest.mark.parametrize("scheduler", scheduler_params())
    def test_every_step_is_counted_once_as_the_user_counts(self, scheduler: Any, engine: Any, request_for: Any) -> None:
        recorded = generate(engine, request_for(scheduler=scheduler, steps=4))
        steps = [event for event in recorded.of_type(Progress) if event.phase is Phase.DENOISING and event.step]
        assert {event.total for event in steps} == {4}
        assert sorted({event.step for event in steps}) == [1, 2, 3, 4]
        assert steps[-1].fraction == 1
        assert all(event.seconds_per_step > 0 and event.seconds_left >= 0 for event in steps)

    def test_previews_are_small_and_can_be_turned_off(self, engine: Any, request_for: Any) -> None:
        previews = generate(engine, request_for(preview=True, steps=4)).of_type(Preview)
        assert len(previews) == 4
        assert previews[0].pixels.shape == (SIZE.height // 8, SIZE.width // 8, 3)
        assert not generate(engine, request_for(preview=False)).of_type(Preview)

    @pytest.mark.parametrize("scheduler", [SchedulerName.EULER, SchedulerName.DDIM, SchedulerName.HEUN])
    def test_the_last_preview_shows_the_finished_latents(
        self, scheduler: Any, engine: Any, request_for: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Schedulers that end at zero noise end at what the UNet believes in: the estimate must be just that."""
        estimates: list[Any] = []
        pixels = PreviewMap.pixels

        def watched(self: PreviewMap, latents: Any) -> Any:
            estimates.append(latents)
            return pixels(self, latents)

        monkeypatch.setattr(PreviewMap, "pixels", watched)
        request = replace(
            request_for(scheduler=scheduler, steps=6, preview=True), output=OutputOptions(keep_latents="final")
        )
        final = not_none(generate(engine, request).picture.latents).final
        # DDIM ends one training step before zero noise.
        assert np.abs(estimates[-1] - final).max() < 0.05 * np.abs(final).max()


class TestFailure:
    def test_a_missing_device_names_those_there_are(self, engine: Any, request_for: Any) -> None:
        error = error_of(engine, request_for(device="NPU"))
        assert isinstance(error, DeviceError)
        assert all(device.name in error.why for device in devices.available_devices())

    def test_a_folder_without_a_checkpoint(self, engine: Any, request_for: Any, tmp_path: Path) -> None:
        error = error_of(engine, request_for(checkpoint=tmp_path))
        assert isinstance(error, CheckpointError)
        assert str(tmp_path) in error.what

    def test_a_broken_part(self, engine: Any, request_for: Any, tiny_checkpoint: Path, tmp_path: Path) -> None:
        shutil.copytree(tiny_checkpoint / "ov", tmp_path / "broken")
        (tmp_path / "broken" / "unet" / "openvino_model.xml").write_text("<net>")
        assert isinstance(error_of(engine, request_for(checkpoint=tmp_path / "broken")), CheckpointError)

    @pytest.mark.parametrize(
        ("scheduler", "steps"), [(SchedulerName.LCM, 60)], ids=["more steps than the scheduler has"]
    )
    def test_steps_that_a_scheduler_cannot_run(self, scheduler: Any, steps: int, engine: Any, request_for: Any) -> None:
        error = error_of(engine, request_for(scheduler=scheduler, steps=steps))
        assert isinstance(error, RequestError)
        assert scheduler.label in error.what

    @pytest.mark.parametrize("scheduler", scheduler_params())
    def test_one_step_is_enough_for_a_picture(self, scheduler: Any, engine: Any, request_for: Any) -> None:
        recorded = generate(engine, request_for(scheduler=scheduler, steps=1))
        assert not isinstance(recorded.last, RunFailed), recorded.last
        assert recorded.picture.pixels.std() > 1

    def test_black_is_decoded_again_in_32_bits_from_the_kept_latents(
        self, engine: Any, request_for: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from dataclasses import replace

        exact = request_for()
        request = replace(exact, execution=replace(exact.execution, precision="auto"))
        expected = generate(engine, request).picture.pixels
        call = InterruptibleInferRequest.__call__

        def faulty(self: Any, inputs: Any) -> Any:
            outputs = call(self, inputs)
            if "latent_sample" in inputs and not engine.loaded[0].needs_f32_decoder:
                for value in outputs.values():
                    value[...] = np.nan
            return outputs

        monkeypatch.setattr(InterruptibleInferRequest, "__call__", faulty)
        picture = generate(engine, request).picture
        assert "32-bit" in picture.notes[0]
        # "auto" may be bf16 on this processor, so the 32-bit decode differs by a few shades at most
        assert np.abs(picture.pixels.astype(int) - expected).max() <= 12
        engine.close()

    @pytest.mark.parametrize("factor", [np.nan, 0.0], ids=["not a number", "black"])
    def test_a_vae_that_never_gives_a_picture_is_reported(
        self, factor: float, engine: Any, request_for: Any, tiny_checkpoint: Path, tmp_path: Path
    ) -> None:
        folder = tmp_path / "bad-vae"
        shutil.copytree(tiny_checkpoint / "ov", folder)
        model = ov.Core().read_model(tiny_checkpoint / "ov" / "vae_decoder" / "openvino_model.xml")
        result = model.get_results()[0]
        scaled = ov.opset13.multiply(result.input_value(0), ov.opset13.constant(np.float32(factor)))
        lowered = ov.opset13.subtract(scaled, ov.opset13.constant(np.float32(1)))
        result.input(0).replace_source_output(lowered.output(0))
        ov.save_model(model, folder / "vae_decoder" / "openvino_model.xml", compress_to_fp16=False)
        error = error_of(engine, request_for(checkpoint=folder))
        assert isinstance(error, EngineError)
        assert "black" in error.what
        assert error.next_step


class TestInterrupt:
    def test_an_inference_stops_in_its_middle_and_the_part_stays_usable(self) -> None:
        """64 matrix products run for seconds; the stop must come from within, since nothing else polls."""
        data = ov.opset13.parameter([1024, 1024], ov.Type.f32)
        data.output(0).set_names({"x"})
        weight = np.random.default_rng(0).normal(0, 0.03, (1024, 1024)).astype(np.float32)
        node: Any = data
        for n in range(64):
            node = ov.opset13.matmul(node, ov.opset13.constant(weight + n * 1e-6), False, False)
        compiled = ov.Core().compile_model(ov.Model([node], [data], "long"), "CPU")
        interrupt = Interrupt()
        request = InterruptibleInferRequest(compiled, interrupt)
        inputs = {"x": np.ones((1024, 1024), np.float32)}

        class AfterTheStart:
            """Set from the second check on: the first is before the inference starts."""

            looks = 0

            def is_set(self) -> bool:
                self.looks += 1
                return self.looks > 1

        interrupt.token = AfterTheStart()
        with pytest.raises(Interrupted):
            request(inputs)
        assert request.last_outputs is None
        interrupt.token = type("Never", (), {"is_set": lambda self: False})()
        assert np.isfinite(request(inputs)[0]).all()

    def test_inputs_are_taken_as_they_come(self) -> None:
        """In any type, as numbers where the part reads one for each row, and again when another object is handed in."""
        ports = {"sample": ov.opset13.parameter([-1, 2]), "timestep": ov.opset13.parameter([-1])}
        for name, port in ports.items():
            port.output(0).set_names({name})
        total = ov.opset13.add(ports["sample"], ov.opset13.unsqueeze(ports["timestep"], np.array(1)))
        compiled = ov.Core().compile_model(ov.Model([total], list(ports.values()), "sum"), "CPU")
        request = InterruptibleInferRequest(compiled, Interrupt())
        sample = np.arange(4, dtype=np.float64).reshape(2, 2).T
        assert (request({"sample": sample, "timestep": torch.tensor(3)})[0] == sample + 3).all()
        assert (request({"sample": sample, "timestep": np.float32(5)})[0] == sample + 5).all()
        assert (request({"sample": sample[:1] + 1, "timestep": np.array([7])})[0] == sample[:1] + 8).all()
        with pytest.raises(EngineError):
            request({"sample": np.ones((1, 3)), "timestep": 0})
