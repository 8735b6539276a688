"""A project opens again exactly; what is cut short, foreign or newer is refused in words; saving never destroys."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sdxl_desktop.core.raster import Bytes
from sdxl_desktop.session.document import project as files
from sdxl_desktop.session.document.project import Project, ProjectError, load_project, save_project


@pytest.fixture
def project(photograph: Bytes) -> Project:
    mask = np.random.default_rng(2).integers(0, 256, (200, 320), dtype=np.uint8)
    return Project(
        picture=photograph,
        mask=mask,
        picture_name="Näher – ☃.jpg",
        candidates=(photograph[::-1].copy(), photograph[:50, :70].copy()),
        latents={"run-1": os.urandom(500), "0": b""},
        request='{"prompts": "ein Bär"}',
    )


def equal(one: Bytes | None, other: Bytes | None) -> bool:
    return (one is None) == (other is None) and (one is None or other is None or np.array_equal(one, other))


def assert_same(one: Project, other: Project) -> None:
    assert equal(one.picture, other.picture)
    assert equal(one.mask, other.mask)
    assert len(one.candidates) == len(other.candidates)
    assert all(equal(a, b) for a, b in zip(one.candidates, other.candidates, strict=True))
    assert one.latents == other.latents
    assert (one.picture_name, one.request) == (other.picture_name, other.request)


def test_a_project_opens_again_exactly(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "Bär.sdxld"
    save_project(project, path)
    assert_same(load_project(path), project)
    assert os.listdir(path.parent) == [path.name], "nothing else is left"


def test_an_empty_project_opens_again(tmp_path: Path) -> None:
    save_project(Project(request="{}"), tmp_path / "empty.sdxld")
    assert_same(load_project(tmp_path / "empty.sdxld"), Project(request="{}"))


def test_other_programs_can_look_inside(project: Project, tmp_path: Path) -> None:
    save_project(project, tmp_path / "a.sdxld")
    with zipfile.ZipFile(tmp_path / "a.sdxld") as archive:
        assert archive.testzip() is None
        assert set(archive.namelist()) >= {"document.json", "picture.png", "mask.png", "candidates/000.png"}
        with archive.open("picture.png") as file, Image.open(file) as picture:
            assert picture.size == (320, 200)


def test_a_file_that_was_cut_short_is_refused_wherever_it_was_cut(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "a.sdxld"
    save_project(project, path)
    whole = path.read_bytes()
    for length in (0, 1, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ProjectError, match=r"a\.sdxld cannot be opened") as told:
            load_project(path)
        assert told.value.next_step


def test_a_file_with_flipped_bits_is_refused(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "a.sdxld"
    save_project(project, path)
    whole = bytearray(path.read_bytes())
    random = np.random.default_rng(11)
    for _ in range(60):
        damaged = bytearray(whole)
        damaged[int(random.integers(len(whole)))] ^= 1 << int(random.integers(8))
        path.write_bytes(damaged)
        try:
            read = load_project(path)
        except ProjectError:
            continue
        assert_same(read, project)  # the bit was one that says nothing, such as a date


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.sdxld").write_text("hello")
    Image.new("RGB", (8, 8)).save(tmp_path / "picture.sdxld", "PNG")
    with zipfile.ZipFile(tmp_path / "zip.sdxld", "w") as archive:
        archive.writestr("document.json", json.dumps({"kind": "krita", "version": 1}))
    for name in ("text", "picture", "zip", "missing"):
        with pytest.raises(ProjectError, match=name):
            load_project(tmp_path / f"{name}.sdxld")


def test_a_newer_project_is_refused_by_the_name_of_its_version(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.sdxld", "w") as archive:
        card = {"kind": files.KIND, "version": files.VERSION + 1, "application": "9.1", "has_picture": "in a new way"}
        archive.writestr("document.json", json.dumps(card))
    with pytest.raises(ProjectError, match=r"newer SDXL Desktop \(9\.1\)"):
        load_project(tmp_path / "a.sdxld")


def test_pictures_that_promise_too_much_are_refused(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_project(project, tmp_path / "a.sdxld")
    monkeypatch.setattr(files, "MAX_PIXELS", 1000)
    with pytest.raises(ProjectError, match="too large"):
        load_project(tmp_path / "a.sdxld")


def test_a_failed_save_leaves_the_old_project_and_nothing_else(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.sdxld"
    save_project(Project(request="old"), path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ProjectError, match="No space left"):
        save_project(project, path)
    assert load_project(path).request == "old"
    assert os.listdir(tmp_path) == ["a.sdxld"]


def test_names_of_latents_cannot_leave_their_folder(tmp_path: Path) -> None:
    with pytest.raises(ProjectError):
        save_project(Project(latents={"../evil": b""}), tmp_path / "a.sdxld")
    assert not list(tmp_path.iterdir())
