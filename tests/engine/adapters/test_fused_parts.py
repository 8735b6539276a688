"""Fused parts are made once, found again whatever the order, never trusted half written, and bounded on disk."""

from __future__ import annotations

import math
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import psutil
import pytest
from openvino import opset13 as ops

from sdxl_desktop.core.additions import LoraReference
from sdxl_desktop.core.errors import AdditionError, CheckpointError, EngineError
from sdxl_desktop.core.parts import Part
from sdxl_desktop.engine.openvino.adapters import fused_parts as cache_module
from sdxl_desktop.engine.openvino.adapters.fused_parts import FusedPartCache, fused_key
from sdxl_desktop.engine.openvino.adapters.graph_lora_fusing import fuse_loras
from sdxl_desktop.engine.openvino.part_compiler import content_id
from sdxl_desktop.formats.lora_keys import TensorRole
from sdxl_desktop.lora.reading import Lora, LoraDelta
from tests.engine.adapters.lora_files import compiled_output, max_difference, random_factors, write_kohya

PART = "text_encoder"


@pytest.fixture
def files(base: Any, tmp_path: Path) -> list[Path]:
    """Two LoRAs for the text encoders, and one for the UNet alone."""
    encoders = ["text_encoder", "text_encoder_2"]
    return [
        write_kohya(tmp_path / "a.safetensors", random_factors(base, seed=1, parts=encoders)),
        write_kohya(tmp_path / "b.safetensors", random_factors(base, seed=2, parts=encoders)),
        write_kohya(tmp_path / "c.safetensors", random_factors(base, seed=3, parts=["unet"])),
    ]


@pytest.fixture
def kept(tmp_path: Path) -> FusedPartCache:
    return FusedPartCache(tmp_path / "cache é")


@pytest.fixture
def fused(tiny_checkpoint: Path, kept: FusedPartCache, unet_config: Any) -> Any:
    def run(*loras: tuple[Path, float], parts: FusedPartCache = kept, part: str = PART, **others: Any) -> Path:
        uses = [LoraReference(file, weight) for file, weight in loras]
        return parts.fuse_part(tiny_checkpoint / "ov" / part, part, "base content", uses, unet_config, **others)

    return run


class TestOnce:
    def test_a_second_time_nothing_is_computed(
        self, fused: Any, files: list[Path], kept: FusedPartCache, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = fused((files[0], 0.5), (files[1], 1.0))
        monkeypatch.setattr(cache_module, "fuse_loras", lambda *_: pytest.fail("fused again"))
        assert fused((files[0], 0.5), (files[1], 1.0)) == first
        assert fused((files[1], 1.0), (files[0], 0.5), parts=FusedPartCache(kept.cache)) == first, "in another order"

    def test_a_copy_of_a_file_is_the_same_lora(self, fused: Any, files: list[Path], tmp_path: Path) -> None:
        copy = tmp_path / "copy.safetensors"
        shutil.copy(files[0], copy)
        assert fused((copy, 1.0)) == fused((files[0], 1.0))
        assert fused((files[0], 0.25), (copy, 0.75)) == fused((files[0], 1.0)), "twice is once with both weights"

    def test_another_weight_or_file_is_another_part(self, fused: Any, files: list[Path]) -> None:
        found = [fused((files[0], 1.0)), fused((files[0], 0.9)), fused((files[1], 1.0))]
        assert len(set(found)) == 3
        assert len({content_id(folder) for folder in found}) == 3

    def test_a_changed_file_is_noticed(self, fused: Any, files: list[Path]) -> None:
        before = fused((files[0], 1.0))
        shutil.copy(files[1], files[0])
        assert fused((files[0], 1.0)) != before

    def test_the_key_is_of_base_part_loras_weights_and_configuration(self) -> None:
        loras, config = (("a", 0.5), ("b", 1.0)), {"layers_per_block": 2, "block_out_channels": [320, 640]}
        same = fused_key("base", "unet", loras, config)
        assert fused_key("base", "unet", loras[::-1], dict(reversed(config.items()))) == same
        others = [
            fused_key("basf", "unet", loras, config),
            fused_key("base", "text_encoder", loras, config),
            fused_key("base", "unet", (("a", math.nextafter(0.5, 1)), ("b", 1.0)), config),
            fused_key("base", "unet", loras[:1], config),
            fused_key("base", "unet", loras, {**config, "layers_per_block": 1}),
            fused_key("base", "unet", loras, {**config, "block_out_channels": [320, 641]}),
        ]
        assert len({same, *others}) == 7

    @pytest.mark.parametrize("restored", [False, True], ids=["", "time restored"])
    def test_a_damaged_part_is_made_again(self, restored: bool, fused: Any, files: list[Path]) -> None:
        weights = fused((files[0], 1.0)) / "openvino_model.bin"
        before, state = weights.read_bytes(), weights.stat()
        with weights.open("r+b") as file:
            file.seek(len(before) // 2)
            file.write(bytes([before[len(before) // 2] ^ 1]))
        if restored:
            os.utime(weights, ns=(state.st_atime_ns, state.st_mtime_ns))
        assert (fused((files[0], 1.0)) / "openvino_model.bin").read_bytes() == before


class TestUntouched:
    def test_without_effect_the_part_stays_where_it_is(
        self, fused: Any, files: list[Path], tiny_checkpoint: Path, kept: FusedPartCache
    ) -> None:
        own = tiny_checkpoint / "ov" / PART
        assert fused() == own
        assert fused((files[0], 0.0)) == own
        assert fused((files[0].with_name("gone.safetensors"), 0.0)) == own, "it need not even be there"
        assert fused((files[0], 0.5), (files[0], -0.5)) == own
        assert fused((files[2], 1.0)) == own, "this one is for the UNet alone"
        assert not kept.cache.exists()

    def test_a_lora_for_another_part_makes_no_other_copy(self, fused: Any, files: list[Path]) -> None:
        assert fused((files[0], 1.0), (files[2], 0.3)) == fused((files[0], 1.0), (files[2], 0.7))

    def test_the_base_is_never_written(self, fused: Any, files: list[Path], tiny_checkpoint: Path) -> None:
        before = {file: file.read_bytes() for file in (tiny_checkpoint / "ov" / PART).iterdir()}
        folder = fused((files[0], 1.0))
        assert {file: file.read_bytes() for file in (tiny_checkpoint / "ov" / PART).iterdir()} == before
        assert (folder / "config.json").read_bytes() == before[tiny_checkpoint / "ov" / PART / "config.json"]


class TestWholeOrNotAtAll:
    def test_what_a_killed_process_left_is_discarded(
        self, fused: Any, files: list[Path], kept: FusedPartCache, inputs: Any
    ) -> None:
        good = fused((files[0], 1.0))
        expected = compiled_output(PART, good, inputs[PART])
        nobody = next(pid for pid in range(400_000, 500_000) if not psutil.pid_exists(pid))
        leftover = kept.cache / f".writing-{nobody}-abc"
        leftover.mkdir()
        (leftover / "openvino_model.xml").write_text("<net")
        weights = good / "openvino_model.bin"
        weights.write_bytes(weights.read_bytes()[:1000])
        again = fused((files[0], 1.0), parts=FusedPartCache(kept.cache))
        assert again == good
        assert (compiled_output(PART, again, inputs[PART]) == expected).all()
        assert not leftover.exists()

    def test_what_another_process_is_writing_stays(self, fused: Any, files: list[Path], kept: FusedPartCache) -> None:
        theirs = kept.cache / f".writing-{os.getppid()}-abc"
        theirs.mkdir(parents=True)
        fused((files[0], 1.0))
        assert theirs.exists()

    def test_stopped_between_layers_nothing_is_left(self, fused: Any, files: list[Path], kept: FusedPartCache) -> None:
        class Stopped(Exception):
            pass

        def stop(done: int, total: int) -> None:
            assert total == 18
            if done == 5:
                raise Stopped

        with pytest.raises(Stopped):
            fused((files[0], 1.0), on_layer=stop)
        assert list(kept.cache.iterdir()) == []

    def test_a_full_disk_is_reported(
        self, fused: Any, files: list[Path], kept: FusedPartCache, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        usage = shutil.disk_usage(kept.cache.parent)._replace(free=1000)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
        with pytest.raises(EngineError, match="GiB are needed"):
            fused((files[0], 1.0))
        assert list(kept.cache.iterdir()) == []

    def test_a_broken_base_is_reported(
        self, kept: FusedPartCache, files: list[Path], unet_config: Any, tiny_checkpoint: Path, tmp_path: Path
    ) -> None:
        shutil.copytree(tiny_checkpoint / "ov" / PART, tmp_path / "broken")
        (tmp_path / "broken" / "openvino_model.xml").write_text("<net>")
        with pytest.raises(CheckpointError):
            kept.fuse_part(tmp_path / "broken", PART, "x", [LoraReference(files[0])], unet_config)


class TestBound:
    def test_the_least_recently_used_goes_first(self, fused: Any, files: list[Path], kept: FusedPartCache) -> None:
        first, second = fused((files[0], 1.0)), fused((files[0], 0.5))
        os.utime(first / "whole.json", (1000, 1000))
        os.utime(second / "whole.json", (2000, 2000))
        assert fused((files[0], 1.0)) == first, "now the second is the older"
        size = sum(file.stat().st_size for file in first.iterdir())
        fused((files[0], 0.25), parts=FusedPartCache(kept.cache, max_bytes=int(2.5 * size)))
        assert first.exists()
        assert not second.exists()

    def test_what_is_in_use_stays_even_above_the_limit(self, fused: Any, files: list[Path], tmp_path: Path) -> None:
        small = FusedPartCache(tmp_path / "small", max_bytes=10)
        encoders = [fused((files[0], 1.0), parts=small, part=part) for part in ("text_encoder", "text_encoder_2")]
        assert all(folder.exists() for folder in encoders)
        fused((files[1], 1.0), parts=small)
        assert [folder.exists() for folder in encoders] == [False, True]


class TestGraphs:
    """Graphs that optimum-intel does not write today: weights transposed, shared, or named by the constant alone."""

    @pytest.fixture
    def lora(self, tmp_path: Path) -> Lora:
        import torch
        from safetensors.torch import save_file

        random = torch.Generator().manual_seed(0)
        tensors = {"down": torch.randn(3, 8, generator=random), "up": torch.randn(6, 3, generator=random)}
        save_file(tensors, tmp_path / "small.safetensors")
        layer = LoraDelta(
            {TensorRole.DOWN: "down", TensorRole.UP: "up"}, {TensorRole.DOWN: (3, 8), TensorRole.UP: (6, 3)}, scale=0.5
        )
        return Lora(tmp_path / "small.safetensors", {Part.UNET: {"proj": layer}})

    @staticmethod
    def run(model: ov.Model, values: np.ndarray) -> list[np.ndarray]:
        compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        return list(compiled([values]).values())

    @pytest.mark.parametrize("transposed", [False, True])
    @pytest.mark.parametrize("named_by", ["node", "constant"])
    @pytest.mark.parametrize("shared", [False, True])
    @pytest.mark.parametrize("stored", [np.float32, np.float16])
    def test_the_difference_is_added(
        self, transposed: bool, named_by: str, shared: bool, stored: Any, lora: Lora
    ) -> None:
        random = np.random.default_rng(1)
        weight = random.normal(size=(8, 6) if transposed else (6, 8)).astype(stored)
        values = random.normal(size=(2, 8)).astype(np.float32)
        data = ops.parameter([-1, 8], np.float32)
        constant = ops.constant(weight)
        constant.set_friendly_name("self.proj.weight" if named_by == "constant" else "Constant_12")
        read = constant if stored is np.float32 else ops.convert(constant, "f32")
        product = ops.matmul(data, read, False, not transposed)
        product.set_friendly_name("__module.model.proj/aten::linear/MatMul" if named_by == "node" else "MatMul_7")
        results = [product]
        if shared:
            results.append(ops.matmul(data, read, False, not transposed))
            results[1].set_friendly_name("__module.another/aten::linear/MatMul")
        model = ov.Model(results, [data], "graph")
        before = self.run(model, values)
        assert fuse_loras(model, Part.UNET, [(lora, 2.0)]) == 1
        after = self.run(model, values)
        with lora.open_tensors() as tensors:
            down, up = tensors.get_tensor("down").numpy(), tensors.get_tensor("up").numpy()
        expected = values @ (up @ down).T * 2.0 * 0.5
        assert max_difference(after[0] - before[0], expected) < 0.02
        assert np.abs(expected).max() > 1
        if shared:
            assert (after[1] == before[1]).all(), "another layer with the same weights is not this one"

    def test_a_graph_that_does_not_name_the_layer_is_refused(self, lora: Lora) -> None:
        data = ops.parameter([-1, 8], np.float32)
        model = ov.Model([ops.matmul(data, ops.constant(np.ones((6, 8), np.float32)), False, True)], [data], "graph")
        with pytest.raises(AdditionError, match="does not name"):
            fuse_loras(model, Part.UNET, [(lora, 1.0)])

    def test_a_graph_of_another_width_is_refused(self, lora: Lora) -> None:
        data = ops.parameter([-1, 9], np.float32)
        product = ops.matmul(data, ops.constant(np.ones((6, 9), np.float32)), False, True)
        product.set_friendly_name("__module.proj/aten::linear/MatMul")
        with pytest.raises(AdditionError, match=r"6×8.*6×9"):
            fuse_loras(ov.Model([product], [data], "graph"), Part.UNET, [(lora, 1.0)])

    def test_a_weight_too_large_for_f16_is_refused(self, lora: Lora) -> None:
        data = ops.parameter([-1, 8], np.float32)
        constant = ops.constant(np.full((6, 8), 65000, np.float16))
        product = ops.matmul(data, ops.convert(constant, "f32"), False, True)
        product.set_friendly_name("__module.proj/aten::linear/MatMul")
        with pytest.raises(AdditionError, match="nearer to 0"):
            fuse_loras(ov.Model([product], [data], "graph"), Part.UNET, [(lora, 1e4)])


class TestTextWeight:
    def test_the_text_encoders_have_a_weight_of_their_own(
        self, tiny_checkpoint: Path, kept: FusedPartCache, fused: Any, files: list[Path], unet_config: Any
    ) -> None:
        both = LoraReference(files[0], 0.8, text_weight=0.3)
        made = kept.fuse_part(tiny_checkpoint / "ov" / PART, PART, "base content", [both], unet_config)
        assert made == fused((files[0], 0.3))
        only_unet = LoraReference(files[0], 0.8, text_weight=0.0)
        assert (
            kept.fuse_part(tiny_checkpoint / "ov" / PART, PART, "base content", [only_unet], unet_config)
            == tiny_checkpoint / "ov" / PART
        )
        unet = LoraReference(files[2], 0.8, text_weight=0.0)
        changed = kept.fuse_part(tiny_checkpoint / "ov" / "unet", "unet", "base content", [unet], unet_config)
        assert changed == fused((files[2], 0.8), part="unet")
