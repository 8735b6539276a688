"""Parts with LoRAs fused equal diffusers with the same LoRAs in torch, whatever the layout and the precision."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nncf
import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from sdxl_desktop.core.additions import LoraReference
from sdxl_desktop.core.parts import Part
from sdxl_desktop.engine.openvino.adapters.fused_parts import FusedPartCache
from sdxl_desktop.engine.openvino.adapters.graph_lora_fusing import find_layer_nodes, fuse_loras
from sdxl_desktop.lora.reading import read_lora
from tests.engine.adapters.lora_files import (
    PARTS,
    compiled_output,
    lora_layers,
    max_difference,
    random_factors,
    write_kohya,
    write_legacy_diffusers,
    write_peft,
)

EXACT = 1e-4
VISIBLE = 0.05

LAYOUTS: dict[str, Callable[[Path, Any], Path]] = {
    "diffusers with alpha in its header": lambda file, difference: write_peft(file, difference, alpha=3.0),
    "kohya": write_kohya,
}


@pytest.fixture
def fused(tiny_checkpoint: Path, tmp_path: Path, contents: Any, unet_config: Any, inputs: Any) -> Callable[..., Any]:
    """The outputs of all parts with (file, weight) LoRAs fused by us."""

    def compute(*loras: tuple[Path, float], checkpoint: Path = tiny_checkpoint / "ov") -> dict[str, np.ndarray]:
        cache = FusedPartCache(tmp_path / "fused")
        uses = [LoraReference(file, weight) for file, weight in loras]
        folders = {
            part: cache.fuse_part(checkpoint / part, part, contents[part] + checkpoint.name, uses, unet_config)
            for part in PARTS
        }
        return {part: compiled_output(part, folders[part], inputs[part]) for part in PARTS}

    return compute


def assert_equal(ours: Any, theirs: Any, before: Any, changed: tuple[str, ...] = PARTS) -> None:
    for part in PARTS:
        assert max_difference(ours[part], theirs[part]) <= EXACT, part
        effect = max_difference(theirs[part], before[part])
        assert effect > VISIBLE if part in changed else effect == 0, f"{part} must show what the LoRA does"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_equals_diffusers(
    layout: str, base: Any, tmp_path: Path, fused: Any, reference: Any, base_outputs: Any
) -> None:
    file = LAYOUTS[layout](tmp_path / "lora.safetensors", random_factors(base))
    assert_equal(fused((file, 1.0)), reference((file, 1.0)), base_outputs)


def test_without_an_alpha_the_scale_is_1(
    base: Any, tmp_path: Path, fused: Any, reference: Any, base_outputs: Any
) -> None:
    """One rank throughout: with several and no alpha, diffusers takes the first layer's rank for every alpha."""
    file = write_peft(tmp_path / "lora.safetensors", random_factors(base, ranks=[4]))
    assert_equal(fused((file, 1.0)), reference((file, 1.0)), base_outputs)


def test_the_old_layout_of_diffusers_equals_todays(
    base: Any, tmp_path: Path, fused: Any, reference: Any, base_outputs: Any
) -> None:
    difference = random_factors(base, convolutions=False, ranks=[4])
    old = write_legacy_diffusers(tmp_path / "old.safetensors", difference)
    new = write_peft(tmp_path / "new.safetensors", difference)
    assert_equal(fused((old, 1.0)), reference((new, 1.0)), base_outputs)


def test_two_loras_with_weights_one_of_them_inverted(
    base: Any, tmp_path: Path, fused: Any, reference: Any, base_outputs: Any
) -> None:
    first = write_kohya(tmp_path / "first.safetensors", random_factors(base, seed=1))
    second = write_peft(tmp_path / "second.safetensors", random_factors(base, seed=2, ranks=[6]))
    both = ((first, 0.7), (second, -0.3))
    ours = fused(*both)
    assert_equal(ours, reference(*both), base_outputs)
    swapped = reference((first, -0.3), (second, 0.7))
    assert max_difference(ours["unet"], swapped["unet"]) > VISIBLE, "the weights must not be exchangeable"


@pytest.mark.slow
def test_an_lcm_lora_changes_the_unet_alone(
    base: Any, tmp_path: Path, fused: Any, reference: Any, base_outputs: Any
) -> None:
    difference = random_factors(base, parts=["unet"])
    file = write_kohya(tmp_path / "lcm.safetensors", difference, alpha=8.0)
    assert_equal(fused((file, 1.0)), reference((file, 1.0)), base_outputs, changed=("unet",))


@pytest.fixture
def in_f16(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    core = ov.Core()
    for part in PARTS:
        model = core.read_model(tiny_checkpoint / "ov" / part / "openvino_model.xml")
        ov.save_model(model, tmp_path / "f16" / part / "openvino_model.xml", compress_to_fp16=True)
    return tmp_path / "f16"


def test_f16_weights_stay_f16(
    in_f16: Path, base: Any, tmp_path: Path, fused: Any, reference: Any, base_outputs: Any
) -> None:
    file = write_kohya(tmp_path / "lora.safetensors", random_factors(base))
    ours, theirs = fused((file, 1.0), checkpoint=in_f16), reference((file, 1.0))
    for part in PARTS:
        error = max_difference(ours[part], theirs[part])
        assert error < 0.01 * max_difference(theirs[part], base_outputs[part]), part
    kept = next((tmp_path / "fused").glob("unet-*"))
    size, before = ((folder / "openvino_model.bin").stat().st_size for folder in (kept, in_f16 / "unet"))
    assert size == pytest.approx(before, rel=0.01)


COMPRESSIONS = {
    "int8, asymmetric": {"mode": nncf.CompressWeightsMode.INT8_ASYM},
    "int8, symmetric": {"mode": nncf.CompressWeightsMode.INT8_SYM},
    "int4 in groups, symmetric": {"mode": nncf.CompressWeightsMode.INT4_SYM, "group_size": 16, "ratio": 1.0},
    "int4 in groups, asymmetric": {"mode": nncf.CompressWeightsMode.INT4_ASYM, "group_size": 16, "ratio": 1.0},
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("part", "compression"),
    [
        pytest.param("unet", "int8, asymmetric", marks=pytest.mark.slow),
        pytest.param("unet", "int4 in groups, asymmetric", marks=pytest.mark.slow),
        ("text_encoder_2", "int8, symmetric"),
        ("text_encoder_2", "int4 in groups, symmetric"),
    ],
)
def test_compressed_weights_keep_the_whole_lora(
    part: str, compression: str, tiny_checkpoint: Path, tmp_path: Path, base: Any, unet_config: Any, inputs: Any
) -> None:
    """The reference has the same quantised base, unpacked to f32, and the LoRA added to that exactly."""
    core = ov.Core()
    model = nncf.compress_weights(
        core.read_model(tiny_checkpoint / "ov" / part / "openvino_model.xml"), **COMPRESSIONS[compression]
    )
    ov.save_model(model, tmp_path / "compressed.xml", compress_to_fp16=False)
    lora = read_lora(write_kohya(tmp_path / "lora.safetensors", random_factors(base)), unet_config)
    before = compiled_output(part, core.read_model(tmp_path / "compressed.xml"), inputs[part])

    exact = core.read_model(tmp_path / "compressed.xml")
    decompress(exact, set(lora.weight_deltas[Part(part)]))
    fuse_loras(exact, Part(part), [(lora, 0.8)])
    ours = core.read_model(tmp_path / "compressed.xml")
    assert fuse_loras(ours, Part(part), [(lora, 0.8)]) == len(lora.weight_deltas[Part(part)])
    ov.save_model(ours, tmp_path / "fused.xml", compress_to_fp16=False)

    expected = compiled_output(part, exact, inputs[part])
    error = max_difference(compiled_output(part, core.read_model(tmp_path / "fused.xml"), inputs[part]), expected)
    assert error < 0.005 * max_difference(expected, before)
    added = (tmp_path / "fused.bin").stat().st_size - (tmp_path / "compressed.bin").stat().st_size
    factors = sum(
        layer.rank * sum(np.prod(s[1:]) for s in layer.shapes.values())
        for layer in lora_layers(lora, Part(part)).values()
    )
    assert added < 3 * factors + 100_000, "the compressed weights must stay compressed"


def decompress(model: ov.Model, layers: set[str]) -> None:
    """Replace the compressed weights of `layers` by f32 constants of the same values."""
    nodes = [weighing.node for name, found in find_layer_nodes(model).items() if name in layers for weighing in found]
    values = ov.Core().compile_model(
        ov.Model([ops.result(node.input_value(1)) for node in nodes], [], "weights"),
        "CPU",
        {"INFERENCE_PRECISION_HINT": "f32"},
    )({})
    for n, node in enumerate(nodes):
        node.input(1).replace_source_output(ops.constant(np.array(values[n])).output(0))
