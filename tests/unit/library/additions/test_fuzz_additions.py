"""Whatever chance does to headers, the files beside them and tag lists: readers give values and raise nothing else."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from sdxl_desktop.library.additions.addition_scan import AdditionFolder, AdditionScanner
from sdxl_desktop.library.additions.sidecar_files import MAX_DESCRIPTION, MAX_PHRASE, MAX_TRIGGER_WORDS, read_sidecars
from sdxl_desktop.library.additions.thumbnails import read_thumbnail
from sdxl_desktop.session.completion.tag_list import MAX_NAME, parse_tag_list
from tests.mutations import DEFAULT, MANY, mutated_bytes, mutated_json, mutations
from tests.unit.library.additions.weight_files import data_url, picture_bytes, write_lora

CIVITAI = {
    "id": 7, "name": "v1", "trainedWords": ["ink", "wash"], "baseModel": "SDXL 1.0", "description": "<p>S<br>k</p>",
    "model": {"name": "Ink", "type": "LORA"}, "images": [{"url": "https://example.com/a.png"}],
}  # fmt: skip
WEB_UI = {"description": "d", "sd version": "SDXL", "activation text": "ink", "preferred weight": 0.7, "notes": "n"}
MATRIX = {"ModelName": "Ink", "ModelDescription": "<b>x", "TrainedWords": ["ink"], "TrainedModel": "SDXL 1.0"}
TAGS = b'1girl,0,4114588,"1girls,sole_female"\nlong_hair,0,9,\nname,type,count,alias\n"a ""b""",5,3,"c"\n:d,0,1\n'


def many(default: int = DEFAULT) -> list[object]:
    return [pytest.param(range(default)), pytest.param(range(default, MANY), marks=pytest.mark.slow)]


@pytest.mark.parametrize("seeds", many())
def test_any_description_is_read_or_left_out(tmp_path: Path, seeds: range) -> None:
    samples = {".json": WEB_UI, ".civitai.info": CIVITAI, ".cm-info.json": MATRIX}
    told = 0
    for seed in seeds:
        chance = random.Random(seed)
        for ending, content in samples.items():
            changed = mutated_json(content, chance) if chance.random() < 0.7 else json.dumps(content).encode()
            (tmp_path / f"a{ending}").write_bytes(mutated_bytes(changed, chance) if chance.random() < 0.3 else changed)
        side = read_sidecars(tmp_path / "a.safetensors")
        told += bool(side.trigger_words)
        assert len(side.trigger_words) <= MAX_TRIGGER_WORDS
        assert all(0 < len(word) <= MAX_PHRASE and word.isprintable() for word in side.trigger_words)
        assert len(side.description) <= MAX_DESCRIPTION
        assert side.preferred_weight is None or -10 <= side.preferred_weight <= 10
        for text in (side.title, side.base_model, side.author, side.description, side.notes):
            text.encode()
            assert "\u202e" not in text
    assert told


@pytest.mark.parametrize("seeds", many())
def test_any_weight_file_is_listed_or_left_out(tmp_path: Path, seeds: range) -> None:
    metadata = {
        "ss_tag_frequency": json.dumps({"a": {"ink": 3, "tree": 2}}), "modelspec.thumbnail": data_url("blue", "png"),
        "modelspec.title": "Ink", "ss_output_name": "ink-v1", "ss_base_model_version": "sdxl_base_v1-0",
    }  # fmt: skip
    whole = write_lora(tmp_path / "a.safetensors", metadata, context=16).read_bytes()
    scanner, readable = AdditionScanner(), 0
    for seed, content in zip(seeds, mutations([whole], len(seeds), seeds.start), strict=True):
        (tmp_path / "a.safetensors").write_bytes(content)
        for entry in scanner.scan([AdditionFolder(tmp_path)]):
            readable += not entry.problem
            assert len(entry.problem) < 1000, seed
            for text in (entry.title, entry.alias, *entry.trigger_words):
                assert text.isprintable(), seed
            picture = read_thumbnail(entry, 32)
            assert picture is None or max(picture.shape) <= 32
    assert 0 < readable < len(seeds)


@pytest.mark.parametrize("seeds", many())
def test_any_thumbnail_is_a_picture_or_none(tmp_path: Path, seeds: range) -> None:
    (entry,) = AdditionScanner().scan([AdditionFolder(write_lora(tmp_path / "a.safetensors").parent)])
    samples = [picture_bytes("red", kind=kind) for kind in ("PNG", "JPEG", "WEBP")]
    entry = replace(entry, thumbnail=tmp_path / "a.png")
    shown = 0
    for content in mutations(samples, len(seeds), seeds.start):
        (tmp_path / "a.png").write_bytes(content)
        picture = read_thumbnail(entry, 16)
        shown += picture is not None
        assert picture is None or (picture.shape[2] == 3 and max(picture.shape) <= 16)
    assert 0 < shown < len(seeds)


@pytest.mark.parametrize("seeds", many())
def test_any_tag_list_gives_the_lines_that_are_tags(seeds: range) -> None:
    found = 0
    for content in mutations([TAGS, TAGS * 3], len(seeds), seeds.start):
        tags = parse_tag_list(content.decode("utf-8", errors="replace")).tags
        found += len(tags)
        for tag in tags:
            assert 0 < len(tag.name) <= MAX_NAME
            assert tag.name.isprintable()
            assert tag.count >= 0
    assert found
