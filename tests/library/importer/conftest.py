"""A hub on this computer that has small real SDXL checkpoints under the names of the catalogue."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sdxl_desktop.library.convert import run_import
from sdxl_desktop.library.hub.access_token import AccessToken
from sdxl_desktop.library.hub.hub_connection import HubConnection
from sdxl_desktop.library.scan import Library
from tests.in_process_jobs import run_job_in_process
from tests.unit.library.hub.fake_hub import FakeHub, Repository

BASE, SSD, VEGA = "stabilityai/stable-diffusion-xl-base-1.0", "segmind/SSD-1B", "segmind/Segmind-Vega"
LCM, VEGA_RT, LIGHTNING = "latent-consistency/lcm-ssd-1b", "segmind/Segmind-VegaRT", "ByteDance/SDXL-Lightning"
LIGHTNING_FILE = "sdxl_lightning_4step_lora.safetensors"


def files_in(folder: Path) -> dict[str, bytes]:
    """Every file by its path, weights under the names of half precision, as repositories have them."""
    return {
        file.relative_to(folder).as_posix().replace(".safetensors", ".fp16.safetensors"): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


@pytest.fixture(scope="session")
def lcm_unet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A UNet alone, distilled: its config.json and weights."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tests.engine import tiny_sdxl
        from tests.library import small_sdxl

        folder = tmp_path_factory.mktemp("lcm") / "unet"
        tiny_sdxl.make_unet(**small_sdxl.SMALL_UNET_CONFIG, time_cond_proj_dim=32).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def lightning_lora(small_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA for the small checkpoint's UNet, in kohya's layout."""
    import torch
    from diffusers import UNet2DConditionModel
    from safetensors.torch import save_file

    unet, rng = (
        UNet2DConditionModel.from_pretrained(small_checkpoint / "torch" / "unet"),
        torch.Generator().manual_seed(1),
    )
    tensors: dict[str, Any] = {}
    for name, layer in unet.named_modules():
        if name.endswith(("to_q", "to_v", "proj_in", "conv1")):
            outputs, inputs, *kernel = layer.weight.shape
            stem = f"lora_unet_{name.replace('.', '_')}"
            tensors[f"{stem}.lora_down.weight"] = 0.3 * torch.randn(4, inputs, *kernel, generator=rng)
            tensors[f"{stem}.lora_up.weight"] = 0.3 * torch.randn(outputs, 4, *(1 for _ in kernel), generator=rng)
            tensors[f"{stem}.alpha"] = torch.tensor(2.0)
    file = tmp_path_factory.mktemp("lora") / "lora.safetensors"
    save_file(tensors, file)
    return file


@pytest.fixture
def hub(
    small_checkpoint: Path, lcm_unet: Path, lightning_lora: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FakeHub]:
    whole, rail = files_in(small_checkpoint / "torch"), {"license": "openrail++"}
    hub = FakeHub(
        {
            BASE: Repository(whole, rail),
            SSD: Repository(whole, rail),
            VEGA: Repository(whole, rail),
            LCM: Repository(files_in(lcm_unet), rail),
            VEGA_RT: Repository({"pytorch_lora_weights.safetensors": lightning_lora.read_bytes()}, rail),
            LIGHTNING: Repository({LIGHTNING_FILE: lightning_lora.read_bytes()}, rail),
        }
    )
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    for variable in ("HF_TOKEN", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
    yield hub
    hub.close()


@pytest.fixture
def hub_connection() -> HubConnection:
    return HubConnection(AccessToken("", "there is none"), reserved_bytes=10**6, initial_delay=0.02)


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(shipped_folder=tmp_path / "shipped", user_folder=tmp_path / "library")


@pytest.fixture
def convert_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Conversions are done in this process, which has imported torch already, instead of in one of their own."""
    from sdxl_desktop.library.convert.conversion_worker import HOST

    monkeypatch.setattr(run_import, "run_job", lambda worker, job, emit, cancel: run_job_in_process(HOST, job, emit))
