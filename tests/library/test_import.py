"""Whatever form a checkpoint comes in, importing it gives the same pictures as the weights it was made of."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdxl_desktop.core.checkpoint import CheckpointKind
from sdxl_desktop.core.errors import CheckpointError, SdxlDesktopError
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.parts import OPENVINO_PARTS
from sdxl_desktop.core.request import Execution, GenerationRequest, Prompts, Sampling
from sdxl_desktop.engine.engine_protocol import Engine
from sdxl_desktop.formats.detected_model import ModelKind, ModelLayout
from sdxl_desktop.library.convert.conversion_job import ConversionPhase, ConversionProgress
from sdxl_desktop.library.convert.import_plan import plan_import
from sdxl_desktop.library.convert.run_import import ImportCancelledError, discard_import, run_import
from sdxl_desktop.library.convert.weight_format import WeightFormat
from sdxl_desktop.library.detect.identify import identify, identify_file
from sdxl_desktop.library.import_record import verify_checkpoint
from sdxl_desktop.library.scan import Library, read_checkpoint
from tests.engine.conftest import engine, engine_home, generate  # noqa: F401
from tests.library.conftest import NAME, convert_here, recorded_events

Bring = Callable[[str, WeightFormat], Path]
SIZE = Size(128, 96)


@pytest.fixture(scope="session")
def optimum(small_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What optimum-intel makes of the same checkpoint, in float32."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tests.engine import tiny_sdxl

        folder = tmp_path_factory.mktemp("optimum")
        tiny_sdxl.export(small_checkpoint / "torch", folder)
    return folder


def picture(engine: Engine, checkpoint: Path) -> Any:  # noqa: F811
    request = GenerationRequest(
        checkpoint=checkpoint,
        prompts=Prompts(prompt="a red cat", negative_prompt="rats"),
        sampling=Sampling(size=SIZE, steps=3, seed=7),
        execution=Execution(device="CPU", precision="f32", preview=False),
    )
    return generate(engine, request).picture.pixels.astype(int)


def weights_of(folder: Path) -> dict[str, bytes]:
    return {part: (folder / part / "openvino_model.bin").read_bytes() for part in OPENVINO_PARTS}


@pytest.mark.slow
def test_a_single_file_becomes_what_the_diffusers_folder_becomes(imported: Bring) -> None:
    """Bit by bit; that its weights in 8 bits are the folder's is in every run."""
    single, folder = (weights_of(imported(form, WeightFormat.FP32)) for form in ("single", "torch"))
    assert [part for part in OPENVINO_PARTS if single[part] != folder[part]] == []


def test_the_picture_is_the_one_that_diffusers_draws_in_torch(
    small_checkpoint: Path,
    imported: Bring,
    engine: Engine,  # noqa: F811
) -> None:
    import torch
    from diffusers import StableDiffusionXLPipeline

    pipe = StableDiffusionXLPipeline.from_pretrained(small_checkpoint / "torch")
    pipe.set_progress_bar_config(disable=True)
    theirs = pipe(
        "a red cat",
        negative_prompt="rats",
        width=SIZE.width,
        height=SIZE.height,
        num_inference_steps=3,
        generator=torch.Generator().manual_seed(7),
        output_type="np",
    ).images[0]
    ours = picture(engine, imported("torch", WeightFormat.FP32))
    assert np.abs(ours - np.round(theirs * 255)).max() <= 1
    assert ours.std() > 5, "there is something in the picture"


def test_a_single_file_in_8_bits_stays_close_to_the_diffusers_folder(imported: Bring, engine: Engine) -> None:  # noqa: F811
    exact = picture(engine, imported("torch", WeightFormat.FP32))
    assert np.abs(picture(engine, imported("single", WeightFormat.INT8)) - exact).mean() <= 6


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("part", OPENVINO_PARTS)
def test_each_part_computes_what_optimum_intels_does(part: str, imported: Bring, optimum: Path) -> None:
    import openvino as ov

    core, config = ov.Core(), {"INFERENCE_PRECISION_HINT": "f32"}
    graphs = [
        core.read_model(folder / part / "openvino_model.xml")
        for folder in (imported("single", WeightFormat.FP32), optimum)
    ]
    answers = []
    for graph in graphs:
        answered = core.compile_model(graph, "CPU", config)(inputs(graph))
        answers.append({port.get_any_name(): value for port, value in answered.items()})
    assert answers[0].keys() == answers[1].keys()
    assert max(np.abs(answers[0][name] - answers[1][name]).max() for name in answers[0]) < 1e-5


def inputs(graph: Any) -> dict[str, Any]:
    rng, fed = np.random.default_rng(3), {}
    for port in graph.inputs:
        name, sides = port.get_any_name(), port.get_partial_shape()
        shape = [
            side.get_length() if side.is_static else {0: 2, 1: 77}.get(axis, 16) for axis, side in enumerate(sides)
        ]
        if name == "input_ids":
            fed[name] = rng.integers(0, 500, shape)
        elif name == "timestep":
            fed[name] = np.full([1] * len(shape), 500, port.get_element_type().to_dtype())
        else:
            fed[name] = rng.standard_normal(shape).astype(np.float32)
    return fed


@pytest.mark.parametrize("part", OPENVINO_PARTS)
def test_a_single_files_8_bits_are_exactly_nncfs_of_the_diffusers_folder(part: str, imported: Bring) -> None:
    import nncf
    import openvino as ov

    core = ov.Core()
    theirs = nncf.compress_weights(
        core.read_model(imported("torch", WeightFormat.FP32) / part / "openvino_model.xml"),
        mode=nncf.CompressWeightsMode.INT8_ASYM,
    )
    ours = core.read_model(imported("single", WeightFormat.INT8) / part / "openvino_model.xml")
    expected, found = _bytes_by_name(theirs), _bytes_by_name(ours)
    assert expected.keys() == found.keys()
    assert [name for name in expected if not np.array_equal(expected[name], found[name])] == []


def _bytes_by_name(graph: Any) -> dict[str, Any]:
    return {
        node.get_friendly_name(): node.data.copy()
        for node in graph.get_ops()
        if node.get_type_name() == "Constant" and node.get_output_element_type(0).get_type_name() == "u8"
    }


def test_what_was_imported_is_recorded_described_and_verified(imported: Bring) -> None:
    folder = imported("single", WeightFormat.INT8)
    found = read_checkpoint(folder)
    assert found.kind is CheckpointKind.BASE
    assert found.recommended.size == Size(128, 128)
    assert verify_checkpoint(folder).problems == ()
    assert verify_checkpoint(folder).by_hash


def test_verify_finds_one_changed_bit_and_a_missing_file(imported: Bring, tmp_path: Path) -> None:
    folder = shutil.copytree(imported("single", WeightFormat.INT8), tmp_path / "copy")
    weights = folder / "unet" / "openvino_model.bin"
    content = bytearray(weights.read_bytes())
    content[1000] ^= 4
    weights.write_bytes(content)
    (folder / "tokenizer" / "tokenizer_config.json").unlink()
    problems = verify_checkpoint(folder).problems
    assert len(problems) == 2
    assert any("unet/openvino_model.bin has changed" in words for words in problems)
    assert any("tokenizer_config.json is missing" in words for words in problems)


def test_progress_never_falls_and_counts_every_weight(imported: Bring) -> None:
    reported = recorded_events(imported("single", WeightFormat.INT8))
    steps = [event for event in reported if isinstance(event, ConversionProgress)]
    fractions = [step.fraction for step in steps]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    compressed = [step for step in steps if step.phase is ConversionPhase.COMPRESSING and step.part == "unet"]
    assert compressed[-1].done == compressed[-1].total > 100_000


def test_an_openvino_folder_is_copied_as_it_is(imported: Bring, tmp_path: Path) -> None:
    source = shutil.copytree(imported("torch", WeightFormat.FP32), tmp_path / "source")
    (source / "vae_tiny").mkdir()
    (source / "vae_tiny" / "config.json").write_text('{"auto_map": "somebody\'s code", "latent_channels": 4}')
    (source / "vae_tiny" / "diffusion_pytorch_model.safetensors").write_bytes(b"weights")
    plan = plan_import(source, tmp_path / "library", "a copy")
    assert plan.layout is ModelLayout.OPENVINO
    checkpoint = run_import(plan, None, lambda progress: None)
    assert weights_of(checkpoint.folder) == weights_of(source)
    assert verify_checkpoint(checkpoint.folder).problems == ()
    assert [found.name for found in Library(tmp_path / "none", tmp_path / "library").checkpoints()] == ["a copy"]
    assert checkpoint.tiny_vae == checkpoint.folder / "vae_tiny"
    assert (checkpoint.tiny_vae / "diffusion_pytorch_model.safetensors").read_bytes() == b"weights"
    assert json.loads((checkpoint.tiny_vae / "config.json").read_text()) == {
        "latent_channels": 4,
        "_class_name": "AutoencoderTiny",
    }


@pytest.fixture(scope="session")
def half(small_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The single file in half precision, as most are."""
    from safetensors.torch import load_file

    from tests.library import original_layout

    file = tmp_path_factory.mktemp("half") / "folder" / NAME
    shutil.copytree(small_checkpoint / "single", file.parent)
    original_layout.save({name: tensor.half() for name, tensor in load_file(file).items()}, file)
    return file


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_half_precision_file_in_half_precision(half: Path, imported: Bring, tmp_path: Path, engine: Engine) -> None:  # noqa: F811
    plan = plan_import(half, tmp_path / "library")
    convert_here(plan, WeightFormat.FP16)
    exact = picture(engine, imported("torch", WeightFormat.FP32))
    assert np.abs(picture(engine, plan.destination) - exact).max() <= 4


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_half_precision_file_is_widened_exactly_and_stays_half(
    small_checkpoint: Path, half: Path, tmp_path: Path
) -> None:
    """The UNet's graph computes in f32 with the file's numbers, which it holds in f16."""
    import openvino as ov
    import torch
    from diffusers import UNet2DConditionModel

    from sdxl_desktop.library.convert import module_loading, tracing
    from sdxl_desktop.library.convert.memmap_buffer import MemmapBuffer

    part = next(part for part in identify(half).parts if part.name == "unet")
    with MemmapBuffer(tmp_path / "spool", 64) as spool:
        graph = tracing.trace_part(
            "unet", part, module_loading.load_module(part, spool), requires_aesthetics_score=False, pooled_width=64
        )
    fed = inputs(graph)
    ours = ov.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(fed)[0]
    unet = UNet2DConditionModel.from_pretrained(small_checkpoint / "torch" / "unet").half().float()
    given = {name: torch.from_numpy(value) for name, value in fed.items()}
    added = {"text_embeds": given.pop("text_embeds"), "time_ids": given.pop("time_ids")}
    with torch.no_grad():
        theirs = unet(**given, added_cond_kwargs=added).sample.numpy()
    assert np.abs(ours - theirs).max() < 1e-4
    sizes = [node.get_byte_size() for node in graph.get_ops() if node.get_type_name() == "Constant"]
    assert sum(sizes) < 2.2 * part.parameters


def test_a_ckpt_is_read_by_torchs_weights_only_loader(small_checkpoint: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    from sdxl_desktop.library.convert.unpickling import convert_pickle

    weights = load_file(small_checkpoint / "single" / NAME)
    torch.save({"state_dict": weights, "global_step": 7}, tmp_path / "small.ckpt")
    assert plan_import(tmp_path / "small.ckpt", tmp_path / "library").kind is ModelKind.PICKLED
    convert_pickle(tmp_path / "small.ckpt", tmp_path / "plain.safetensors", lambda count: None)
    plain = load_file(tmp_path / "plain.safetensors")
    assert plain.keys() == weights.keys()
    assert all(torch.equal(plain[name], weights[name]) for name in weights)
    assert identify_file(tmp_path / "plain.safetensors", small_checkpoint / "single").parts


@pytest.mark.slow
def test_in_a_process_of_its_own_stopped_by_the_user_and_continued(small_checkpoint: Path, tmp_path: Path) -> None:
    plan = plan_import(small_checkpoint / "single" / NAME, tmp_path / "library")
    cancel, before = threading.Event(), []

    def stop_at_the_second_part(progress: ConversionProgress) -> None:
        before.append(progress)
        if progress.part == "text_encoder_2":
            cancel.set()

    with pytest.raises(ImportCancelledError, match="go on"):
        run_import(plan, WeightFormat.INT8, stop_at_the_second_part, cancel)
    assert Library(tmp_path / "none", plan.library_folder).checkpoints() == ()
    after: list[ConversionProgress] = []
    checkpoint = run_import(plan, WeightFormat.INT8, after.append)
    assert checkpoint.name == "small"
    assert not any(step.part == "text_encoder" and step.phase is ConversionPhase.TRACING for step in after), (
        "it was kept"
    )
    assert sorted(entry.name for entry in plan.library_folder.iterdir()) == ["small"], "nothing is left lying about"


def test_a_conversion_that_takes_too_much_memory_is_stopped_with_a_reason(
    small_checkpoint: Path, tmp_path: Path
) -> None:
    plan = plan_import(small_checkpoint / "torch", tmp_path / "library")
    with pytest.raises(SdxlDesktopError, match="too much memory"):
        run_import(plan, WeightFormat.INT8, lambda progress: None, memory_limit=50 * 2**20)
    discard_import(plan, WeightFormat.INT8)
    assert list(plan.library_folder.iterdir()) == [] if plan.library_folder.is_dir() else True


def test_no_format_is_chosen_silently_and_no_name_is_taken_twice(small_checkpoint: Path, tmp_path: Path) -> None:
    home = tmp_path / "library"
    plan = plan_import(small_checkpoint / "torch", home)
    with pytest.raises(CheckpointError, match="format must be chosen"):
        run_import(plan, None, lambda progress: None)
    (home / "torch").mkdir(parents=True)
    assert plan_import(small_checkpoint / "torch", home).name == "torch-2"
    with pytest.raises(CheckpointError, match="already"):
        plan_import(small_checkpoint / "torch", home, "torch")
    with pytest.raises(CheckpointError, match="cannot be the name"):
        plan_import(small_checkpoint / "torch", home, "../evil")
