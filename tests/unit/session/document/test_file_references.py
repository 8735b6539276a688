"""An untrusted project names any file in every field that holds a path: none is touched or trusted."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sdxl_desktop.core.additions import EmbeddingReference, LoraReference
from sdxl_desktop.core.events import Picture
from sdxl_desktop.core.workspace_value import AdditionsPanelState, LoraListItem, WorkspaceValue
from sdxl_desktop.session.document.file_references import plain_name, trust_files_in, trust_matching_file
from sdxl_desktop.session.document.project_content import Project
from sdxl_desktop.session.document.project_file import ProjectError, load_project, save_project
from sdxl_desktop.session.result_files import PictureStore, Result, save_as
from tests.unit.session.document.sample_projects import WORKSPACE, full_project, noise, request


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return tmp_path / "pictures"


@pytest.fixture
def result() -> Result:
    return Result(Picture(pixels=noise(4, 64, 96), seed=5), request(5))


def opened(path: Path, result: Result, pictures: Path) -> Path | None:
    """The saved path of a candidate of a project with this record, when it is opened."""
    save_project(Project(candidates=(result,)), path)
    return load_project(path, is_trusted_file=trust_files_in(pictures)).candidates[0].saved_to


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_a_file_that_holds_the_candidate_is_believed(tmp_path: Path, pictures: Path, result: Result, kind: Any) -> None:
    saved = PictureStore(pictures, kind).save(result)
    assert opened(tmp_path / "a.sdxld", saved, pictures) == saved.saved_to
    save_project(Project(candidates=(saved,)), tmp_path / "a.sdxld")
    assert load_project(tmp_path / "a.sdxld").candidates[0].saved_to is None, "nobody was named who believes"


def other_pixels(file: Path, result: Result) -> None:
    pixels = result.picture.pixels.copy()
    pixels[0, 0, 0] ^= 1
    save_as(replace(result, picture=replace(result.picture, pixels=pixels)), file)


def other_seed(file: Path, result: Result) -> None:
    save_as(replace(result, picture=replace(result.picture, seed=6)), file)


def other_words(file: Path, result: Result) -> None:
    words = replace(result.request.prompts, prompt="something else")
    save_as(replace(result, request=replace(result.request, prompts=words)), file)


def link_out(file: Path, result: Result) -> None:
    outside = file.parent.parent / "outside.png"
    save_as(result, outside)
    file.symlink_to(outside)


WRONG: dict[str, Callable[[Path, Result], object]] = {
    "other pixels": other_pixels,
    "another seed": other_seed,
    "other words": other_words,
    "no record": lambda file, result: result.image().save(file),
    "no picture": lambda file, _: file.write_bytes(b"PRIVATE KEY"),
    "nothing": lambda file, _: None,
    "a folder": lambda file, _: file.mkdir(),
    "a pipe": lambda file, _: os.mkfifo(file),
    "a link to itself": lambda file, _: file.symlink_to(file),
    "a link that leads out": link_out,
}


@pytest.mark.parametrize("what", WRONG)
def test_a_file_that_does_not_hold_the_candidate_is_not_believed(
    tmp_path: Path, pictures: Path, result: Result, what: str
) -> None:
    pictures.mkdir()
    WRONG[what](pictures / "a.png", result)
    assert opened(tmp_path / "a.sdxld", replace(result, saved_to=pictures / "a.png"), pictures) is None


@pytest.mark.parametrize("name", ["outside.png", "pictures/../outside.png", "/etc/passwd", "x" * 5000, "a\0b", "."])
def test_a_file_elsewhere_is_not_believed_whatever_it_holds(
    tmp_path: Path, pictures: Path, result: Result, name: str
) -> None:
    pictures.mkdir()
    save_as(result, tmp_path / "outside.png")
    elsewhere = Path(os.path.join(tmp_path, name))
    assert opened(tmp_path / "a.sdxld", replace(result, saved_to=elsewhere), pictures) is None
    assert trust_matching_file(tmp_path / "outside.png", result.picture, result.request), (
        "but of one's own window it is"
    )
    assert not trust_matching_file(Path("outside.png"), result.picture, result.request)


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Windows\\a.png", "a.png"),
        ("\\\\host\\share\\b.png", "b.png"),
        ("Näher – ☃.jpg", "Näher – ☃.jpg"),
        ("a\n\u202egnp.exe", "agnp.exe"),
        ("x" * 100_000, "x" * 255),
        ("/", ""),
    ],
)
def test_the_pictures_name_is_no_more_than_a_name(tmp_path: Path, name: str, plain: str) -> None:
    assert plain_name(name) == plain
    save_project(Project(picture=noise(1, 4, 4), picture_name=name), tmp_path / "a.sdxld")
    assert load_project(tmp_path / "a.sdxld").picture_name == plain


def test_the_weights_that_a_project_uses_are_reported_and_what_can_be_none_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "style.safetensors").touch()
    (tmp_path / "id_rsa").write_text("PRIVATE KEY")
    local = [tmp_path / name for name in ("style.safetensors", "gone.safetensors", "id_rsa")]
    loras = [*local, Path("//host/a.safetensors")]
    additions = AdditionsPanelState(
        loras=tuple(LoraListItem(LoraReference(file)) for file in loras),
        embeddings=(EmbeddingReference(tmp_path / "id_rsa", "<x>"),),
        vae=Path("//host/vae"),
    )
    save_project(Project(workspace=WorkspaceValue(additions=additions)), tmp_path / "a.sdxld")
    project = load_project(tmp_path / "a.sdxld")
    assert project.workspace is not None
    assert [lora.use.file for lora in project.workspace.additions.loras] == loras[:2]
    assert project.workspace.additions.embeddings == ()
    assert project.workspace.additions.vae is None
    used, lost = project.notes
    assert "style.safetensors" in used
    assert "gone" not in used
    assert lost.startswith("4 of")


def test_a_project_has_no_runs_waiting(tmp_path: Path) -> None:
    save_project(Project(picture=noise(1, 4, 4), queued_requests=(request(1),)), tmp_path / "a.sdxld")
    assert load_project(tmp_path / "a.sdxld").queued_requests == ()


def every_name(value: Any, planted: str, found: list[str], way: str = "") -> Any:
    """The same value with `planted` in the place of every text in it; `found` gets the ways to them."""
    if isinstance(value, dict):
        return {key: every_name(one, planted, found, f"{way}.{key}") for key, one in value.items()}
    if isinstance(value, list):
        return [every_name(one, planted, found, f"{way}[]") for one in value]
    if isinstance(value, str):
        found.append(way)
        return planted
    return value


def changed_at(value: Any, way: str, planted: str, here: str = "") -> Any:
    if isinstance(value, dict):
        return {key: changed_at(one, way, planted, f"{here}.{key}") for key, one in value.items()}
    if isinstance(value, list):
        return [changed_at(one, way, planted, f"{here}[]") for one in value]
    return planted if here == way and isinstance(value, str) else value


def test_a_name_planted_in_any_field_changes_nothing_on_the_disk(tmp_path: Path, pictures: Path) -> None:
    """Each text of the card in turn names a file of the user: it stays, and no candidate refers to it."""
    victim = tmp_path / "wedding.png"
    save_as(Result(Picture(pixels=noise(9, 30, 30), seed=1), request(1)), victim)
    content = victim.read_bytes()
    path = tmp_path / "gift.sdxld"
    save_project(replace(full_project(noise(7, 12, 16)), workspace=WORKSPACE), path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    card, ways = json.loads(members["document.json"]), list[str]()
    every_name(card, "", ways)
    assert {".picture_name", ".candidates[].saved_to", ".candidates[].record.request.checkpoint"} <= set(ways)
    assert ".workspace.additions.loras[].use.file" in ways
    for way in sorted(set(ways)):
        members["document.json"] = json.dumps(changed_at(card, way, str(victim))).encode()
        with zipfile.ZipFile(path, "w") as archive:
            for name, one in members.items():
                archive.writestr(name, one)
        try:
            project = load_project(path, is_trusted_file=trust_files_in(pictures))
        except ProjectError:
            continue
        assert all(candidate.saved_to is None for candidate in project.candidates), way
        assert str(tmp_path) not in project.picture_name
    assert victim.read_bytes() == content
    assert sorted(os.listdir(tmp_path)) == ["gift.sdxld", "wedding.png"]
