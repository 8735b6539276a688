"""The library is listed without loading it, and cleaned up without touching the user's own files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import msgspec
import pytest

from sdxl_desktop.core.errors import CheckpointError
from sdxl_desktop.core.paths import resources_folder
from sdxl_desktop.formats.families import Family
from sdxl_desktop.library import cleanup
from sdxl_desktop.library.convert.build_folder import RECORD_FILE
from sdxl_desktop.library.convert.import_plan import plan_import
from sdxl_desktop.library.convert.weight_format import WeightFormat
from sdxl_desktop.library.hub.remote_files import DownloadLayout, HubListing, RemoteFile
from sdxl_desktop.library.inventory import InstalledCheckpoint, list_installed_checkpoints, remove_checkpoint
from sdxl_desktop.library.scan import Library
from tests.unit.library.fake_safetensors import original_shapes, write_sparse_file


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """The shipped checkpoints, and a copy of the starter among the user's own."""
    shutil.copytree(resources_folder() / "checkpoints" / "starter", tmp_path / "own" / "copy")
    return Library(resources_folder() / "checkpoints", tmp_path / "own")


def called(library: Library, name: str) -> InstalledCheckpoint:
    return next(held for held in list_installed_checkpoints(library) if held.name == name)


def test_it_tells_parts_sizes_and_format(library: Library) -> None:
    held = called(library, "copy")
    assert held.in_user_folder
    assert held.checkpoint is not None
    assert held.weight_format is WeightFormat.FP16
    assert held.family is Family.BASE
    assert [part.name for part in held.parts] == [
        "text_encoder",
        "text_encoder_2",
        "unet",
        "vae_encoder",
        "vae_decoder",
    ]
    assert sum(part.bytes for part in held.parts) <= held.bytes
    assert next(part.bytes for part in held.parts if part.name == "unet") == sum(
        file.stat().st_size for file in (library.user_folder / "copy" / "unet").iterdir()
    )


def test_the_shipped_ones_are_of_their_families(library: Library) -> None:
    assert not called(library, "starter").in_user_folder
    assert called(library, "starter-refiner").family is Family.REFINER
    assert called(library, "starter-lcm").family is Family.LCM


def test_what_was_recorded_goes_before_what_is_guessed(library: Library) -> None:
    record = {"source": "someone/xl@0123", "weights": "int4", "family": "vega"}
    (library.user_folder / "copy" / RECORD_FILE).write_text(json.dumps(record))
    held = called(library, "copy")
    assert (held.weight_format, held.family, held.source) == (WeightFormat.INT4, Family.VEGA, "someone/xl@0123")


def test_a_download_tells_its_repository_and_licence(library: Library) -> None:
    listing = HubListing(
        repo="someone/xl", commit="0", layout=DownloadLayout.OPENVINO, files=(RemoteFile("a", 1),), licence="mit"
    )
    (library.user_folder / "copy" / "download.json").write_bytes(msgspec.json.encode(listing))
    assert (called(library, "copy").source, called(library, "copy").licence) == ("someone/xl", "mit")


def test_what_is_damaged_is_listed_and_says_why(library: Library) -> None:
    shutil.rmtree(library.user_folder / "copy" / "vae_decoder")
    held = called(library, "copy")
    assert held.checkpoint is None
    assert "vae_decoder" in held.problem


@pytest.mark.parametrize("content", ["", "[]", '{"weights": 8, "family": []}', "\x00"])
def test_a_record_that_makes_no_sense_is_not_believed(library: Library, content: str) -> None:
    (library.user_folder / "copy" / RECORD_FILE).write_text(content)
    held = called(library, "copy")
    assert (held.weight_format, held.family) == (WeightFormat.FP16, Family.BASE)


def test_removing_frees_what_it_says_and_it_is_not_missed(library: Library) -> None:
    library.missing_checkpoints()
    size = called(library, "copy").bytes
    assert remove_checkpoint(library.user_folder / "copy", library) == size
    assert not [entry for entry in library.user_folder.iterdir() if not entry.name.startswith(".remembered")]
    assert library.missing_checkpoints() == ()


def test_only_the_users_own_are_removed(tmp_path: Path, library: Library) -> None:
    shutil.copytree(library.user_folder / "copy", tmp_path / "elsewhere")
    for folder in (tmp_path / "elsewhere", library.user_folder / "copy" / "unet", library.user_folder):
        with pytest.raises(CheckpointError, match="not in your own library"):
            remove_checkpoint(folder, library)
        assert folder.is_dir()


def test_discarding_a_conversion_leaves_its_source_alone(tmp_path: Path, library: Library) -> None:
    file = write_sparse_file(tmp_path / "dreamy.safetensors", original_shapes(Family.SSD_1B))
    work = plan_import(file, library.user_folder).build_folder(WeightFormat.INT8)
    work.whole.mkdir(parents=True)
    (work.whole / "unet.bin").write_bytes(b"half done")
    cleanup.discard_job_files("dreamy", file, WeightFormat.INT4, library)
    assert work.folder.is_dir(), "that was another job"
    cleanup.discard_job_files("dreamy", file, WeightFormat.INT8, library)
    assert not work.folder.exists()
    assert file.is_file()


def test_discarding_a_download_takes_what_came_along_with_it(library: Library) -> None:
    downloads = library.user_folder / ".downloads"
    for name in ("fast", "fast+base", "fast-2", "faster"):
        (downloads / name).mkdir(parents=True)
    cleanup.discard_job_files("fast", None, WeightFormat.INT8, library)
    assert sorted(entry.name for entry in downloads.iterdir()) == ["fast-2", "faster"]


@pytest.mark.parametrize("name", ["../own", "", "a/b", "."])
def test_a_name_that_leads_elsewhere_discards_nothing(library: Library, name: str) -> None:
    cleanup.discard_job_files(name, None, None, library)
    assert (library.user_folder / "copy").is_dir()
