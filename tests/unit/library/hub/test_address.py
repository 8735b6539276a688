"""Addresses that users type or paste are parsed, or refused in a sentence; misleading ones are refused."""

from __future__ import annotations

import pytest

from sdxl_desktop.library.hub.hub_address import HubAddress, looks_like_address, parse_address
from sdxl_desktop.library.hub.hub_errors import AddressError

ID = "stabilityai/stable-diffusion-xl-base-1.0"
FILE = "sd_xl_base_1.0.safetensors"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (ID, HubAddress(ID)),
        (f"  {ID}/ \n", HubAddress(ID)),
        (f"<https://huggingface.co/{ID}>", HubAddress(ID)),
        (f"huggingface.co/{ID}", HubAddress(ID)),
        (f"https://hf.co/{ID}/tree/main", HubAddress(ID)),
        (f"https://huggingface.co/models/{ID}", HubAddress(ID)),
        (f"https://huggingface.co/{ID}?revision=v1", HubAddress(ID, "v1")),
        (f"{ID}@v1", HubAddress(ID, "v1")),
        (f"{ID}@v1/vae", HubAddress(ID, "v1", folder="vae")),
        (f"hf://{ID}@v1/{FILE}", HubAddress(ID, "v1", file=FILE)),
        (f"{ID}/{FILE}", HubAddress(ID, file=FILE)),
        (f"https://huggingface.co/{ID}/blob/main/{FILE}", HubAddress(ID, file=FILE)),
        (f"https://huggingface.co/{ID}/resolve/main/{FILE}?download=true", HubAddress(ID, file=FILE)),
        (
            f"https://huggingface.co/{ID}/raw/refs%2Fpr%2F4/vae/a.safetensors",
            HubAddress(ID, "refs/pr/4", "vae/a.safetensors"),
        ),
        (f"https://huggingface.co/{ID}/tree/fp16/vae", HubAddress(ID, "fp16", folder="vae")),
        (f"https://huggingface.co/{ID}/blob/main/a%20b.safetensors", HubAddress(ID, file="a b.safetensors")),
        (f"https://huggingface.co/{ID}/discussions/4", HubAddress(ID)),
    ],
    ids=str,
)
def test_understood(text: str, address: HubAddress) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sdxl",
        "a picture of a cat",
        "../../etc/passwd",
        "/home/me/sdxl.safetensors",
        "C:\\models\\sdxl.safetensors",
        "./models/sdxl",
        "https://example.org/someone/model",
        "https://huggingface.co.example.org/someone/model",
        "file:///etc/passwd",
        "https://huggingface.co/datasets/someone/pictures",
        "https://huggingface.co/someone",
        f"https://huggingface.co/{ID}/blob/main/../../../x.safetensors",
        f"https://huggingface.co/{ID}/blob/main/%2e%2e/x.safetensors",
        f"{ID}@../main",
        f"{ID}/a\\b.safetensors",
        "https://[broken",
    ],
    ids=str,
)
def test_refused(text: str) -> None:
    assert not looks_like_address(text)
    with pytest.raises(AddressError, match="names nothing on the hub") as refused:
        parse_address(text)
    assert refused.value.is_user_error
    assert "stabilityai/" in refused.value.next_step


def test_a_mirror_has_the_same_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not looks_like_address(f"https://mirror.example/hub/{ID}/tree/main")
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example/hub/")
    assert parse_address(f"https://mirror.example/hub/{ID}/blob/main/{FILE}") == HubAddress(ID, file=FILE)
    assert parse_address(f"https://huggingface.co/{ID}") == HubAddress(ID)
    assert HubAddress(ID).page == f"https://huggingface.co/{ID}", "licences are accepted on the hub itself"


def test_names_for_folders() -> None:
    assert HubAddress(ID).name == "stable-diffusion-xl-base-1.0"
    assert HubAddress(ID, file=f"x/{FILE}").name == "sd_xl_base_1.0"
