"""Records of other programs are read to the right values, what has no counterpart is listed, and hostile ones do no
harm."""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from sdxl_desktop.core.errors import PictureError
from sdxl_desktop.core.prompt_grammar import parse_prompt
from sdxl_desktop.metadata.foreign.comfyui import read_comfyui
from sdxl_desktop.metadata.foreign.draw_things import read_draw_things
from sdxl_desktop.metadata.foreign.fooocus import read_fooocus
from sdxl_desktop.metadata.foreign.invokeai import read_invokeai
from sdxl_desktop.metadata.foreign.novelai import read_novelai
from sdxl_desktop.metadata.foreign.parameters_reader import read_parameters
from sdxl_desktop.metadata.foreign.prompt_syntax import from_a1111, from_comfyui, from_compel, from_novelai
from sdxl_desktop.metadata.foreign.record import ForeignRecord
from sdxl_desktop.metadata.picture_records import describe_origin, read_any_record
from tests.mutations import DEFAULT, MANY, mutated_json, mutations
from tests.unit.metadata import foreign_samples
from tests.unit.metadata.foreign_samples import SAMPLES, Sample, png, png_xmp
from tests.unit.metadata.test_picture_files import chunk
from tests.unit.metadata.test_picture_files import png as png_of_chunks

Reader = Callable[[str], ForeignRecord | None]
JSON_READERS: dict[str, tuple[Reader, object]] = {
    "comfyui": (read_comfyui, dict(foreign_samples.COMFYUI)),
    "comfyui-image": (read_comfyui, dict(foreign_samples.COMFYUI_IMAGE)),
    "invokeai": (read_invokeai, foreign_samples.INVOKEAI),
    "fooocus": (read_fooocus, foreign_samples.FOOOCUS),
    "novelai": (read_novelai, foreign_samples.NOVELAI),
    "draw-things": (read_draw_things, foreign_samples.DRAW_THINGS),
}


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
def test_each_program_is_read_to_the_right_values(sample: Sample, tmp_path: Path) -> None:
    file = tmp_path / f"p{sample.suffix}"
    sample.write(file)
    record = read_any_record(file)
    assert isinstance(record, ForeignRecord)
    assert record.program == sample.program
    assert {name: getattr(record, name) for name in sample.values} == dict(sample.values)
    for words in sample.unmatched:
        assert any(words in lost for lost in record.unmatched), record.unmatched
    json.dumps(record.settings)
    assert sample.program in describe_origin(record)


@pytest.mark.parametrize(
    ("convert", "theirs", "ours"),
    [
        (from_a1111, "a (cat, dog", [("a ", 1.0), ("cat, dog", 1.1)]),
        (from_a1111, "((a)) [b] (c:1.3)", [("a", 1.21), (" ", 1.0), ("b", 1 / 1.1), (" ", 1.0), ("c", 1.3)]),
        (from_comfyui, "[a] (b:1.2) BREAK \\(c\\)", [("[a] ", 1.0), ("b", 1.2), (" break (c)", 1.0)]),
        (from_novelai, "{a} [b] (c)", [("a", 1.05), (" ", 1.0), ("b", 1 / 1.05), (" (c)", 1.0)]),
        (from_compel, "a++ (b c)1.3 (d) e-", [("a", 1.21), (" ", 1.0), ("b c", 1.3), (" d ", 1.0), ("e", 0.9)]),
        (from_compel, "sci-fi, (x [y]:)", [("sci-fi, x [y]:", 1.0)]),
    ],
)
def test_weights_mean_the_same_here(
    convert: Callable[[str], object], theirs: str, ours: list[tuple[str, float]]
) -> None:
    read = convert(theirs)
    found = [(part.text, part.weight) for part in parse_prompt(read.text).fragments]  # type: ignore[attr-defined]
    expected = [(text, weight) for text, weight in ours if text.strip()]
    assert [text for text, _ in found] == [text for text, _ in expected]
    assert [weight for _, weight in found] == pytest.approx([weight for _, weight in expected], rel=1e-5)


@pytest.mark.parametrize(
    ("text", "lost"),
    [
        ("a [cat:dog:0.5]", "step to step"),
        ("a AND b", "AND"),
        ("<hypernet:x:1> a", "hypernetwork x"),
        ("<lora:x:0.5:0.9> a", "weights 0.5:0.9"),
    ],
)
def test_syntax_without_a_counterpart_is_listed(text: str, lost: str) -> None:
    record = read_parameters(f"{text}\nSteps: 5, Sampler: Euler, Seed: 1, Size: 64x64")
    assert record is not None
    assert any(lost in one for one in record.unmatched)


@pytest.mark.parametrize(
    ("line", "lost"),
    [
        ("Sampler: DPM adaptive", "The sampler DPM adaptive"),
        ("Sampler: DPM++ 2M, Schedule type: SGM Uniform", "SGM Uniform"),
        ("Seed: 99999999999", "The seed: 99999999999"),
        ("Steps: 5000", "steps: 5000"),
        ("CFG scale: 1e9", "guidance scale: 1e9"),
        ("Size: 99999x5", "The size: 99999x5"),
        ('ControlNet 0: "Module: canny, Model: x"', "ControlNet 0: Module: canny"),
    ],
)
def test_values_without_a_counterpart_are_listed(line: str, lost: str) -> None:
    record = read_parameters(f"a\n{line}, Mask: x, Seed: 1, Steps: 2, Other: 3")
    assert record is not None
    assert any(lost in one for one in record.unmatched), record.unmatched


def test_our_own_record_comes_before_the_text_for_others(tmp_path: Path) -> None:
    from sdxl_desktop.core.events import Picture
    from sdxl_desktop.metadata.picture_files import PictureRecord, write_picture
    from tests.unit.metadata.test_round_trips import PIXELS, REQUEST

    write_picture(tmp_path / "p.png", Picture(pixels=PIXELS, seed=9), REQUEST)
    record = read_any_record(tmp_path / "p.png")
    assert isinstance(record, PictureRecord)
    assert "seed 9" in describe_origin(record)


def try_file(file: Path) -> None:
    said, record = "", None
    try:
        record = read_any_record(file)
    except PictureError as problem:
        said = str(problem)
    assert len(said) < 1000
    assert "\n" not in said
    if isinstance(record, ForeignRecord):
        assert json.dumps(record.settings)
        assert len(record.unmatched) <= 100


def deep(depth: int) -> str:
    return '{"1": ' + "[" * depth + "]" * depth + "}"


def circle() -> str:
    """A graph whose nodes lead to each other without an end."""
    nodes = {
        str(n): {"class_type": "KSampler", "inputs": {"model": [str(n + 1), 0], "positive": [str(n), 0],
                 "latent_image": [str((n + 1) % 900), 0], "samples": [str(n), 0]}}
        for n in range(900)
    }  # fmt: skip
    nodes["s"] = {"class_type": "SaveImage", "inputs": {"images": ["0", 0]}}
    return json.dumps(nodes)


BILLION_LAUGHS = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><x:xmpmeta xmlns:x="y">&b;</x:xmpmeta>'
HOSTILE = {
    "deep JSON": png(prompt=deep(100_000)),
    "deep InvokeAI": png(invokeai_metadata=deep(100_000)),
    "a circle": png(prompt=circle()),
    "huge numbers": png(parameters=f"a\nSteps: {'9' * 100_000}, Sampler: Euler, Seed: 1e999, Size: {'9' * 50}x1"),
    "many pairs": png(parameters="a\nSteps: 1, Seed: 2, Size: 8x8" + ", a b: c" * 100_000),
    "words without colons": png(parameters="a\nSteps: 1, Seed: 1, " + "word " * 150_000),
    "many brackets": png(parameters="(" * 90_000 + "\nSteps: 1, Seed: 1, Size: 8x8"),
    "nested brackets": png(parameters="[" * 40_000 + "|" + "]" * 40_000 + "\nSteps: 1, Seed: 1, Size: 8x8"),
    "many tags": png(parameters="<lora:" * 50_000 + "\nSteps: 1, Seed: 1, Size: 8x8"),
    "entities": png_xmp("x"),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.timeout(60)
def test_hostile_records_end_in_a_value_or_one_sentence(name: str, tmp_path: Path) -> None:
    HOSTILE[name](tmp_path / "p.png")
    try_file(tmp_path / "p.png")


def test_texts_that_expand_are_left_out(tmp_path: Path) -> None:
    bomb = chunk(b"iTXt", b"parameters\0\1\0\0\0" + zlib.compress(bytes(80 * 2**20)))
    xmp = chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + BILLION_LAUGHS.encode())
    (tmp_path / "p.png").write_bytes(png_of_chunks(8, bomb, xmp))
    assert read_any_record(tmp_path / "p.png") is None


def test_a_recognised_record_that_is_damaged_is_told(tmp_path: Path) -> None:
    png(invokeai_metadata='{"positive_prompt": "a')(tmp_path / "p.png")
    with pytest.raises(PictureError, match=r"cannot be taken over.*invokeai_metadata"):
        read_any_record(tmp_path / "p.png")


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("count", [DEFAULT // 4, pytest.param(MANY, marks=pytest.mark.slow)])
def test_damaged_files_of_other_programs(name: str, count: int, tmp_path: Path) -> None:
    file = tmp_path / f"p{SAMPLES[name].suffix}"
    SAMPLES[name].write(file)
    for content in mutations([file.read_bytes()], count, seed=4):
        file.write_bytes(content)
        try_file(file)


@pytest.mark.parametrize("name", JSON_READERS)
@pytest.mark.parametrize("count", [DEFAULT, pytest.param(MANY, marks=pytest.mark.slow)])
def test_damaged_json_of_other_programs(name: str, count: int) -> None:
    read, content = JSON_READERS[name]
    chance = random.Random(5)
    for _ in range(count):
        record = read(mutated_json(content, chance).decode(errors="replace"))
        assert record is None or json.dumps(record.settings)


@pytest.mark.parametrize("count", [DEFAULT, pytest.param(MANY, marks=pytest.mark.slow)])
def test_damaged_parameters(count: int) -> None:
    samples = [text.encode() for text in (foreign_samples.A1111, foreign_samples.FORGE, foreign_samples.FOOOCUS_A1111)]
    for content in mutations(samples, count, seed=6):
        record = read_parameters(content.decode(errors="replace"))
        assert record is None or json.dumps(record.settings)
