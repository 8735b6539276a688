"""The library of LoRAs and embeddings: what is found in folders, and what headers and the files beside them tell."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.settings import Preferences
from sdxl_desktop.library.addition_detection import AdditionKind
from sdxl_desktop.library.additions.addition_entry import AdditionEntry, TrainedModel
from sdxl_desktop.library.additions.addition_scan import AdditionFolder, AdditionScanner, addition_folders
from sdxl_desktop.library.additions.thumbnails import read_thumbnail
from tests.unit.library.additions.weight_files import data_url, picture_bytes, write_embedding, write_lora


def scan(folder: Path, *, holds_embeddings: bool = False) -> dict[str, AdditionEntry]:
    found = AdditionScanner().scan([AdditionFolder(folder, holds_embeddings=holds_embeddings)])
    return {entry.path_name: entry for entry in found}


def test_loras_and_embeddings_are_found_in_subfolders_and_nothing_else(tmp_path: Path) -> None:
    tmp_path /= "models"
    write_lora(tmp_path / "styles" / "Ink Wash.safetensors")
    write_embedding(tmp_path / "embeddings" / "mood.safetensors")
    (tmp_path / "embeddings" / "old.pt").write_bytes(b"anything")
    (tmp_path / "upscaler.pt").write_bytes(b"anything")
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / ".hidden").mkdir()
    write_lora(tmp_path / ".hidden" / "no.safetensors")
    (tmp_path / "cut.safetensors").write_bytes(b"\x08")
    found = scan(tmp_path)
    assert {name: entry.kind for name, entry in found.items()} == {
        "styles/Ink Wash": AdditionKind.LORA,
        "embeddings/mood": AdditionKind.EMBEDDING,
        "embeddings/old": AdditionKind.EMBEDDING,
        "cut": AdditionKind.LORA,
    }
    assert found["cut"].problem
    assert not found["styles/Ink Wash"].problem


def test_a_link_to_a_folder_above_ends_and_a_file_counts_once(tmp_path: Path) -> None:
    write_lora(tmp_path / "a" / "ink.safetensors")
    os.symlink(tmp_path, tmp_path / "a" / "again")
    os.symlink(tmp_path / "a" / "ink.safetensors", tmp_path / "zinc.safetensors")
    assert len(scan(tmp_path)) == 1


@pytest.mark.parametrize(
    ("context", "metadata", "kind", "name"),
    [
        (2048, {}, TrainedModel.SDXL, "SDXL"),
        (768, {}, TrainedModel.OTHER, "Stable Diffusion 1.5"),
        (1024, {}, TrainedModel.OTHER, "Stable Diffusion 2"),
        (64, {"ss_base_model_version": "sdxl_base_v1-0"}, TrainedModel.SDXL, "sdxl_base_v1-0"),
        (64, {"modelspec.architecture": "flux-1-dev/lora"}, TrainedModel.OTHER, "flux-1-dev/lora"),
        (64, {"ss_base_model_version": "sd_v1"}, TrainedModel.OTHER, "Stable Diffusion 1.5"),
        (64, {}, TrainedModel.UNKNOWN, ""),
        (768, {"ss_base_model_version": "sdxl_base_v1-0"}, TrainedModel.OTHER, "Stable Diffusion 1.5"),
    ],
)
def test_the_model_it_is_for_is_told_by_its_tensors_first(
    tmp_path: Path, context: int, metadata: dict[str, str], kind: TrainedModel, name: str
) -> None:
    entry = scan(write_lora(tmp_path / "a.safetensors", metadata, context).parent)["a"]
    assert (entry.base_model, entry.base_model_name) == (kind, name)


@pytest.mark.parametrize(
    ("widths", "kind"),
    [({"clip_l": 768, "clip_g": 1280}, TrainedModel.SDXL), ({"emb_params": 768}, TrainedModel.OTHER)],
)
def test_the_model_of_an_embedding_is_told_by_its_widths(
    tmp_path: Path, widths: dict[str, int], kind: TrainedModel
) -> None:
    assert scan(write_embedding(tmp_path / "a.safetensors", widths).parent)["a"].base_model is kind


def test_trigger_words_come_from_the_person_s_tools_then_the_metadata_then_the_captions(tmp_path: Path) -> None:
    tags = {"ss_tag_frequency": json.dumps({"10_ink": {"inkwash": 20, "1girl": 20, "tree": 4}, "5_x": {"tree": 2}})}
    phrase = {"modelspec.trigger_phrase": "in ink style", **tags}
    write_lora(tmp_path / "captions.safetensors", tags)
    write_lora(tmp_path / "phrase.safetensors", phrase)
    write_lora(tmp_path / "info.safetensors", phrase)
    (tmp_path / "info.civitai.info").write_text(
        json.dumps({"trainedWords": ["ink", " ink ", "", 7], "baseModel": "Pony"})
    )
    write_lora(tmp_path / "own.safetensors", phrase)
    (tmp_path / "own.json").write_text(json.dumps({"activation text": "inkstyle, brush", "preferred weight": 0.65}))
    (tmp_path / "own.civitai.info").write_text(json.dumps({"trainedWords": ["other"], "model": {"name": "Ink <b>"}}))
    found = scan(tmp_path)
    assert found["captions"].trigger_words == ("inkwash", "1girl")
    assert found["captions"].tags == (("inkwash", 20), ("1girl", 20), ("tree", 6))
    assert found["phrase"].trigger_words == ("in ink style",)
    assert (found["info"].trigger_words, found["info"].base_model_name) == (("ink",), "Pony")
    own = found["own"]
    assert (own.trigger_words, own.preferred_weight, own.weight, own.title) == (
        ("inkstyle, brush",),
        0.65,
        0.65,
        "Ink <b>",
    )
    assert found["info"].weight == 1.0


@pytest.mark.parametrize("weight", [0, True, "0.5", None, 11, float("inf")])
def test_a_preferred_weight_that_is_none_is_ignored(tmp_path: Path, weight: object) -> None:
    write_lora(tmp_path / "a.safetensors")
    (tmp_path / "a.json").write_text(json.dumps({"preferred weight": weight, "notes": "soft"}))
    assert scan(tmp_path)["a"].preferred_weight is None


def test_thumbnails_are_pictures_beside_the_file_else_in_it(tmp_path: Path) -> None:
    write_lora(tmp_path / "beside.safetensors", {"modelspec.thumbnail": data_url("blue")})
    (tmp_path / "beside.png").write_bytes(picture_bytes("green", (400, 200)))
    (tmp_path / "beside.preview.png").write_bytes(picture_bytes("red", (400, 200)))
    write_lora(tmp_path / "inside.safetensors", {"modelspec.thumbnail": data_url("blue")})
    write_lora(tmp_path / "broken.safetensors", {"modelspec.thumbnail": data_url("blue")})
    (tmp_path / "broken.png").write_text("no picture")
    write_lora(tmp_path / "address.safetensors", {"modelspec.thumbnail": "https://example.com/a.png"})
    found = {name: read_thumbnail(entry, 64) for name, entry in scan(tmp_path).items()}
    beside = found["beside"]
    assert beside is not None
    assert beside.shape == (32, 64, 3)
    assert tuple(beside[0, 0]) == (255, 0, 0)
    for name in ("inside", "broken"):
        inside = found[name]
        assert inside is not None
        assert inside[0, 0, 2] > 200
    assert found["address"] is None


def test_a_scan_again_reads_only_what_changed(tmp_path: Path) -> None:
    write_lora(tmp_path / "a.safetensors")
    write_lora(tmp_path / "b.safetensors")
    scanner, folders = AdditionScanner(), [AdditionFolder(tmp_path)]
    before = {entry.name: entry for entry in scanner.scan(folders)}
    (tmp_path / "b.json").write_text('{"notes": "new"}')
    found = {entry.name: entry for entry in scanner.scan(folders)}
    assert found["a"] is before["a"]
    assert found["b"].notes == "new"
    (tmp_path / "a.safetensors").unlink()
    assert [entry.name for entry in scanner.scan(folders)] == ["b"]


def test_the_folders_are_the_chosen_one_the_application_s_downloads_and_what_ships(home: Path, tmp_path: Path) -> None:
    write_lora(tmp_path / "mine" / "x.safetensors")
    paths = AppPaths.from_environment()
    write_lora(paths.data / "loras" / "y.safetensors")
    write_lora(paths.checkpoints / "additions" / "loras" / "z.safetensors")
    folders = addition_folders(paths, Preferences(additions_folder=str(tmp_path / "mine")))
    found = AdditionScanner().scan(folders)
    assert [entry.name for entry in found] == ["x", "y", "z", "magenta", "sepia"]
    assert [entry.is_shipped for entry in found] == [False, False, False, True, True]
