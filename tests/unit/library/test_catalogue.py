"""The catalogue is complete, describes each entry, and suggests formats that fit the computer."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from sdxl_desktop.core.errors import CheckpointError
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.parts import DIFFUSERS_PARTS
from sdxl_desktop.core.paths import resources_folder
from sdxl_desktop.formats.families import shipped_config_folder
from sdxl_desktop.formats.layer_shapes import tensor_shapes
from sdxl_desktop.library.catalogue import (
    CatalogueEntry,
    CatalogueKind,
    catalogue,
    find_entry,
    read_catalogue,
    required_entries,
    suggest_entries,
)

GIB = 2**30
FILE = resources_folder() / "catalogue.json"


def ids(entries: tuple[CatalogueEntry, ...]) -> set[str]:
    return {entry.id for entry in entries}


def test_the_families_that_were_promised_are_there() -> None:
    promised = {"sdxl-base", "sdxl-refiner", "ssd-1b", "lcm-ssd-1b", "segmind-vega", "vega-rt", "sdxl-turbo"}
    assert promised | {"sdxl-lightning", "hyper-sd", "sdxl-inpainting", "vae-fp16-fix"} <= ids(catalogue())
    assert {entry.kind for entry in catalogue() if entry.id in ("sdxl-lightning", "hyper-sd")} == {CatalogueKind.LORA}
    assert any(entry.openvino for entry in catalogue())


@pytest.mark.parametrize("entry", catalogue(), ids=lambda entry: entry.id)
def test_each_entry_says_what_one_needs_to_choose(entry: CatalogueEntry) -> None:
    assert entry.sentence.endswith(".")
    assert entry.sentence.count(". ") == 0, "one sentence"
    if entry.kind is CatalogueKind.SHIPPED:
        return
    assert entry.licence is not None
    assert entry.wanted
    assert entry.address.repo == entry.repo
    assert entry.address.file == (entry.file or "")
    if entry.kind is not CatalogueKind.VAE:
        assert entry.memory is not None
        assert entry.recommended is not None
        Size(entry.recommended.width, entry.recommended.height)
    for field in ("download_bytes", "disk_bytes"):
        assert getattr(entry, field) is not None or field in entry.unverified


@pytest.mark.parametrize(
    "entry", [entry for entry in catalogue() if entry.kind is CatalogueKind.CHECKPOINT and not entry.openvino]
)
def test_sizes_are_those_of_the_shipped_configurations(entry: CatalogueEntry) -> None:
    assert entry.family is not None
    setup = shipped_config_folder(entry.family)
    configs = {part: setup.config(part) for part in DIFFUSERS_PARTS}
    weights = sum(
        math.prod(shape) for part, config in configs.items() if config for shape in tensor_shapes(part, config).values()
    )
    assert entry.disk_bytes == 2 * weights


def test_what_goes_with_another_comes_with_it() -> None:
    vega_rt = find_entry("vega-rt")
    assert vega_rt is not None
    assert [entry.id for entry in required_entries(vega_rt)] == ["segmind-vega", "vega-rt"]


def test_it_is_found_by_id_title_and_repository() -> None:
    assert (
        find_entry("sdxl-base") is find_entry("SDXL base 1.0") is find_entry("stabilityai/Stable-Diffusion-XL-base-1.0")
    )
    assert find_entry("someone/else") is None


@pytest.mark.parametrize(
    ("memory", "fast", "best"),
    [(4, None, None), (8, "vega-rt", "segmind-vega"), (12, "vega-rt", "ssd-1b"), (16, "vega-rt", "sdxl-base")],
)
def test_suggestions_fit_the_computer(memory: int, fast: str | None, best: str | None) -> None:
    ready, quick, finest = suggest_entries(memory * GIB)
    assert ready.id == "starter"
    assert (quick.id if quick else None, finest.id if finest else None) == (fast, best)


def changed(tmp_path: Path, entry: int, **fields: Any) -> Path:
    content = json.loads(FILE.read_text(encoding="utf-8"))
    content["entries"][entry].update(fields)
    file = tmp_path / "catalogue.json"
    file.write_text(json.dumps(content))
    return file


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"disk_bytes": -1}, "disk_bytes"),
        ({"sentence": ""}, "sentence"),
        ({"family": "sd15"}, "family"),
        ({"colour": "red"}, "colour"),
        ({"needs": "nothing"}, "nothing"),
        ({"id": "starter"}, "same id"),
        ({"repo": None}, "shipped or on the hub"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_mistake_in_it_is_noticed(tmp_path: Path, fields: dict[str, Any], words: str) -> None:
    with pytest.raises(CheckpointError, match=words):
        read_catalogue(changed(tmp_path, 1, **fields))
    assert read_catalogue(changed(tmp_path, 1)) == catalogue()
