"""What is added to a checkpoint counts as it is now, on devices of every kind, and is read no more than it must be."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from sdxl_desktop.core.additions import Additions, EmbeddingReference, LoraReference
from sdxl_desktop.core.device import FIXED_SHAPES_VARIABLE
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.parts import ENCODERS
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.request import Execution, GenerationRequest, OutputOptions, Prompts
from sdxl_desktop.core.speed import SpeedPreset
from sdxl_desktop.engine.device_times import read_timings
from sdxl_desktop.engine.openvino import checkpoint_cache, compiled_models, devices
from sdxl_desktop.engine.openvino.loaded_checkpoint import LoadedCheckpoint, file_fingerprint
from sdxl_desktop.engine.openvino.model_part import ModelPart
from sdxl_desktop.engine.openvino.part_compiler import resolve_key
from sdxl_desktop.engine.openvino.run_preparation import RunPreparation
from tests.engine.adapters.lora_files import PARTS, random_factors, write_kohya
from tests.engine.conftest import generate
from tests.engine.parity.cases import BUILDERS, ParityWorkflow
from tests.typed import arrays_equal, not_none

WIDTHS = {"clip_l": 32, "clip_g": 48}
"""Of the tiny checkpoint's text encoders."""
TOLERANCE = 1e-4

Launch = Callable[[], Any]


@pytest.fixture
def launch(precompiled_home: AppPaths) -> Iterator[Launch]:
    """A new engine over one home, as after a restart."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sdxl_desktop.engine.openvino.engine import OpenVinoEngine

    made: list[OpenVinoEngine] = []

    def start() -> OpenVinoEngine:
        made.append(OpenVinoEngine(precompiled_home))
        return made[-1]

    yield start
    for engine in made:
        engine.close()


@pytest.fixture(scope="module")
def torch_pipe(tiny_checkpoint: Path) -> Any:
    from diffusers import StableDiffusionXLPipeline

    return StableDiffusionXLPipeline.from_pretrained(tiny_checkpoint / "torch", add_watermarker=False)


def write_embedding(file: Path, seed: int = 0) -> Path:
    random = np.random.default_rng(seed)
    save_file({name: random.standard_normal((2, width)).astype(np.float32) for name, width in WIDTHS.items()}, file)
    return file


@pytest.fixture
def added(request_for: Any, torch_pipe: Any, tmp_path: Path) -> Callable[..., GenerationRequest]:
    """A request with a LoRA for `parts` and an embedding in the prompt."""

    def build(parts: Sequence[str] = PARTS, **sampling: Any) -> GenerationRequest:
        lora, embedding = tmp_path / "lora.safetensors", tmp_path / "fox.safetensors"
        if not lora.exists():
            write_kohya(lora, random_factors(torch_pipe, parts=parts))
            write_embedding(embedding)
        asked: GenerationRequest = request_for(prompts=Prompts(prompt="a red <fox>"), **sampling)
        return replace(
            asked,
            additions=Additions(
                loras=(LoraReference(lora, 0.5),), embeddings=(EmbeddingReference(embedding, "<fox>"),)
            ),
            output=OutputOptions(watermark=False, keep_latents="final"),
        )

    return build


def latents(engine: Any, asked: GenerationRequest) -> Any:
    kept = generate(engine, asked).picture.latents
    assert kept is not None
    return kept.final


def max_difference(one: Any, other: Any) -> float:
    return float(np.abs(one - other).max() / np.abs(one).max())


@pytest.mark.parametrize(
    "parts", [ENCODERS, pytest.param(PARTS, marks=pytest.mark.slow)], ids=["the text encoders", "every part"]
)
def test_a_file_that_changed_since_the_last_picture_is_read_again(
    parts: Sequence[str], launch: Launch, added: Any, torch_pipe: Any, tmp_path: Path
) -> None:
    """A LoRA or an embedding is trained on and saved under the same name while the window is open."""
    engine, request = launch(), added(parts)
    first = latents(engine, request)
    write_embedding(tmp_path / "fox.safetensors", seed=1)
    second = latents(engine, request)
    write_kohya(tmp_path / "lora.safetensors", random_factors(torch_pipe, seed=1, parts=parts))
    third = latents(engine, request)
    assert max_difference(first, second) > TOLERANCE
    assert max_difference(second, third) > TOLERANCE
    assert np.array_equal(third, latents(launch(), request)), "what an engine draws that never saw the old files"


@pytest.fixture(scope="module")
def tiny_vae(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from diffusers import AutoencoderTiny

    torch.manual_seed(3)
    narrow = (8, 8, 8, 8)
    folder = tmp_path_factory.mktemp("tiny vae")
    AutoencoderTiny(
        encoder_block_out_channels=narrow, decoder_block_out_channels=narrow, num_decoder_blocks=(1, 1, 1, 1)
    ).save_pretrained(folder)
    return folder


def test_a_tiny_vae_decodes_what_it_decodes_in_diffusers(launch: Launch, request_for: Any, tiny_vae: Path) -> None:
    import torch
    from diffusers import AutoencoderTiny

    request = replace(request_for(), additions=Additions(vae=tiny_vae), output=OutputOptions(keep_latents="final"))
    engine = launch()
    recorded = generate(engine, request)
    latents = torch.from_numpy(not_none(recorded.picture.latents).final)[None]
    with torch.no_grad():
        image = AutoencoderTiny.from_pretrained(tiny_vae).eval().decode(latents).sample[0].numpy().transpose(1, 2, 0)
    expected = np.round(np.clip(image / 2 + 0.5, 0, 1) * 255)
    assert np.abs(recorded.picture.pixels - expected).max() <= 1, "its weights are in f16"
    assert recorded.picture.pixels.std() > 2
    own = generate(engine, replace(request, additions=Additions()))
    assert arrays_equal(not_none(own.picture.latents).final, not_none(recorded.picture.latents).final)
    assert (own.picture.pixels != recorded.picture.pixels).any()


def test_with_a_tiny_vae_pictures_are_encoded_as_ever(launch: Launch, tiny_checkpoints: Any, tiny_vae: Path) -> None:
    """It has no encoder here: the checkpoint's own must still work with the checkpoint's own scaling factor."""
    edit = replace(BUILDERS[ParityWorkflow.IMAGE](tiny_checkpoints), output=OutputOptions(keep_latents="final"))
    engine = launch()
    own = not_none(generate(engine, edit).picture.latents).final
    encoded = generate(engine, replace(edit, additions=Additions(vae=tiny_vae))).picture.latents
    assert arrays_equal(not_none(encoded).final, own)


def test_another_vae_that_changed_is_read_again(
    launch: Launch, request_for: Any, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    vae = tmp_path / "vae"
    shutil.copytree(tiny_checkpoint / "ov" / "vae_decoder", vae / "vae_decoder")
    request = replace(request_for(), additions=Additions(vae=vae))
    engine = launch()
    before = generate(engine, request).picture.pixels
    config = vae / "vae_decoder" / "config.json"
    config.write_text(config.read_text().replace('"scaling_factor": 0.13025', '"scaling_factor": 0.2'))
    assert "0.2" in config.read_text()
    assert not np.array_equal(generate(engine, request).picture.pixels, before)


@pytest.mark.parametrize("speed", [SpeedPreset.EXACT, pytest.param(SpeedPreset.FAST, marks=pytest.mark.slow)])
def test_on_devices_of_fixed_shapes_they_draw_what_they_draw_elsewhere(
    speed: SpeedPreset, launch: Launch, added: Any, request_for: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = added(speed=speed, steps=6)
    expected = latents(launch(), request)
    monkeypatch.setenv(FIXED_SHAPES_VARIABLE, "cpu")
    engine = launch()
    assert max_difference(expected, latents(engine, request)) <= TOLERANCE
    for fewer in (replace(request.additions, loras=()), replace(request.additions, embeddings=())):
        assert max_difference(expected, latents(engine, replace(request, additions=fewer))) > TOLERANCE, (
            "it changes nothing"
        )
    assert max_difference(expected, latents(engine, request)) <= TOLERANCE, "and back again"


def test_parts_of_fixed_shapes_do_not_need_the_folder_they_were_first_read_from(
    launch: Launch, request_for: Any, tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checkpoint was moved: its parts are the same, so what is compiled of them stays."""
    monkeypatch.setenv(FIXED_SHAPES_VARIABLE, "cpu")
    before, after = tmp_path / "before", tmp_path / "after"
    shutil.copytree(tiny_checkpoint / "ov", before)
    engine = launch()
    generate(engine, request_for(checkpoint=before))
    before.rename(after)
    other = Size(64, 96)
    expected = generate(launch(), request_for(size=other)).picture.pixels
    assert np.array_equal(generate(engine, request_for(checkpoint=after, size=other)).picture.pixels, expected)


def count_calls(calls: list[Any], function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, noting what it is given each time."""

    def counted(*given: Any) -> Any:
        calls.append(given)
        return function(*given)

    return counted


class TestReadOnce:
    def test_a_run_looks_at_the_files_once(
        self, launch: Launch, request_for: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        engine = launch()
        looked: list[Any] = []
        generate(engine, request_for())
        monkeypatch.setattr(checkpoint_cache, "file_fingerprint", count_calls(looked, file_fingerprint))
        generate(engine, request_for(count=2))
        assert len(looked) == 1

    def test_automatic_is_decided_once_for_a_run(
        self, launch: Launch, request_for: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Another measurement may be written while it draws."""
        asked: list[Any] = []
        monkeypatch.setattr(compiled_models, "read_timings", count_calls(asked, read_timings))
        engine = launch()
        generate(engine, request_for(count=2, device="AUTO"))
        assert len(asked) == 1
        generate(engine, request_for(device="CPU"))
        assert len(asked) == 1, "nothing is to be decided"

    def test_the_decoders_graph_is_not_read_again_for_every_picture(
        self, launch: Launch, request_for: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        engine = launch()
        monkeypatch.setattr(RunPreparation, "decode_budget", lambda *_: 1 << 40)
        generate(engine, request_for())
        graphs: list[Any] = []
        monkeypatch.setattr(ModelPart, "model", property(count_calls(graphs, ModelPart.model.fget)))  # type: ignore[attr-defined]
        generate(engine, request_for(count=2))
        assert graphs == []

    def test_whether_a_vae_may_run_in_16_bits_is_found_out_once(
        self, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        loaded = LoadedCheckpoint.load(tiny_checkpoint / "ov")
        asked: list[Any] = []
        is_scaled = devices.has_activation_scale
        monkeypatch.setattr(devices, "has_activation_scale", count_calls(asked, is_scaled))
        for _ in range(2):
            key = loaded.compile_keys(("vae_decoder",), Execution(device="GPU.0"))["vae_decoder"]
            resolved = resolve_key(key, loaded.pipe.vae_decoder.has_activation_scale)
            assert resolved.precision == ("auto" if is_scaled(loaded.pipe.vae_decoder.model) else "f32")
            loaded.pipe.release_graphs()
        assert len(asked) == 1


def test_a_file_that_vanishes_while_it_is_looked_for_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("1")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    assert [Path(name).name for name, *_ in file_fingerprint(tmp_path, tmp_path / "missing.safetensors")] == ["there"]
    before = file_fingerprint(tmp_path / "there")
    (tmp_path / "there").write_text("22")
    assert file_fingerprint(tmp_path / "there") != before
