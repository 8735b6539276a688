"""A project opens again exactly; saving never destroys; a project that cannot be opened is refused with a reason."""

from __future__ import annotations

import io
import json
import os
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sdxl_desktop.core.raster import Raster, UInt8Array
from sdxl_desktop.metadata.latent_files import read_latents
from sdxl_desktop.session.compositing import blend_settings_of
from sdxl_desktop.session.document import manifest
from sdxl_desktop.session.document.document import Document
from sdxl_desktop.session.document.project_encoder import digest_of
from sdxl_desktop.session.document.project_file import Project, ProjectError, load_project, save_project
from tests.typed import arrays_equal
from tests.unit.session.document.sample_projects import WORKSPACE, assert_same, full_project, noise


@pytest.fixture
def project(photograph: UInt8Array) -> Project:
    return full_project(photograph)


def test_a_project_opens_again_exactly(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "Bär.sdxld"
    save_project(project, path)
    opened = load_project(path)
    assert_same(opened, project)
    assert opened.notes == ()
    assert os.listdir(path.parent) == [path.name], "nothing else is left"


def test_what_was_opened_can_be_saved_and_opened_again_and_again(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "a.sdxld"
    save_project(project, path)
    first = path.stat().st_size
    for _ in range(2):
        save_project(load_project(path), path)
    assert_same(load_project(path), project)
    assert path.stat().st_size <= first + 100, "nothing is held twice that was held once"


def test_a_project_of_what_lies_on_the_canvas_continues_where_it_was(project: Project, tmp_path: Path) -> None:
    save_project(project, tmp_path / "a.sdxld")
    opened = load_project(tmp_path / "a.sdxld")
    document = Document()
    document.open(opened.picture, opened.mask, opened.picture_name)
    document.apply_result(opened.candidates[1].picture.pixels)
    document.undo()
    assert arrays_equal(document.picture, project.picture)
    assert arrays_equal(document.mask, project.mask)


@pytest.mark.parametrize(
    "partial",
    [Project(), Project(workspace=WORKSPACE), Project(picture=noise(1)), Project(picture=noise(1, 1, 1))],
    ids=["nothing", "only words", "no mask", "one pixel"],
)
def test_a_project_that_lacks_something_opens_again(partial: Project, tmp_path: Path) -> None:
    save_project(partial, tmp_path / "a.sdxld")
    assert_same(load_project(tmp_path / "a.sdxld"), partial)


def test_a_candidate_can_be_blended_again_after_its_project_was_opened(project: Project, tmp_path: Path) -> None:
    """The results, and the picture and mask they were drawn into, are available again."""
    save_project(project, tmp_path / "a.sdxld")
    opened = load_project(tmp_path / "a.sdxld").candidates
    assert [blend_settings_of(result) for result in opened] == [
        blend_settings_of(result) for result in project.candidates
    ]
    assert blend_settings_of(opened[1]) is not None


def test_candidates_without_a_picture_open_again(project: Project, tmp_path: Path) -> None:
    words_only = Project(candidates=project.candidates[:1])
    save_project(words_only, tmp_path / "a.sdxld")
    assert_same(load_project(tmp_path / "a.sdxld"), words_only)


def test_a_candidate_of_which_only_the_record_of_its_edit_source_is_left_opens_again(
    project: Project, tmp_path: Path
) -> None:
    result = project.candidates[1]
    bare = replace(result, request=result.request.for_metadata())
    save_project(Project(candidates=(bare,)), tmp_path / "a.sdxld")
    assert_same(load_project(tmp_path / "a.sdxld"), Project(candidates=(bare,)))


def test_numbers_that_are_none_are_kept_as_they_are(project: Project, tmp_path: Path) -> None:
    """Latents that ran away must not make a project unreadable."""
    result = project.candidates[0]
    assert result.picture.latents is not None
    final = result.picture.latents.final.copy()
    final[0, 0, :3] = np.nan, np.inf, -0.0
    picture = replace(result.picture, latents=replace(result.picture.latents, final=final))
    save_project(Project(candidates=(replace(result, picture=picture),)), tmp_path / "a.sdxld")
    read = load_project(tmp_path / "a.sdxld").candidates[0].picture.latents
    assert read is not None
    assert read.final.tobytes() == final.tobytes()


def test_the_window_itself_is_not_kept(tmp_path: Path) -> None:
    save_project(Project(workspace=replace(WORKSPACE, geometry="AAAA", layout="BBBB")), tmp_path / "a.sdxld")
    assert load_project(tmp_path / "a.sdxld").workspace == WORKSPACE


def test_the_same_pixels_are_stored_once(photograph: UInt8Array, project: Project, tmp_path: Path) -> None:
    applied = replace(project.candidates[1], picture=replace(project.candidates[1].picture, pixels=photograph.copy()))
    save_project(Project(picture=photograph, candidates=(applied,) * 3), tmp_path / "a.sdxld")
    with zipfile.ZipFile(tmp_path / "a.sdxld") as archive:
        names = archive.namelist()
    assert len([name for name in names if name.endswith(".png")]) == 3, "picture, what was drawn, the mask under it"
    opened = load_project(tmp_path / "a.sdxld")
    assert_same(opened, Project(picture=photograph, candidates=(applied,) * 3))


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (3, 5, 3)])
def test_pixels_are_known_by_the_digest_that_rasters_have(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    for view in (pixels, pixels[::-1], pixels.swapaxes(0, 1)):
        assert digest_of(view) == Raster.from_pixels(view).digest


def test_equal_bytes_in_another_shape_are_not_taken_for_each_other(project: Project, tmp_path: Path) -> None:
    wide, tall = np.zeros((20, 40, 3), np.uint8), np.zeros((40, 20, 3), np.uint8)
    pair = tuple(
        replace(result, picture=replace(result.picture, pixels=pixels))
        for result, pixels in zip(project.candidates, (wide, tall), strict=False)
    )
    save_project(Project(candidates=pair), tmp_path / "a.sdxld")
    assert_same(load_project(tmp_path / "a.sdxld"), Project(candidates=pair))


def test_other_programs_can_look_inside(project: Project, tmp_path: Path) -> None:
    save_project(project, tmp_path / "a.sdxld")
    with zipfile.ZipFile(tmp_path / "a.sdxld") as archive:
        assert archive.testzip() is None
        assert {"document.json", "picture.png", "mask.png", "candidates/000.png"} <= set(archive.namelist())
        for name, pixels in (("picture.png", project.picture), ("mask.png", project.mask)):
            with archive.open(name) as file, Image.open(file) as picture:
                assert arrays_equal(np.asarray(picture), pixels)
        card = json.loads(archive.read("document.json"))
        assert card["candidates"][0]["record"]["request"]["prompts"]["prompt"] == "a heart"
        archive.extract("latents/000.safetensors", tmp_path)
    latents, made_by = read_latents(tmp_path / "latents" / "000.safetensors")
    assert made_by == project.candidates[0].request.for_metadata()
    assert latents == project.candidates[0].picture.latents


# older and newer


def first_version(photograph: UInt8Array, **card: object) -> bytes:
    """What version 1 of the format wrote."""
    content = io.BytesIO()
    mask = np.arange(200 * 320, dtype=np.uint32).astype(np.uint8).reshape(200, 320)
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        plain = {
            "kind": "sdxl-desktop-document",
            "version": 1,
            "application": "0.1",
            "picture_name": "Bär.png",
            "has_picture": True,
            "has_mask": True,
            "candidates": 0,
            "latents": [],
            "request": "",
        }
        archive.writestr("document.json", json.dumps({**plain, **card}))
        for name, pixels in (("picture.png", photograph), ("mask.png", mask), ("candidates/000.png", photograph)):
            packed = io.BytesIO()
            Image.fromarray(pixels).save(packed, "PNG", compress_level=1)
            archive.writestr(name, packed.getvalue())
    return content.getvalue()


def test_projects_of_the_first_version_still_open(photograph: UInt8Array, tmp_path: Path) -> None:
    path = tmp_path / "old.sdxld"
    path.write_bytes(first_version(photograph))
    opened = load_project(path)
    assert arrays_equal(opened.picture, photograph)
    assert opened.mask is not None
    assert opened.mask[1, 7] == (320 + 7) % 256
    assert (opened.picture_name, opened.candidates, opened.workspace, opened.notes) == ("Bär.png", (), None, ())
    path.write_bytes(first_version(photograph, candidates=1))
    assert "left out" in load_project(path).notes[0]


def test_a_newer_project_is_refused_by_the_name_of_its_version(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.sdxld", "w") as archive:
        card = {
            "kind": manifest.DOCUMENT_KIND,
            "version": manifest.FORMAT_VERSION + 1,
            "application": "9.1",
            "picture": ["in a new way"],
        }
        archive.writestr("document.json", json.dumps(card))
    with pytest.raises(ProjectError, match=r"newer SDXL Desktop \(9\.1\)"):
        load_project(tmp_path / "a.sdxld")


def edited(path: Path, old: str, new: str) -> None:
    """Change the text of a project's card."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    card = members["document.json"].decode()
    assert old in card
    members["document.json"] = card.replace(old, new).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def test_what_a_later_version_would_ask_for_does_not_cost_the_picture(project: Project, tmp_path: Path) -> None:
    """A scheduler that is not known here, in a record and in the panels: the rest opens, and it is reported."""
    path = tmp_path / "a.sdxld"
    save_project(project, path)
    edited(path, '"heun"', '"a scheduler of the future"')
    opened = load_project(path)
    assert_same(replace(opened, workspace=project.workspace), project)
    assert opened.workspace is None
    assert "panels" in opened.notes[0]
    edited(path, '"dpmpp-2m-karras"', '"another"')
    opened = load_project(path)
    assert arrays_equal(opened.picture, project.picture)
    assert opened.candidates == ()
    assert "3 of 3 candidates" in opened.notes[1]


# saving


@contextmanager
def disk_of(size: int) -> Iterator[None]:
    """No file may become longer than this: what a full disk does, in the middle of a write."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("room", [0, 10, 3000, 150_000, 400_000])
def test_a_full_disk_leaves_the_old_project_and_nothing_else(project: Project, tmp_path: Path, room: int) -> None:
    path = tmp_path / "a.sdxld"
    save_project(Project(picture_name="old"), path)
    with disk_of(room), pytest.raises(ProjectError, match=r"a\.sdxld could not be saved") as reported:
        save_project(project, path)
    assert "room" in reported.value.next_step
    assert load_project(path).picture_name == "old"
    assert os.listdir(tmp_path) == ["a.sdxld"]


def test_a_failure_at_the_last_moment_leaves_the_old_project(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.sdxld"
    save_project(Project(picture_name="old"), path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ProjectError, match="No space left"):
        save_project(project, path)
    assert load_project(path).picture_name == "old"
    assert os.listdir(tmp_path) == ["a.sdxld"]


def test_saving_through_a_link_writes_what_it_leads_to(project: Project, tmp_path: Path) -> None:
    real, link = tmp_path / "real.sdxld", tmp_path / "link.sdxld"
    save_project(Project(), real)
    real.chmod(0o600)
    link.symlink_to(real)
    save_project(project, link)
    assert link.is_symlink()
    assert_same(load_project(real), project)
    assert stat.S_IMODE(real.stat().st_mode) == 0o600, "what was private stays so"


def test_what_could_not_be_opened_again_is_not_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "MAX_MEMORY_BYTES", 1000)
    with pytest.raises(ProjectError, match="too large") as reported:
        save_project(Project(picture=noise(1)), tmp_path / "a.sdxld")
    assert "candidates" in reported.value.next_step
    assert not list(tmp_path.iterdir())
