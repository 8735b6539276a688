"""A fake hub with one SDXL repository, and a connection to it with retries after milliseconds."""

from __future__ import annotations

import functools
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from sdxl_desktop.library.hub import download_worker
from sdxl_desktop.library.hub import hub_connection as connection_module
from sdxl_desktop.library.hub.access_token import AccessToken
from sdxl_desktop.library.hub.hub_address import parse_address
from sdxl_desktop.library.hub.hub_connection import HubConnection, list_hub_files
from sdxl_desktop.library.hub.remote_files import HubListing
from tests.in_process_jobs import run_job_in_process
from tests.unit.library.hub.fake_hub import LARGE, FakeHub, Repository

REPO = "someone/tiny-xl"
LARGE_BYTES = 3 * 2**20 + 17


@functools.cache
def noise(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


def sdxl_files() -> dict[str, bytes]:
    """What such a repository has: what is needed, and much that is not."""
    needed = {
        "model_index.json": b'{"_class_name": "StableDiffusionXLPipeline"}',
        "scheduler/scheduler_config.json": b'{"_class_name": "EulerDiscreteScheduler"}',
        "text_encoder/config.json": b'{"a": 1}',
        "text_encoder/model.fp16.safetensors": noise(5000, 1),
        "text_encoder_2/config.json": b'{"a": 2}',
        "text_encoder_2/model.fp16.safetensors": noise(6000, 2),
        "tokenizer/vocab.json": b"{}",
        "tokenizer/merges.txt": b"a b",
        "tokenizer_2/vocab.json": b"{}",
        "unet/config.json": b'{"a": 3}',
        LARGE: noise(LARGE_BYTES, 3),
        "vae/config.json": b'{"a": 4}',
        "vae/diffusion_pytorch_model.fp16.safetensors": noise(7000, 4),
    }
    unwanted = {
        ".gitattributes": b"*",
        "README.md": b"# hello",
        "sd_xl_base_1.0.safetensors": noise(9000, 5),
        "unet/diffusion_pytorch_model.safetensors": noise(9000, 6),
        "unet/diffusion_pytorch_model.bin": noise(9000, 7),
        "unet/openvino_model.xml": b"<net></net>",
        "unet/openvino_model.bin": noise(9000, 8),
        "unet/model.onnx": noise(2000, 9),
        "text_encoder/flax_model.msgpack": noise(2000, 10),
        "vae_1_0/diffusion_pytorch_model.safetensors": noise(2000, 11),
    }
    return {**needed, **unwanted}


def unneeded(path: str) -> bool:
    return path in {
        ".gitattributes",
        "README.md",
        "sd_xl_base_1.0.safetensors",
        "unet/diffusion_pytorch_model.safetensors",
        "unet/diffusion_pytorch_model.bin",
        "unet/openvino_model.xml",
        "unet/openvino_model.bin",
        "unet/model.onnx",
        "text_encoder/flax_model.msgpack",
        "vae_1_0/diffusion_pytorch_model.safetensors",
    }


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    card = {"license": "other", "license_name": "a-licence"}
    hub = FakeHub({REPO: Repository(sdxl_files(), card), "someone/locked-xl": Repository(sdxl_files(), gated=True)})
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    for variable in ("HF_TOKEN", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
    yield hub
    hub.close()


@pytest.fixture
def hub_connection() -> HubConnection:
    return HubConnection(AccessToken("", "there is none"), reserved_bytes=10**6, initial_delay=0.02)


_KNOWN: list[HubListing] = []


@pytest.fixture
def listing(hub: FakeHub, hub_connection: HubConnection) -> HubListing:
    """What the hub's repository holds. The same for each test, so it is asked for once."""
    if not _KNOWN:
        _KNOWN.append(list_hub_files(parse_address(REPO), lambda progress: None, connection=hub_connection))
        hub.asked.clear()
    return _KNOWN[0]


@pytest.fixture
def destination(tmp_path: Path) -> Path:
    return tmp_path / "checkpoints" / "tiny"


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a download's own process does is done in this one, which has imported what it needs already. For tests of
    what is fetched and told; that processes start, are killed and end is tested elsewhere."""
    monkeypatch.setattr(
        connection_module,
        "run_job",
        lambda worker, job, emit, cancel: run_job_in_process(download_worker.HOST, job, emit),
    )
