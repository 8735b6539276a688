"""Only the needed files of a repository are selected; ambiguous ones must be chosen by name."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from sdxl_desktop.library.hub.file_selection import select_files
from sdxl_desktop.library.hub.hub_address import HubAddress
from sdxl_desktop.library.hub.hub_errors import HubNotFoundError
from sdxl_desktop.library.hub.remote_files import DownloadLayout, RemoteFile

PARTS = ("unet", "vae", "text_encoder", "text_encoder_2")
STEMS = {"unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model"}
CONFIGS = [f"{part}/config.json" for part in PARTS]
INDEX = ["model_index.json", "scheduler/scheduler_config.json", "tokenizer/vocab.json", *CONFIGS]


def weights(ending: str, parts: Iterable[str] = PARTS) -> list[str]:
    return [f"{part}/{STEMS.get(part, 'model')}{ending}" for part in parts]


def graphs() -> list[str]:
    parts = ("unet", "vae_decoder", "vae_encoder", "text_encoder", "text_encoder_2")
    return [f"{part}/openvino_model.{kind}" for part in parts for kind in ("xml", "bin")]


def chosen(
    paths: Iterable[str], address: HubAddress | None = None, *, openvino: bool = False
) -> tuple[DownloadLayout, set[str]]:
    there = [RemoteFile(path, 100, blob="0" * 40) for path in paths]
    layout, files = select_files(there, address or HubAddress("someone/model"), openvino=openvino)
    assert len({file.path for file in files}) == len(files)
    return layout, {file.path for file in files}


def test_half_precision_before_full() -> None:
    there = [*INDEX, *weights(".safetensors"), *weights(".fp16.safetensors"), "all.safetensors"]
    assert chosen(there) == (DownloadLayout.DIFFUSERS, {*INDEX, *weights(".fp16.safetensors")})


def test_a_tiny_vae_comes_along_when_it_is_whole() -> None:
    tiny = {"vae_tiny/config.json", "vae_tiny/diffusion_pytorch_model.safetensors"}
    there = [*INDEX, *weights(".safetensors"), *graphs()]
    for openvino in (False, True):
        alone = chosen(there, openvino=openvino)[1]
        assert chosen([*there, *tiny], openvino=openvino)[1] == alone | tiny
        assert chosen([*there, "vae_tiny/config.json"], openvino=openvino)[1] == alone


def test_full_precision_for_the_parts_that_have_no_half() -> None:
    there = [*INDEX, *weights(".safetensors"), *weights(".fp16.safetensors", ["unet"])]
    others = weights(".safetensors", [part for part in PARTS if part != "unet"])
    assert chosen(there)[1] == {*INDEX, *weights(".fp16.safetensors", ["unet"]), *others}


def test_shards_come_with_their_list_and_not_those_of_another_variant() -> None:
    shards = [f"unet/diffusion_pytorch_model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    listing = "unet/diffusion_pytorch_model.safetensors.index.json"
    others = [f"unet/diffusion_pytorch_model.fp16-0000{number}-of-00002.safetensors" for number in (1, 2)]
    rest = weights(".safetensors", [part for part in PARTS if part != "unet"])
    assert chosen([*INDEX, *shards, listing, *others, *rest])[1] == {*INDEX, *shards, listing, *rest}
    listing_16 = "unet/diffusion_pytorch_model.safetensors.index.fp16.json"
    assert chosen([*INDEX, *shards, listing, listing_16, *others, *rest])[1] == {*INDEX, *others, listing_16, *rest}


def test_a_refiner_has_one_encoder() -> None:
    parts = [part for part in PARTS if part != "text_encoder"]
    index = [path for path in INDEX if not path.startswith("text_encoder/")]
    assert chosen([*index, *weights(".fp16.safetensors", parts)])[1] == {*index, *weights(".fp16.safetensors", parts)}


def test_openvino_where_there_is_nothing_else_or_it_is_asked_for() -> None:
    vae = ["vae_decoder/config.json"]
    assert chosen([*INDEX, *vae, *graphs()]) == (
        DownloadLayout.OPENVINO,
        {*INDEX, *vae, *graphs()} - {"vae/config.json"},
    )
    both = [*INDEX, *vae, *graphs(), *weights(".safetensors")]
    assert chosen(both)[0] is DownloadLayout.DIFFUSERS
    assert chosen(both, openvino=True) == (DownloadLayout.OPENVINO, {*INDEX, *vae, *graphs()} - {"vae/config.json"})


def test_a_vae_is_its_weights_and_configuration() -> None:
    there = [
        "config.json",
        "diffusion_pytorch_model.safetensors",
        "diffusion_pytorch_model.bin",
        "sdxl_vae.safetensors",
    ]
    assert chosen(there) == (DownloadLayout.PART, {"config.json", "diffusion_pytorch_model.safetensors"})
    inside = HubAddress("someone/model", folder="vae")
    assert chosen([*INDEX, *weights(".fp16.safetensors")], inside) == (
        DownloadLayout.PART,
        {"vae/config.json", "vae/diffusion_pytorch_model.fp16.safetensors"},
    )


def test_the_only_file_is_meant() -> None:
    assert chosen(["README.md", "cat.safetensors", "cat.ckpt"]) == (DownloadLayout.SINGLE_FILE, {"cat.safetensors"})
    lora = ["pytorch_lora_weights.safetensors", "other.safetensors"]
    assert chosen(lora)[1] == {"pytorch_lora_weights.safetensors"}


def test_several_files_are_asked_about() -> None:
    with pytest.raises(HubNotFoundError, match="2 files of weights") as refused:
        chosen(["a.safetensors", "b.safetensors"])
    assert "a.safetensors, b.safetensors" in refused.value.next_step


@pytest.mark.parametrize(
    ("there", "address", "words"),
    [
        (["README.md"], HubAddress("a/b"), "no .safetensors"),
        ([*INDEX, *weights(".bin")], HubAddress("a/b"), "not safe to open"),
        (["flax_model.msgpack"], HubAddress("a/b"), "not safe to open"),
        (["sdxl-Q4.gguf"], HubAddress("a/b"), "not safe to open"),
        (["unet/model.pth"], HubAddress("a/b"), "not safe to open"),
        (["old/model.ckpt"], HubAddress("a/b"), "no .safetensors"),
        (["a.safetensors"], HubAddress("a/b", file="b.safetensors"), "no file b.safetensors"),
        (["a.safetensors"], HubAddress("a/b", folder="vae"), "no folder vae"),
    ],
    ids=str,
)
def test_what_cannot_be_used_is_reported(there: list[str], address: HubAddress, words: str) -> None:
    with pytest.raises(HubNotFoundError, match=words):
        chosen(there, address)
