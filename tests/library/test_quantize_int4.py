"""Weights in 4 bits: which are, how exact they are, that they are NNCF's, and that memory stays small."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from sdxl_desktop.library.convert import weight_compression
from sdxl_desktop.library.convert.memmap_buffer import MemmapBuffer
from sdxl_desktop.library.convert.weight_format import WeightFormat
from tests.typed import not_none

Bring = Callable[[str, WeightFormat], Path]


def constants(graph: Any) -> dict[str, Any]:
    return {node.get_friendly_name(): node for node in graph.get_ops() if node.get_type_name() == "Constant"}


def by_group(node: Any) -> Any:
    """The numbers in [-8, 7] of a constant of 4-bit numbers, two in each byte."""
    packed = np.asarray(node.get_data()).view(np.uint8).ravel()
    low, high = (packed & 15).astype(np.int8), (packed >> 4).astype(np.int8)
    numbers = np.stack([low, high], axis=1).ravel()
    return np.where(numbers > 7, numbers - 16, numbers).reshape([*node.get_output_shape(0)])


@pytest.fixture(scope="module")
def unet(imported: Bring) -> Path:
    return imported("torch", WeightFormat.FP32) / "unet" / "openvino_model.xml"


@pytest.fixture(scope="module")
def compressed(unet: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The UNet in 4 bits, as it lies on the disk."""
    import warnings

    folder = tmp_path_factory.mktemp("four")
    model = ov.Core().read_model(unet)
    weights = weight_compression.find_weights(model)
    done: list[int] = []
    with warnings.catch_warnings(), MemmapBuffer(folder / "spool", weight_compression.buffer_bytes(weights)) as spool:
        warnings.simplefilter("ignore")  # "not writable": nothing writes to it
        weight_compression.compress_to_int4(model, weights, spool, done.append)
        assert sum(done) == sum(weight.count for weight in weights)
        ov.save_model(model, folder / "openvino_model.xml", compress_to_fp16=False)
    return ov.Core().read_model(folder / "openvino_model.xml")


def test_transformers_are_in_4_bits_and_what_is_sensitive_in_8(compressed: Any) -> None:
    kinds = {
        name: node.get_output_element_type(0).get_type_name()
        for name, node in constants(compressed).items()
        if name.endswith(("weight", "weight_compressed"))
    }
    in_four = {name for name, kind in kinds.items() if kind == "i4"}
    assert any(".attn2.to_k." in name for name in in_four)
    assert any(".ff.net." in name for name in in_four)
    sensitive = ("time_emb", "add_embedding", "conv_in", "conv_out", "proj_in", "proj_out", ".conv1.", ".conv2.")
    assert [name for name in in_four if any(part in name for part in sensitive)] == []
    for part in sensitive[:6]:
        assert {kinds[name] for name in kinds if part in name and ".norm" not in name} == {"u8"}, part


def test_each_weight_is_within_its_groups_rounding(unet: Path, compressed: Any) -> None:
    """Half a step, but a whole one for a number that would be 8 steps: there are only 7 on that side."""
    before, after = constants(ov.Core().read_model(unet)), constants(compressed)
    checked = 0
    for name, node in after.items():
        if node.get_output_element_type(0).get_type_name() != "i4":
            continue
        numbers, scale = by_group(node), after[f"{name}/scale"].data.astype(np.float32)
        exact = before[name].data.astype(np.float32).reshape(numbers.shape)
        apart = np.abs(numbers * scale - exact)
        bound = np.where(numbers == 7, 1.0, 0.5) * np.abs(scale) + np.abs(exact) * 2**-10  # the last: scales are f16
        assert (apart <= bound + 1e-7).all(), name
        assert (np.abs(numbers).max(axis=2) == 8).all(), "each group uses its whole range"
        checked += numbers.size
    assert checked > 50_000


def test_they_are_nncfs(unet: Path, compressed: Any) -> None:
    import nncf

    theirs = constants(
        nncf.compress_weights(
            ov.Core().read_model(unet),
            mode=nncf.CompressWeightsMode.INT4_SYM,
            ratio=1.0,
            group_size=64,
            advanced_parameters=nncf.AdvancedCompressionParameters(
                group_size_fallback_mode=nncf.GroupSizeFallbackMode.ADJUST
            ),
        )
    )
    compared = 0
    for name, node in constants(compressed).items():
        other = theirs.get(name)
        both = [found.get_output_element_type(0).get_type_name() for found in (node, other) if found is not None]
        if both == ["i4", "i4"] and node.get_output_shape(0) == not_none(other).get_output_shape(0):
            assert np.array_equal(by_group(node), by_group(other)), name
            compared += 1
    assert compared > 5


def test_it_computes_nearly_the_same(unet: Path, compressed: Any) -> None:
    from tests.library.test_import import inputs

    core, exactly = ov.Core(), {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0"}
    graph = core.read_model(unet)
    fed = inputs(graph)
    exact, found = (core.compile_model(it, "CPU", exactly)(fed)[0] for it in (graph, compressed))
    assert 0 < np.abs(found - exact).mean() < 0.2 * exact.std()


def _big_graph(file: Path) -> None:
    tokens = flow = ops.parameter([-1, -1, 2048], ov.Type.f32)
    table = np.random.default_rng(0).standard_normal((2048, 2048)).astype(np.float16)
    for number in range(32):
        weights = ops.constant(np.roll(table, number, 0), name=f"w{number}")
        flow = ops.matmul(flow, ops.convert(weights, ov.Type.f32), False, True)
    ov.save_model(ov.Model([flow], [tokens]), file, compress_to_fp16=False)


_COMPRESS = """
import sys, warnings
warnings.simplefilter("ignore")
import openvino as ov, psutil, os
from pathlib import Path
from sdxl_desktop.library.convert import weight_compression
from sdxl_desktop.library.convert.memmap_buffer import MemmapBuffer
from sdxl_desktop.workers.memory import process_memory
from sdxl_desktop.workers.memory import MemoryWatch
folder = Path(sys.argv[1])
model = ov.Core().read_model(folder / "big.xml")
weights = weight_compression.find_weights(model)
before = process_memory(psutil.Process())
with MemoryWatch(os.getpid) as watch, MemmapBuffer(folder / "spool", weight_compression.buffer_bytes(weights)) as spool:
    weight_compression.compress_to_int4(model, weights, spool, lambda count: None)
    weights.clear()
    ov.save_model(model, folder / "small.xml", compress_to_fp16=False)
print(watch.peak - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory that mirrors files is told apart on Linux only")
@pytest.mark.slow
def test_memory_stays_small_however_many_weights_there_are(tmp_path: Path) -> None:
    """134 million weights, 268 MB: neither they nor what they become, 71 MB, is held."""
    _big_graph(tmp_path / "big.xml")
    compress = [sys.executable, "-c", _COMPRESS, str(tmp_path)]
    done = subprocess.run(compress, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 60e6
    assert (tmp_path / "small.bin").stat().st_size < 0.28 * (tmp_path / "big.bin").stat().st_size
