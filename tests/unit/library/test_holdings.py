"""What lies in the library is told without loading it, and tidied up without touching what is not the person's."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import msgspec
import pytest

from sdxl_desktop.core.errors import CheckpointError
from sdxl_desktop.core.paths import resources
from sdxl_desktop.formats.families import Family
from sdxl_desktop.library import leftovers
from sdxl_desktop.library.convert.plan import plan_import
from sdxl_desktop.library.convert.weights import WeightFormat
from sdxl_desktop.library.convert.workspace import RECORD
from sdxl_desktop.library.holdings import Holding, holdings, remove
from sdxl_desktop.library.hub.files import Layout, Listing, RemoteFile
from sdxl_desktop.library.scan import Library
from tests.unit.library.heads import original_shapes, write_hollow


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """The shipped checkpoints, and a copy of the starter among the person's own."""
    shutil.copytree(resources() / "checkpoints" / "starter", tmp_path / "own" / "copy")
    return Library(resources() / "checkpoints", tmp_path / "own")


def called(library: Library, name: str) -> Holding:
    return next(held for held in holdings(library) if held.name == name)


def test_it_tells_parts_sizes_and_format(library: Library) -> None:
    held = called(library, "copy")
    assert held.own
    assert held.checkpoint is not None
    assert held.weights is WeightFormat.FP16
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
        file.stat().st_size for file in (library.own / "copy" / "unet").iterdir()
    )


def test_the_shipped_ones_are_of_their_families(library: Library) -> None:
    assert not called(library, "starter").own
    assert called(library, "starter-refiner").family is Family.REFINER
    assert called(library, "starter-lcm").family is Family.LCM


def test_what_was_recorded_goes_before_what_is_guessed(library: Library) -> None:
    record = {"source": "someone/xl@0123", "weights": "int4", "family": "vega"}
    (library.own / "copy" / RECORD).write_text(json.dumps(record))
    held = called(library, "copy")
    assert (held.weights, held.family, held.source) == (WeightFormat.INT4, Family.VEGA, "someone/xl@0123")


def test_a_download_tells_its_repository_and_licence(library: Library) -> None:
    listing = Listing(repo="someone/xl", commit="0", layout=Layout.OPENVINO, files=(RemoteFile("a", 1),), licence="mit")
    (library.own / "copy" / "download.json").write_bytes(msgspec.json.encode(listing))
    assert (called(library, "copy").source, called(library, "copy").licence) == ("someone/xl", "mit")


def test_what_is_damaged_is_listed_and_says_why(library: Library) -> None:
    shutil.rmtree(library.own / "copy" / "vae_decoder")
    held = called(library, "copy")
    assert held.checkpoint is None
    assert "vae_decoder" in held.problem


@pytest.mark.parametrize("content", ["", "[]", '{"weights": 8, "family": []}', "\x00"])
def test_a_record_that_makes_no_sense_is_not_believed(library: Library, content: str) -> None:
    (library.own / "copy" / RECORD).write_text(content)
    held = called(library, "copy")
    assert (held.weights, held.family) == (WeightFormat.FP16, Family.BASE)


def test_removing_frees_what_it_says_and_it_is_not_missed(library: Library) -> None:
    library.missing()
    size = called(library, "copy").bytes
    assert remove(library.own / "copy", library) == size
    assert not [entry for entry in library.own.iterdir() if not entry.name.startswith(".remembered")]
    assert library.missing() == ()


def test_only_the_persons_own_are_removed(tmp_path: Path, library: Library) -> None:
    shutil.copytree(library.own / "copy", tmp_path / "elsewhere")
    for folder in (tmp_path / "elsewhere", library.own / "copy" / "unet", library.own):
        with pytest.raises(CheckpointError, match="not in your own library"):
            remove(folder, library)
        assert folder.is_dir()


def test_discarding_a_conversion_leaves_its_source_alone(tmp_path: Path, library: Library) -> None:
    file = write_hollow(tmp_path / "dreamy.safetensors", original_shapes(Family.SSD_1B))
    work = plan_import(file, library.own).workspace(WeightFormat.INT8)
    work.whole.mkdir(parents=True)
    (work.whole / "unet.bin").write_bytes(b"half done")
    leftovers.throw_away("dreamy", file, WeightFormat.INT4, library)
    assert work.folder.is_dir(), "that was another job"
    leftovers.throw_away("dreamy", file, WeightFormat.INT8, library)
    assert not work.folder.exists()
    assert file.is_file()


def test_discarding_a_download_takes_what_came_along_with_it(library: Library) -> None:
    downloads = library.own / ".downloads"
    for name in ("fast", "fast+base", "fast-2", "faster"):
        (downloads / name).mkdir(parents=True)
    leftovers.throw_away("fast", None, WeightFormat.INT8, library)
    assert sorted(entry.name for entry in downloads.iterdir()) == ["fast-2", "faster"]


@pytest.mark.parametrize("name", ["../own", "", "a/b", "."])
def test_a_name_that_leads_elsewhere_discards_nothing(library: Library, name: str) -> None:
    leftovers.throw_away(name, None, None, library)
    assert (library.own / "copy").is_dir()
