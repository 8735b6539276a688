"""Families that come in pieces are put together: a UNet between another's parts, a LoRA fused where it belongs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdxl_desktop.core.schedulers import SchedulerName
from sdxl_desktop.formats.detected_model import ModelKind
from sdxl_desktop.library.convert.conversion_job import ConversionPhase
from sdxl_desktop.library.convert.weight_format import WeightFormat
from sdxl_desktop.library.hub.hub_connection import HubConnection
from sdxl_desktop.library.import_record import verify_checkpoint
from sdxl_desktop.library.importer.import_preview import preview_import
from sdxl_desktop.library.importer.import_progress import ImportProgress
from sdxl_desktop.library.importer.importing import ImportResult, import_model
from sdxl_desktop.library.scan import Library
from tests.library.importer.conftest import LIGHTNING_FILE, SSD
from tests.unit.library.hub.fake_hub import FakeHub

pytestmark = pytest.mark.usefixtures("convert_here")


def had(
    what: str | Path, weights: WeightFormat | None, library: Library, line: HubConnection, **names: Any
) -> ImportResult:
    return import_model(
        preview_import(what, library, connection=line, **names),
        weights,
        library,
        lambda progress: None,
        connection=line,
    )


def scheduler_of(folder: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((folder / "scheduler" / "scheduler_config.json").read_text())
    return config


def inputs_of(graph: Any) -> dict[str, Any]:
    """Fixed ones for a UNet."""
    rng, fed = np.random.default_rng(3), {}
    for port in graph.inputs:
        name, sides = port.get_any_name(), port.get_partial_shape()
        shape = [side.get_length() if side.is_static else {0: 2, 1: 77}.get(i, 16) for i, side in enumerate(sides)]
        fed[name] = rng.standard_normal(shape).astype(np.float32)
        if name == "timestep":
            fed[name] = np.full(shape, 500, np.float32)
    return fed


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_lone_unet_comes_with_the_parts_of_what_it_was_made_from(
    hub: FakeHub, library: Library, hub_connection: HubConnection
) -> None:
    offer = preview_import("lcm-ssd-1b", library, connection=hub_connection)
    assert offer.required_titles == ("SSD-1B",)
    made = import_model(offer, WeightFormat.FP32, library, lambda progress: None, connection=hub_connection).checkpoint
    assert made is not None
    assert made.is_few_step
    assert made.recommended.scheduler is SchedulerName.LCM
    assert made.recommended.steps == 4
    assert scheduler_of(made.folder)["_class_name"] == "LCMScheduler"
    assert verify_checkpoint(made.folder).problems == ()
    assert not any(path.startswith(f"/{SSD}/resolve") and "/unet/" in path for _, path, _ in hub.asked)
    assert [path.name for path in library.user_folder.iterdir() if path.is_dir()] == ["lcm-ssd-1b"], (
        "and nothing else is left"
    )


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_parts_that_the_library_has_are_linked_and_not_made_again(
    hub: FakeHub, library: Library, hub_connection: HubConnection
) -> None:
    base = had("ssd-1b", WeightFormat.FP32, library, hub_connection)
    asked = len(hub.asked)
    reported: list[ImportProgress] = []
    offer = preview_import("lcm-ssd-1b", library, connection=hub_connection)
    assert offer.listing is not None
    assert (
        offer.download_bytes_for(WeightFormat.FP32) == offer.listing.bytes < offer.download_bytes_for(WeightFormat.INT8)
    )
    made = import_model(offer, WeightFormat.FP32, library, reported.append, connection=hub_connection)
    assert {step.what for step in reported if step.stage == ConversionPhase.WRITING} == {"unet"}
    assert not any(SSD in path and "resolve" in path for _, path, _ in hub.asked[asked:])
    weights = Path("vae_decoder") / "openvino_model.bin"
    assert (made.path / weights).samefile(base.path / weights)
    assert scheduler_of(made.path)["_class_name"] == "LCMScheduler"
    assert verify_checkpoint(made.path).problems == ()
    (base.path / weights).unlink()
    assert verify_checkpoint(made.path).problems == (), "it stands alone"


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_lone_unet_on_this_disk(
    hub: FakeHub, library: Library, hub_connection: HubConnection, lcm_unet: Path
) -> None:
    had("sdxl-base", WeightFormat.FP32, library, hub_connection)
    offer = preview_import(lcm_unet, library, connection=hub_connection, name="distilled")
    made = import_model(offer, WeightFormat.FP32, library, lambda progress: None, connection=hub_connection).checkpoint
    assert made is not None
    assert made.is_few_step
    assert lcm_unet.is_dir(), "what lies on the disk is not touched"


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_lora_that_belongs_to_its_family_is_fused(
    hub: FakeHub, library: Library, hub_connection: HubConnection, small_checkpoint: Path, lightning_lora: Path
) -> None:
    """As diffusers fuses it, by PEFT."""
    import openvino as ov
    import torch
    from diffusers import StableDiffusionXLPipeline

    offer = preview_import("vega-rt", library, connection=hub_connection)
    assert None not in offer.estimates, "it is no addition"
    made = import_model(offer, WeightFormat.FP32, library, lambda progress: None, connection=hub_connection)
    assert scheduler_of(made.path)["_class_name"] == "LCMScheduler"
    pipe = StableDiffusionXLPipeline.from_pretrained(small_checkpoint / "torch")
    pipe.load_lora_weights(lightning_lora.parent, weight_name=lightning_lora.name)
    pipe.fuse_lora()
    graph = ov.Core().read_model(made.path / "unet" / "openvino_model.xml")
    fed = inputs_of(graph)
    given = {name: torch.from_numpy(value) for name, value in fed.items()}
    added = {"text_embeds": given.pop("text_embeds"), "time_ids": given.pop("time_ids")}
    ours = ov.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(fed)[0]
    with torch.no_grad():
        theirs = pipe.unet(**given, added_cond_kwargs=added).sample.numpy()
        pipe.unfuse_lora()
        pipe.unload_lora_weights()
        plain = pipe.unet(**given, added_cond_kwargs=added).sample.numpy()
    assert np.abs(ours - theirs).max() < 1e-4 * np.abs(theirs).max()
    assert np.abs(ours - plain).max() > 0.1 * np.abs(theirs).max(), "it does something"


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_an_addition_is_placed_or_on_request_fused_with_what_it_needs(
    hub: FakeHub, library: Library, hub_connection: HubConnection
) -> None:
    offer = preview_import("sdxl-lightning", library, connection=hub_connection)
    assert offer.kind is ModelKind.LORA
    assert offer.suggested_format is None
    assert {None, *WeightFormat} == set(offer.estimates)
    placed = import_model(offer, None, library, lambda progress: None, connection=hub_connection)
    assert placed.checkpoint is None
    assert placed.path == library.additions_folder / "loras" / "sdxl-lightning.safetensors"
    assert "--lora" in placed.message
    had("sdxl-base", WeightFormat.INT8, library, hub_connection)
    served = dict(hub.served)
    made = had("sdxl-lightning", WeightFormat.INT8, library, hub_connection)
    again = {path for path, count in hub.served.items() if count != served.get(path)}
    assert {path.split("/")[0] for path in again} == {"unet", LIGHTNING_FILE}, "the other parts are here"
    config = scheduler_of(made.path)
    assert (config["_class_name"], config["timestep_spacing"]) == ("EulerDiscreteScheduler", "trailing")
    assert made.checkpoint is not None
    assert (made.checkpoint.recommended.steps, made.checkpoint.recommended.guidance_scale) == (4, 1.0)


def test_the_engine_honours_trailing_timesteps(hub: FakeHub, library: Library, hub_connection: HubConnection) -> None:
    """SDXL-Lightning's four steps are 999, 749, 499 and 249."""
    from sdxl_desktop.engine.openvino.scheduler_factory import create_scheduler

    config = {"num_train_timesteps": 1000, "timestep_spacing": "trailing", "steps_offset": 1}
    assert create_scheduler(SchedulerName.EULER, config, seed=0, steps=4).timesteps.tolist() == [999, 749, 499, 249]
