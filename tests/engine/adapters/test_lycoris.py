"""LoHa, LoKr, (IA)³, DoRA and full differences, fused, equal PEFT or plain torch with the same numbers."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nncf
import numpy as np
import openvino as ov
import pytest
import torch
from peft import IA3Config, LoHaConfig, LoKrConfig, LoraConfig, inject_adapter_in_model
from safetensors.torch import save_file

from sdxl_desktop.core.errors import AdditionError
from sdxl_desktop.core.parts import Part
from sdxl_desktop.engine.openvino.adapters.graph_lora_fusing import fuse_loras
from sdxl_desktop.lora.reading import read_lora
from tests.engine.adapters.conftest import load_checkpoint
from tests.engine.adapters.lora_files import compiled_output, max_difference, torch_output
from tests.engine.adapters.test_lora_parity import EXACT, VISIBLE, decompress

Q = "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"
V = "mid_block.attentions.0.transformer_blocks.0.attn2.to_v"
FF = "mid_block.attentions.0.transformer_blocks.0.ff.net.2"
CONV = "down_blocks.0.resnets.0.conv1"
SHORTCUT = "down_blocks.1.resnets.0.conv_shortcut"
ALL_LAYERS = [Q, V, FF, CONV, SHORTCUT]
KINDS: dict[str, Any] = {
    "LoHa": LoHaConfig(r=3, alpha=2, target_modules=ALL_LAYERS),
    "LoHa in Tucker's form": LoHaConfig(r=3, alpha=2, target_modules=ALL_LAYERS, use_effective_conv2d=True),
    "LoKr": LoKrConfig(r=2, alpha=3, target_modules=ALL_LAYERS, decompose_factor=4),
    "LoKr, both decomposed": LoKrConfig(
        r=2, alpha=3, target_modules=ALL_LAYERS, decompose_both=True, decompose_factor=8
    ),
    "LoKr in Tucker's form": LoKrConfig(r=2, alpha=3, target_modules=ALL_LAYERS, use_effective_conv2d=True),
    "LoKr, whole": LoKrConfig(r=999, alpha=999, target_modules=ALL_LAYERS, decompose_factor=4),
    "(IA)³": IA3Config(target_modules=[Q, V, FF], feedforward_modules=[FF]),
    "DoRA": LoraConfig(r=3, lora_alpha=2, target_modules=ALL_LAYERS, use_dora=True),
}
_NAME = re.compile(r"(.+)\.(hada_\w+|lokr_\w+|ia3_l|lora_A|lora_B|lora_magnitude_vector)\.default(?:\.weight)?")


def randomized(unet: Any, config: Any) -> dict[str, torch.Tensor]:
    """Put the adapter into `unet`; returns its numbers as a file of LyCORIS or PEFT has them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        inject_adapter_in_model(config, unet)
    generator = torch.Generator().manual_seed(8)
    found: dict[str, torch.Tensor] = {}
    for name, parameter in unet.named_parameters():
        if match := _NAME.fullmatch(name):
            layer, what = match.groups()
            spread = torch.randn(parameter.shape, generator=generator)
            scaled = what in ("ia3_l", "lora_magnitude_vector")
            parameter.data = parameter.data * (1 + (3 if what == "ia3_l" else 0.3) * spread) if scaled else 0.3 * spread
            found |= write_tensors_as(layer, what, parameter.data.clone(), config)
    unet.eval()
    return found


def write_tensors_as(layer: str, what: str, values: torch.Tensor, config: Any) -> dict[str, torch.Tensor]:
    if what.startswith("lora_"):
        return {f"unet.{layer}.{what}" + ("" if "vector" in what else ".weight"): values}
    stem = f"lora_unet_{layer.replace('.', '_')}"
    if what == "ia3_l":
        return {f"{stem}.weight": values.reshape(-1) - 1, f"{stem}.on_input": torch.tensor(values.shape[0] == 1)}
    return {f"{stem}.{what}": values, f"{stem}.alpha": torch.tensor(float(config.alpha))}


def fused_output(tiny_checkpoint: Path, file: Path, unet_config: Any, inputs: Any, weight: float = 1.0) -> np.ndarray:
    model = ov.Core().read_model(tiny_checkpoint / "ov" / "unet" / "openvino_model.xml")
    fuse_loras(model, Part.UNET, [(read_lora(file, unet_config), weight)])
    return compiled_output("unet", model, inputs["unet"])


IN_EVERY_RUN = ("LoHa in Tucker's form", "LoKr, both decomposed", "(IA)³", "DoRA")


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[] if kind in IN_EVERY_RUN else [pytest.mark.slow]) for kind in KINDS]
)
def test_it_equals_peft(
    kind: str, tiny_checkpoint: Path, tmp_path: Path, unet_config: Any, inputs: Any, base_outputs: Any
) -> None:
    pipe = load_checkpoint(tiny_checkpoint)
    tensors = randomized(pipe.unet, KINDS[kind])
    extra = {f"{kohya_layer_name(name)}.alpha": torch.tensor(2.0) for name in tensors if name.endswith("lora_A.weight")}
    save_file({name: tensor.contiguous() for name, tensor in {**tensors, **extra}.items()}, tmp_path / "a.safetensors")
    expected = torch_output(pipe, "unet", inputs["unet"])
    ours = fused_output(tiny_checkpoint, tmp_path / "a.safetensors", unet_config, inputs)
    effect = max_difference(expected, base_outputs["unet"])
    assert effect > VISIBLE
    assert max_difference(ours, expected) <= max(EXACT, 1e-4 * effect)


def kohya_layer_name(name: str) -> str:
    return name.removesuffix(".lora_A.weight")


NORM = "down_blocks.1.attentions.0.transformer_blocks.0.norm1"
GROUP = "mid_block.resnets.0.norm2"


def differences(unet: Any) -> dict[tuple[str, str], torch.Tensor]:
    """By (layer, parameter): of weights, biases and norms of both kinds."""
    generator, modules = torch.Generator().manual_seed(9), dict(unet.named_modules())
    wanted = [(Q, "weight"), (CONV, "weight"), (FF, "bias"), (CONV, "bias")]
    wanted += [(name, parameter) for name in (NORM, GROUP) for parameter in ("weight", "bias")]
    return {
        (layer, parameter): 0.5 * torch.randn(getattr(modules[layer], parameter).shape, generator=generator)
        for layer, parameter in wanted
    }


def save_differences(file: Path, found: Mapping[tuple[str, str], torch.Tensor]) -> Path:
    ends = {"weight": "diff", "bias": "diff_b"}
    norms = {"weight": "w_norm", "bias": "b_norm"}
    save_file(
        {
            f"lora_unet_{layer.replace('.', '_')}.{(norms if layer == NORM else ends)[parameter]}": tensor
            for (layer, parameter), tensor in found.items()
        },
        file,
    )
    return file


@pytest.mark.parametrize("weight", [pytest.param(1.0, marks=pytest.mark.slow), -0.4])
def test_full_differences_of_weights_biases_and_norms(
    weight: float, tiny_checkpoint: Path, tmp_path: Path, unet_config: Any, inputs: Any, base_outputs: Any
) -> None:
    pipe = load_checkpoint(tiny_checkpoint)
    found, modules = differences(pipe.unet), dict(pipe.unet.named_modules())
    for (layer, parameter), tensor in found.items():
        getattr(modules[layer], parameter).data += weight * tensor
    expected = torch_output(pipe, "unet", inputs["unet"])
    file = save_differences(tmp_path / "a.safetensors", found)
    effect = max_difference(expected, base_outputs["unet"])
    assert effect > VISIBLE
    assert max_difference(fused_output(tiny_checkpoint, file, unet_config, inputs, weight), expected) <= 1e-3 * max(
        1, effect
    )


@pytest.mark.parametrize("columns", [False, True])
def test_dora_as_lycoris_writes_it_sets_the_lengths_of_rows_or_columns(
    columns: bool, tiny_checkpoint: Path, tmp_path: Path, unet_config: Any, inputs: Any
) -> None:
    pipe = load_checkpoint(tiny_checkpoint)
    layer, stem = dict(pipe.unet.named_modules())[CONV], f"lora_unet_{CONV.replace('.', '_')}"
    outputs, wide = layer.weight.shape[:2]
    generator = torch.Generator().manual_seed(3)
    down, up = torch.randn(2, wide, 3, 3, generator=generator), torch.randn(outputs, 2, 1, 1, generator=generator)
    lengths = 1 + torch.rand((1, wide, 1, 1) if columns else (outputs, 1, 1, 1), generator=generator)
    changed = layer.weight.data + (up.flatten(1) @ down.flatten(1)).reshape(layer.weight.shape) * 0.5
    others = (0, 2, 3) if columns else (1, 2, 3)
    layer.weight.data = changed * lengths / changed.pow(2).sum(others, keepdim=True).sqrt()
    tensors = {"lora_down.weight": down, "lora_up.weight": up, "alpha": torch.tensor(1.0), "dora_scale": lengths}
    save_file({f"{stem}.{name}": tensor for name, tensor in tensors.items()}, tmp_path / "a.safetensors")
    expected = torch_output(pipe, "unet", inputs["unet"])
    ours = fused_output(tiny_checkpoint, tmp_path / "a.safetensors", unet_config, inputs)
    assert max_difference(ours, expected) <= 1e-3


@pytest.mark.filterwarnings("ignore")
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["LoKr", "DoRA", "(IA)³"])
def test_compressed_weights_keep_all_of_it(
    kind: str, tiny_checkpoint: Path, tmp_path: Path, unet_config: Any, inputs: Any
) -> None:
    """The reference has the same quantised base, unpacked to f32, and the difference added to that exactly."""
    core = ov.Core()
    source = core.read_model(tiny_checkpoint / "ov" / "unet" / "openvino_model.xml")
    model = nncf.compress_weights(source, mode=nncf.CompressWeightsMode.INT8_ASYM)
    ov.save_model(model, tmp_path / "compressed.xml", compress_to_fp16=False)
    tensors = randomized(load_checkpoint(tiny_checkpoint).unet, KINDS[kind])
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, tmp_path / "a.safetensors")
    lora = read_lora(tmp_path / "a.safetensors", unet_config)
    before = compiled_output("unet", core.read_model(tmp_path / "compressed.xml"), inputs["unet"])
    exact, ours = (core.read_model(tmp_path / "compressed.xml") for _ in range(2))
    decompress(exact, set(lora.weight_deltas[Part.UNET]))
    for graph in (exact, ours):
        fuse_loras(graph, Part.UNET, [(lora, 0.8)])
    expected = compiled_output("unet", exact, inputs["unet"])
    error = max_difference(compiled_output("unet", ours, inputs["unet"]), expected)
    assert error < 0.01 * max_difference(expected, before)


LAYER_KEY = f"lora_unet_{Q.replace('.', '_')}"


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"hada_w1_a": (8, 2), "hada_w1_b": (2, 8), "hada_w2_a": (8, 2)}, "hada_w2_b tensor is missing"),
        ({"hada_w1_a": (8, 2), "hada_w1_b": (3, 8), "hada_w2_a": (8, 2), "hada_w2_b": (2, 8)}, "sizes disagree"),
        ({"hada_w1_a": (8, 2), "hada_w1_b": (2, 8), "hada_w2_a": (4, 2), "hada_w2_b": (2, 8)}, "one by one"),
        ({"hada_w1_a": (8, 9), "hada_w1_b": (9, 8), "hada_w2_a": (8, 2), "hada_w2_b": (2, 8)}, "rank is 9"),
        ({"lokr_w1": (8,), "lokr_w2": (8, 8)}, "lokr_w1 has the shape"),
        ({"lokr_w1": (0, 4), "lokr_w2": (8, 8)}, "lokr_w1 has the shape"),
        ({"lokr_w1": (99, 99), "lokr_w2": (2, 2)}, "198×198"),
        ({"lokr_w1": (4, 4), "lokr_w2_a": (8, 2)}, "lokr_w2_b tensor is missing"),
        ({"lokr_w1": (4, 4), "lokr_w2_a": (2, 8), "lokr_w2_b": (2, 8), "lokr_t2": (3, 2, 3, 3)}, "sizes disagree"),
        ({"diff": (7, 7)}, "7×7"),
        ({"diff": (0, 7)}, "difference has the shape"),
        ({"diff": (2, 2, 2)}, "difference has the shape"),
        ({"weight": (5,), "on_input": (1,)}, "weights of 5"),
        ({"weight": (0,), "on_input": (1,)}, "not whole"),
        ({"dora_scale": (4, 1)}, "down tensor is missing"),
    ],
)
def test_tensors_that_make_up_nothing_are_refused(
    tensors: dict[str, tuple[int, ...]], message: str, unet_config: Any, tmp_path: Path
) -> None:
    made = {f"{LAYER_KEY}.{name}": torch.zeros(1).expand(shape).contiguous() for name, shape in tensors.items()}
    save_file(made, tmp_path / "a.safetensors")
    with pytest.raises(AdditionError, match=message):
        read_lora(tmp_path / "a.safetensors", unet_config)


def test_a_bias_where_the_layer_has_none_is_left_out_and_reported(unet_config: Any, tmp_path: Path) -> None:
    wide = f"lora_unet_{FF.replace('.', '_')}"
    save_file(
        {f"{LAYER_KEY}.diff_b": torch.zeros(64), f"{wide}.diff": torch.zeros(64, 256)}, tmp_path / "a.safetensors"
    )
    lora = read_lora(tmp_path / "a.safetensors", unet_config)
    assert not lora.vector_deltas
    assert Q.replace(".", "_") in lora.notes[0]
    save_file({f"{wide}.diff_b": torch.zeros(1000)}, tmp_path / "b.safetensors")
    with pytest.raises(AdditionError, match="1000 numbers"):
        read_lora(tmp_path / "b.safetensors", unet_config)
