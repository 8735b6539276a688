"""What a file says of a request is the request, in every format, and other programs find what they look for."""

from __future__ import annotations

import json
import random
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sd_parsers import ParserManager

from sdxl_desktop.core.additions import Additions, EmbeddingReference, LoraReference
from sdxl_desktop.core.edit import EditParameters
from sdxl_desktop.core.events import Picture
from sdxl_desktop.core.foreign_schedulers import a1111_names, find_scheduler
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.prompt_grammar import parse_prompt
from sdxl_desktop.core.raster import Raster
from sdxl_desktop.core.refine import RefinerParameters
from sdxl_desktop.core.request import GenerationRequest, OutputOptions, Prompts, Sampling
from sdxl_desktop.core.schedulers import SchedulerName
from sdxl_desktop.metadata.foreign.parameters_reader import read_parameters
from sdxl_desktop.metadata.foreign.prompt_syntax import to_a1111
from sdxl_desktop.metadata.parameters_writer import parameters_text
from sdxl_desktop.metadata.picture_files import read_record, write_picture, write_picture_without_metadata
from sdxl_desktop.metadata.picture_texts import read_picture_texts
from sdxl_desktop.metadata.weight_files import WeightFile, WeightFiles
from tests.unit.metadata.random_requests import random_prompt, random_request

PIXELS = np.random.default_rng(0).integers(0, 256, (8, 16, 3), np.uint8)
SUFFIXES = (".png", ".jpg", ".webp")
SHA = "31e35c80fc4829d14f90153f4c74cd59c90b779f6afe05a74cd6120b893f7e5b"
REQUEST = GenerationRequest(
    checkpoint=Path("/home/somebody/models/mine"),
    prompts=Prompts(prompt='a (red fox:1.2), ♥ "x"\nsecond line', negative_prompt="blurry", clip_skip=1),
    sampling=Sampling(
        size=Size(832, 1216), steps=25, guidance_scale=6.5, scheduler=SchedulerName.DPMPP_2M_KARRAS, seed=12345
    ),
    additions=Additions(
        loras=(LoraReference(Path("/home/somebody/loras/snow style.safetensors"), 0.7),),
        embeddings=(EmbeddingReference(Path("/home/somebody/e/easy.pt"), "<easy>"),),
        vae=Path("/home/somebody/sdxl_vae.safetensors"),
    ),
    refine=RefinerParameters(checkpoint=Path("/home/somebody/models/refiner"), handoff=0.75),
)
FILES = WeightFiles(
    checkpoint=WeightFile("sd_xl_base_1.0", SHA),
    refiner=WeightFile("sd_xl_refiner_1.0", "7440042bbd" + 54 * "0"),
    vae=WeightFile("sdxl_vae", "235745af8d" + 54 * "1"),
    loras=(WeightFile("snow style", "7c6bad76eb" + 54 * "2"),),
    embeddings=(WeightFile("easy", "c74b4e810b" + 54 * "3"),),
)


def write(file: Path, request: GenerationRequest, seed: int = 7) -> None:
    write_picture(file, Picture(pixels=PIXELS, seed=seed, checkpoint_id="2:abc"), request, files=FILES)


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_five_hundred_random_requests_are_read_as_they_were_written(tmp_path: Path, every: bool) -> None:
    """In every run each request in one of the formats, else in all."""
    chance = random.Random(18)
    for number in range(500):
        request = random_request(chance)
        for suffix in SUFFIXES if every else SUFFIXES[number % len(SUFFIXES) :][:1]:
            file = tmp_path / f"p{suffix}"
            write(file, request, seed=number)
            record = read_record(file)
            assert record is not None
            assert (record.request, record.seed, record.checkpoint_id) == (request, number, "2:abc"), suffix


def test_other_readers_find_the_same_prompts_and_numbers_in_random_requests() -> None:
    """The text is read back here by the reader for other programs' texts."""
    chance = random.Random(19)
    for _ in range(300):
        request = random_request(chance)
        record = read_parameters(parameters_text(request, request.sampling.seed))
        assert record is not None
        sampling = request.sampling
        assert record.program == "SDXL Desktop"
        assert (record.seed, record.steps, record.size) == (sampling.seed, sampling.steps, sampling.size)
        assert record.guidance_scale == pytest.approx(sampling.guidance_scale, rel=1e-4)
        assert record.scheduler == sampling.scheduler
        assert record.clip_skip == (request.prompts.clip_skip or None)
        assert len(record.loras) == len(request.additions.loras)
        assert (record.strength is None) == (request.edit is None)


def weights(prompt: str) -> list[tuple[str, float, int]]:
    """Text without blanks and case, which CLIP ignores, with weight and section."""
    joined: list[tuple[str, float, int]] = []
    for part in parse_prompt(prompt).fragments:
        text = "".join(part.text.lower().split())
        if joined and joined[-1][1:] == (round(part.weight, 4), part.section):
            joined[-1] = (joined[-1][0] + text, *joined[-1][1:])
        else:
            joined.append((text, round(part.weight, 4), part.section))
    return joined


def test_the_prompt_has_the_same_weights_in_the_other_syntax() -> None:
    chance = random.Random(20)
    for _ in range(300):
        prompt = random_prompt(chance)
        written = to_a1111(prompt)
        assert weights(written) == weights(prompt), prompt
        assert not re.search(r"\bAND\b|Negative prompt:|<lora:", written)
        assert not re.search(r"\[[^\[\]]*(\||:\s*\d*\.?\d+)\]", written), "would change from step to step there"


@pytest.mark.parametrize("suffix", SUFFIXES[:2])  # sd-parsers reads no WebP
def test_sd_parsers_reads_our_pictures(suffix: str, tmp_path: Path) -> None:
    write(tmp_path / f"p{suffix}", replace(REQUEST, additions=Additions()), seed=12345)
    found = ParserManager().parse(str(tmp_path / f"p{suffix}"))
    assert found is not None
    (sampler,) = found.samplers
    assert sampler.name == "DPM++ 2M"
    assert sampler.parameters["scheduler"] == "Karras"
    assert (sampler.parameters["seed"], sampler.parameters["steps"], sampler.parameters["cfg_scale"]) == (
        *("12345", "25"),
        "6.5",
    )
    assert sampler.prompts[0].value == REQUEST.prompts.prompt
    assert sampler.negative_prompts[0].value == "blurry"
    assert sampler.model is not None
    assert (sampler.model.name, sampler.model.hash) == ("sd_xl_base_1.0", SHA[:10])


WEB_UI_PAIR = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
"""The pattern by which the web UI's documentation defines the line of values."""


def independent_parameters(file: Path) -> str:
    """The text as a program that knows only the formats reads it, with Pillow."""
    with Image.open(file) as image:
        if image.format == "PNG":
            return str(image.info["parameters"])
        comment = image.getexif().get_ifd(0x8769)[0x9286]
    assert isinstance(comment, bytes)
    assert comment.startswith(b"UNICODE\0")
    return comment[8:].decode("utf-16-be")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_parameters_are_what_the_web_ui_reads(suffix: str, tmp_path: Path) -> None:
    write(tmp_path / f"p{suffix}", REQUEST, seed=12345)
    *prompts, line = independent_parameters(tmp_path / f"p{suffix}").split("\n")
    assert "\n".join(prompts) == ('a (red fox:1.2), ♥ "x"\nsecond line <lora:snow style:0.7>\nNegative prompt: blurry')
    pairs = {key: json.loads(value) if value[:1] == '"' else value for key, value in WEB_UI_PAIR.findall(line)}
    assert pairs["Sampler"], pairs["Schedule type"] == ("DPM++ 2M", "Karras")
    assert (pairs["Steps"], pairs["CFG scale"], pairs["Seed"], pairs["Size"]) == ("25", "6.5", "12345", "832x1216")
    assert (pairs["Model"], pairs["Model hash"]) == ("sd_xl_base_1.0", SHA[:10])
    assert (pairs["VAE"], pairs["VAE hash"]) == ("sdxl_vae", "235745af8d")
    assert (pairs["Refiner"], pairs["Refiner switch at"]) == ("sd_xl_refiner_1.0 [7440042bbd]", "0.75")
    assert pairs["Lora hashes"] == "snow style: 7c6bad76eb"
    assert pairs["TI hashes"] == "easy: c74b4e810b"
    assert pairs["Clip skip"] == "3"
    assert pairs["Version"].startswith("SDXL Desktop ")
    assert "Denoising strength" not in pairs


def test_civitai_finds_the_hashes_of_what_was_used() -> None:
    text = parameters_text(REQUEST, 5, FILES)
    hashes = json.loads(text[text.index("Hashes: {") + 8 : text.index("}") + 1])
    assert hashes == {"model": SHA[:10], "lora:snow style": "7c6bad76eb", "embed:easy": "c74b4e810b"}
    assert "hash" not in parameters_text(REQUEST, 5).lower(), "an unknown hash is not made up"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_no_folder_is_named_in_a_picture(suffix: str, tmp_path: Path) -> None:
    write(tmp_path / f"p{suffix}", REQUEST)
    content = (tmp_path / f"p{suffix}").read_bytes()
    for spelled in (b"somebody", "somebody".encode("utf-16-be"), "somebody".encode("utf-16-le")):
        assert spelled not in content


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("edited", [False, True])
def test_the_file_declares_that_a_model_made_it(suffix: str, edited: bool, tmp_path: Path) -> None:
    edit = EditParameters(picture=Raster(Size(8, 8), "x")) if edited else None
    file = tmp_path / f"p{suffix}"
    write(file, replace(REQUEST, edit=edit))
    kind = "compositeWithTrainedAlgorithmicMedia" if edited else "trainedAlgorithmicMedia"
    told = read_picture_texts(file).xmp["DigitalSourceType"]
    assert told == f"http://cv.iptc.org/newscodes/digitalsourcetype/{kind}"
    with Image.open(file) as image:
        packet = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    assert kind in (packet.decode() if isinstance(packet, bytes) else str(packet)), "an independent reader finds it"
    write(file, replace(REQUEST, edit=edit, output=OutputOptions(declare_source=False)))
    assert b"digitalsourcetype" not in file.read_bytes()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_pixels_only_is_pixels_only(suffix: str, tmp_path: Path) -> None:
    write_picture_without_metadata(tmp_path / f"p{suffix}", Picture(pixels=PIXELS, seed=1))
    found = read_picture_texts(tmp_path / f"p{suffix}")
    assert not found.texts
    assert not found.xmp
    assert not found.user_comment
    assert not found.maker_note


def test_a_long_record_comes_before_the_text_for_others(tmp_path: Path) -> None:
    """A JPEG holds 64 kB of EXIF: what reads back exactly is kept first."""
    long = replace(REQUEST, prompts=Prompts(prompt="heart " * 6000))
    write(tmp_path / "p.jpg", long)
    record = read_record(tmp_path / "p.jpg")
    assert record is not None
    assert record.request.prompts == long.prompts
    assert not read_picture_texts(tmp_path / "p.jpg").user_comment
    write(tmp_path / "p.webp", long)
    assert "heart heart" in read_picture_texts(tmp_path / "p.webp").user_comment


def test_earlier_versions_records_in_the_user_comment_are_read(tmp_path: Path) -> None:
    from sdxl_desktop.metadata.picture_files import create_record, encode_record

    record = create_record(Picture(pixels=PIXELS, seed=3), REQUEST)
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + encode_record(record).encode("utf-16-be")
    for kind in ("jpg", "webp"):
        Image.fromarray(PIXELS).save(tmp_path / f"old.{kind}", exif=exif)
        assert read_record(tmp_path / f"old.{kind}") == record


def test_every_scheduler_is_found_by_the_names_that_are_written() -> None:
    for name in SchedulerName:
        assert find_scheduler(*a1111_names(name)) == (name, "")
        assert find_scheduler(name.label) == (name, "") or name.is_edm_scheduler, "as older versions wrote it"
