"""Pictures of other programs in the pictures folder are in the history, with what they say of themselves."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sdxl_desktop.history.entries import HistoryEntry, PictureKind
from tests.unit.history.pictures import Work
from tests.unit.metadata.foreign_samples import SAMPLES, png

CAT = (
    "a cat\nNegative prompt: blurry\nSteps: 9, Sampler: Euler a, Seed: {seed}, Size: 16x8, Model: felis, Version: v1.9"
)


def put(work: Work, name: str, write: Callable[[Path], None]) -> Path:
    work.pictures.mkdir(exist_ok=True)
    write(work.pictures / name)
    return work.pictures / name


def only(work: Work) -> HistoryEntry:
    (entry,) = work.history.page()
    return entry


def test_every_program_is_indexed_and_found(work: Work) -> None:
    expected = {}
    for name, sample in SAMPLES.items():
        put(work, f"{name}{sample.suffix}", sample.write)
        expected[f"{name}{sample.suffix}"] = dict(sample.values)
    work.history.scan(work.pictures)
    entries = {entry.file.name: entry for entry in work.history.page()}
    assert set(entries) == set(expected)
    for name, values in expected.items():
        entry = entries[name]
        listed = {"prompt": entry.prompt, "negative_prompt": entry.negative_prompt, "seed": entry.seed}
        assert listed == {key: values.get(key, listed[key]) or type(listed[key])() for key in listed}
        if values.get("checkpoint") is not None:
            assert entry.checkpoint_title == values["checkpoint"].name
        assert work.history.details(entry.id) is not None
    assert "a1111-jpeg.jpg" in work.names(text="fox")
    assert "comfyui-png.png" in work.names(negative_text="blur")
    assert not work.history.scan(work.pictures).added


def test_the_kind_is_what_the_record_says(work: Work) -> None:
    put(work, "new.png", png(parameters=CAT.format(seed=1)))
    put(work, "changed.png", png(parameters=CAT.format(seed=2) + ", Denoising strength: 0.4"))
    put(work, "refined.png", png(parameters=CAT.format(seed=3) + ", Refiner: other, Refiner switch at: 0.8"))
    work.history.scan(work.pictures)
    assert {entry.file.stem: entry.kind for entry in work.history.page()} == {
        "new": PictureKind.TEXT_TO_IMAGE,
        "changed": PictureKind.IMAGE_TO_IMAGE,
        "refined": PictureKind.REFINED,
    }


@pytest.mark.parametrize(
    "texts",
    [
        {"prompt": "{" * 5000},
        {"prompt": json.dumps({"1": {"class_type": "KSampler", "inputs": {"seed": 1e300}}})},
        {"invokeai_metadata": "[" * 5000},
        {"parameters": "a\0cat\ud800"[:5] + "\nSteps: 9, Seed: -99999999999999999999999, Model: " + "x" * 50_000},
        {"parameters": "cat " * 300_000 + "\nSteps: 9, Sampler: Euler, Seed: 3"},
    ],
)
def test_odd_records_harm_nothing(work: Work, texts: dict[str, str]) -> None:
    put(work, "odd.png", png(**texts))
    put(work, "sound.png", png(parameters=CAT.format(seed=5)))
    work.history.scan(work.pictures)
    entries = {entry.file.name: entry for entry in work.history.page()}
    assert entries["sound.png"].seed == 5
    if "odd.png" in entries:
        assert len(entries["odd.png"].prompt) <= 20_000
        assert len(entries["odd.png"].checkpoint_title) <= 20_000


def test_a_rebuilt_index_has_them_with_their_marks(work: Work) -> None:
    put(work, "cat.png", png(parameters=CAT.format(seed=5)))
    work.history.scan(work.pictures)
    work.history.set_rating([only(work).id], 4)
    work.history.rebuild(work.pictures)
    entry = only(work)
    assert (entry.prompt, entry.seed, entry.checkpoint_title, entry.rating) == ("a cat", 5, "felis", 4)


def test_another_picture_in_the_same_file_replaces_the_entry(work: Work) -> None:
    put(work, "cat.png", png(parameters=CAT.format(seed=5)))
    work.history.scan(work.pictures)
    work.history.set_rating([only(work).id], 4)
    put(work, "cat.png", png(parameters=CAT.format(seed=5), Title="edited"))
    work.history.scan(work.pictures)
    assert (only(work).seed, only(work).rating) == (5, 4)
    put(work, "cat.png", png(parameters=CAT.format(seed=66)))
    work.history.scan(work.pictures)
    assert (only(work).seed, only(work).rating) == (66, 0)


def test_an_edited_picture_of_ours_keeps_its_entry(work: Work) -> None:
    entry = work.add("cat.png", "a (cat:1.2), [grey]", 7)
    work.history.set_starred([entry], True)
    put(work, "cat.png", png(parameters="a cat, changed\nSteps: 9, Sampler: Euler, Seed: 8"))
    work.history.scan(work.pictures)
    assert (only(work).id, only(work).prompt, only(work).starred) == (entry, "a (cat:1.2), [grey]", True)
    details = work.history.details(entry)
    assert details is not None
    assert details.record is not None
