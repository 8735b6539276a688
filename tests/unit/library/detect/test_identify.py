"""Files and folders are identified by names and shapes; other models than SDXL are refused by their name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from sdxl_desktop.core.errors import CheckpointError
from sdxl_desktop.formats.detected_model import ModelKind, ModelLayout
from sdxl_desktop.formats.families import Family, shipped_config_folder, shipped_config_folders
from sdxl_desktop.formats.format_errors import NotSdxlError
from sdxl_desktop.formats.layer_shapes import tensor_shapes
from sdxl_desktop.library.convert.import_plan import plan_import
from sdxl_desktop.library.convert.weight_format import WeightFormat
from sdxl_desktop.library.detect.identify import identify
from tests.unit.library.fake_safetensors import original_shapes, write_sparse_file

FILES = {"unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model"}
FAMILIES = [family for family, _ in shipped_config_folders()]
MILLIONS = {
    Family.BASE: 2567,
    Family.REFINER: 2260,
    Family.INPAINT: 2567,
    Family.SSD_1B: 1331,
    Family.VEGA: 745,
    Family.LCM: 2568,
    Family.LCM_SSD_1B: 1331,
}
"""Parameters of the UNets as their authors published them."""


@pytest.mark.parametrize("family", FAMILIES)
def test_a_single_file_of_each_family(tmp_path: Path, family: Family) -> None:
    file = write_sparse_file(tmp_path / "x.safetensors", original_shapes(family))
    found = identify(file)
    assert (found.kind, found.family, found.layout) == (ModelKind.CHECKPOINT, family, ModelLayout.SINGLE_FILE)
    unet = next(part for part in found.parts if part.name == "unet")
    assert round(unet.parameters / 1e6) == MILLIONS[family]
    assert ("text_encoder" in [part.name for part in found.parts]) == (family is not Family.REFINER)


def test_what_published_and_merged_files_hold_besides_does_not_matter(tmp_path: Path) -> None:
    besides = {
        "conditioner.embedders.0.transformer.text_model.embeddings.position_ids": (1, 77),
        "conditioner.embedders.1.model.logit_scale": (),
        "conditioner.embedders.1.model.attn_mask": (77, 77),
        "denoiser.sigmas": (1000,),
        "alphas_cumprod": (1000,),
        "model_ema.decay": (),
        "first_stage_model.loss.logvar": (),
    }
    file = write_sparse_file(tmp_path / "x.safetensors", {**original_shapes(Family.BASE), **besides})
    assert identify(file).family is Family.BASE


@pytest.mark.parametrize("family", FAMILIES)
def test_a_diffusers_folder_of_each_family(tmp_path: Path, family: Family) -> None:
    found = identify(diffusers_folder(tmp_path / "x", family))
    assert (found.kind, found.family, found.layout) == (ModelKind.CHECKPOINT, family, ModelLayout.DIFFUSERS)


def diffusers_folder(folder: Path, family: Family, variant: str = "") -> Path:
    setup = shipped_config_folder(family)
    shutil.copytree(setup.folder, folder)
    for part in ("text_encoder", "text_encoder_2", "unet", "vae"):
        if config := setup.config(part):
            write_sparse_file(
                folder / part / f"{FILES.get(part, 'model')}{variant}.safetensors", tensor_shapes(part, config)
            )
    return folder


@pytest.mark.parametrize(
    ("there", "taken"),
    [
        ((".bf16",), ".bf16"),
        ((".fp32",), ".fp32"),
        ((".non_ema",), ".non_ema"),
        ((".fp32", ".bf16"), ".fp32"),
        (("", ".fp16"), ".fp16"),
        (("", ".non_ema"), ""),
        ((".non_ema", ".bf16"), ".bf16"),
    ],
)
def test_every_variant_is_taken_and_the_choice_is_reported(there: tuple[str, ...], taken: str, tmp_path: Path) -> None:
    folder = diffusers_folder(tmp_path / "x", Family.VEGA, there[0])
    for variant in there[1:]:
        for file in folder.rglob(f"*{there[0]}.safetensors"):
            stem = file.name.removesuffix(f"{there[0]}.safetensors")
            if "." not in stem:
                file.with_name(f"{stem}{variant}.safetensors").hardlink_to(file)  # gigabytes, of which none is written
    plan = plan_import(folder, tmp_path)
    assert {file.name for file in plan.files} == {f"{stem}{taken}.safetensors" for stem in (*FILES.values(), "model")}
    message = " ".join(plan.notes)
    assert ((taken.strip(".") or "the plain file") + " is used" in message) == (len(there) > 1)


def test_a_folder_of_descriptions_says_what_is_missing(tmp_path: Path) -> None:
    shutil.copytree(shipped_config_folder(Family.VEGA).folder, tmp_path / "x")
    with pytest.raises(CheckpointError, match=r"unet, there is no \.safetensors file"):
        identify(tmp_path / "x")


@pytest.mark.parametrize("dtype", ["F8_E4M3", "F8_E5M2"])
def test_files_in_fp8_are_taken_and_it_is_reported(dtype: str, tmp_path: Path) -> None:
    plan = plan_import(write_sparse_file(tmp_path / "x.safetensors", original_shapes(Family.VEGA), dtype), tmp_path)
    assert plan.family is Family.VEGA
    assert "fp8" in plan.notes[0]


@pytest.mark.parametrize("dtype", ["I8", "U8", "I32"])
def test_numbers_without_fractions_are_refused_for_that(dtype: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError) as caught:
        identify(write_sparse_file(tmp_path / "x.safetensors", original_shapes(Family.VEGA), dtype))
    assert dtype in caught.value.why
    assert "fp16" in caught.value.next_step


KOALA = {
    "mid_block_type": None,
    "layers_per_block": 1,
    "transformer_layers_per_block": [0, 2, 5],
    "reverse_transformer_layers_per_block": None,
}


@pytest.mark.parametrize(
    "others",
    [
        KOALA,
        {**KOALA, "mid_block_type": "UNetMidBlock2D"},
        {**KOALA, "block_out_channels": [128, 256, 512]},
        {"layers_per_block": [1, 2, 1], "transformer_layers_per_block": [0, 1, 3]},
    ],
)
def test_a_folder_of_other_widths_and_depths_is_taken_by_its_config(others: dict[str, object], tmp_path: Path) -> None:
    folder = diffusers_folder(tmp_path / "x", Family.BASE)
    config = {**(shipped_config_folder(Family.BASE).config("unet") or {}), **others}
    (folder / "unet" / "config.json").write_text(json.dumps(config))
    write_sparse_file(folder / "unet" / "diffusion_pytorch_model.safetensors", tensor_shapes("unet", config))
    assert identify(folder).family in (Family.OTHER, Family.BASE)


def test_a_variant_and_shards_are_found(tmp_path: Path) -> None:
    folder = diffusers_folder(tmp_path / "x", Family.VEGA, ".fp16")
    assert identify(folder).family is Family.VEGA
    (folder / "unet" / "diffusion_pytorch_model.fp16.safetensors").unlink()
    shapes = tensor_shapes("unet", shipped_config_folder(Family.VEGA).config("unet") or {})
    names = list(shapes)
    for number, some in enumerate((names[:300], names[300:])):
        write_sparse_file(folder / "unet" / f"part-{number}.safetensors", {name: shapes[name] for name in some})
    listing = {name: f"part-{int(name in names[300:])}.safetensors" for name in names}
    index = folder / "unet" / "diffusion_pytorch_model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": listing}))
    assert identify(folder).family is Family.VEGA
    index.write_text(json.dumps({"weight_map": {**listing, names[0]: "../../../etc/passwd.safetensors"}}))
    with pytest.raises(CheckpointError, match="which is not there"):
        identify(folder)


def test_a_folder_with_pickled_weights_says_what_to_do(tmp_path: Path) -> None:
    folder = tmp_path / "x"
    shutil.copytree(shipped_config_folder(Family.VEGA).folder, folder)
    (folder / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(CheckpointError, match="save the checkpoint with safetensors"):
        identify(folder)


@pytest.mark.parametrize(
    ("name", "shape", "kind"),
    [
        ("cond_stage_model.transformer.text_model.embeddings.token_embedding.weight", (49408, 768), "1.5"),
        ("cond_stage_model.model.token_embedding.weight", (49408, 1024), "Stable Diffusion 2"),
        ("model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight", (4608, 1536), "Stable Diffusion 3"),
        ("double_blocks.0.img_attn.qkv.weight", (9216, 3072), "FLUX"),
        ("transformer.single_transformer_blocks.0.attn.to_q.weight", (3072, 3072), "FLUX"),
        ("control_model.input_hint_block.0.weight", (16, 3, 3, 3), "ControlNet"),
        ("down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight", (640, 768), "1.5"),
        ("model.layers.0.self_attn.q_proj.weight", (4096, 4096), "language model"),
        ("image_proj.latents", (1, 16, 1280), "IP-Adapter"),
        ("text_model.encoder.layers.0.mlp.fc1.weight", (3072, 768), "text encoder"),
    ],
)
def test_other_models_are_refused_by_name(tmp_path: Path, name: str, shape: tuple[int, ...], kind: str) -> None:
    others = {f"{name}.{number}": (8, 8, 3) for number in range(9)}
    file = write_sparse_file(tmp_path / "x.safetensors", {name: shape, **others})
    with pytest.raises(NotSdxlError, match=kind) as refused:
        identify(file)
    assert refused.value.next_step


@pytest.mark.parametrize(
    ("shapes", "kind", "advice"),
    [
        ({"lora_unet_input_blocks_4_1_proj_in.lora_down.weight": (8, 640)}, ModelKind.LORA, "--lora"),
        ({"clip_l": (2, 768), "clip_g": (2, 1280)}, ModelKind.EMBEDDING, "--embedding"),
        ({"encoder.conv_in.weight": (128, 3, 3, 3), "decoder.conv_in.weight": (512, 4, 3, 3)}, ModelKind.VAE, "--vae"),
    ],
)
def test_what_need_not_be_imported_is_reported_as_usable_as_it_is(
    tmp_path: Path, shapes: dict[str, tuple[int, ...]], kind: ModelKind, advice: str
) -> None:
    plan = plan_import(write_sparse_file(tmp_path / "x.safetensors", shapes), tmp_path / "library")
    assert plan.kind is kind
    assert advice in plan.advice


def test_a_plan_says_what_each_format_takes(tmp_path: Path) -> None:
    file = write_sparse_file(tmp_path / "some SDXL.safetensors", original_shapes(Family.BASE))
    plan = plan_import(file, tmp_path / "library")
    assert plan.name == "some SDXL"
    forecasts = [plan.estimates[weights] for weights in WeightFormat]
    sizes = [forecast.disk for forecast in forecasts]
    assert sizes == sorted(sizes, reverse=True)
    assert 3.3e9 < plan.estimates[WeightFormat.INT8].disk < 3.7e9
    assert plan.estimates[WeightFormat.INT8].memory < 4e9


def test_an_sdxl_of_unknown_depth_is_reported_as_one_and_a_wrong_shape_is_named(tmp_path: Path) -> None:
    shapes = original_shapes(Family.BASE)
    lost = {name: shape for name, shape in shapes.items() if ".transformer_blocks.9." not in name}
    with pytest.raises(NotSdxlError, match="none of SDXL's families"):
        identify(write_sparse_file(tmp_path / "x.safetensors", lost))
    wrong = {**shapes, "first_stage_model.decoder.conv_in.weight": (512, 16, 3, 3)}
    with pytest.raises(CheckpointError, match="512×16×3×3 where 512×4×3×3"):
        identify(write_sparse_file(tmp_path / "y.safetensors", wrong))
    no_vae = {name: shape for name, shape in shapes.items() if not name.startswith("first_stage_model.")}
    with pytest.raises(CheckpointError, match="it has no vae"):
        identify(write_sparse_file(tmp_path / "z.safetensors", no_vae))


def test_nothing(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="nothing at"):
        identify(tmp_path / "nothing.safetensors")
    with pytest.raises(CheckpointError, match="neither a model_index"):
        identify(tmp_path)


@pytest.mark.parametrize(
    ("name", "kind"), [("x.gguf", "GGUF"), ("x.Q4_K.GGUF", "GGUF"), ("unet.onnx", "ONNX"), ("flax.msgpack", "Flax")]
)
def test_weights_of_another_format_are_told_by_its_name(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / name).write_bytes(b"whatever")
    with pytest.raises(NotSdxlError, match=kind):
        identify(tmp_path / name)
