"""A library finds usable checkpoints, describes them, and reports why others are unusable."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sdxl_desktop.core.checkpoint import CheckpointKind
from sdxl_desktop.core.errors import CheckpointError
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.schedulers import SchedulerName
from sdxl_desktop.library.scan import Library, read_checkpoint

PARTS = ("text_encoder", "text_encoder_2", "unet", "vae_decoder")


def make_checkpoint(
    folder: Path,
    *,
    unet: dict[str, Any] | None = None,
    card: dict[str, Any] | None = None,
    index: dict[str, Any] | None = None,
    parts: tuple[str, ...] = PARTS,
) -> Path:
    """The skeleton of a checkpoint: everything that describes it, and empty weights."""

    def write(name: str, content: object) -> None:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(content), encoding="utf-8")

    write("model_index.json", {"_class_name": "OVStableDiffusionXLPipeline", **(index or {})})
    write("unet/config.json", {"block_out_channels": [1, 2, 3], "sample_size": 128, **(unet or {})})
    write("vae_decoder/config.json", {"block_out_channels": [1, 2, 3, 4]})
    write("scheduler/scheduler_config.json", {"_class_name": "DDIMScheduler"})
    if card is not None:
        write("checkpoint.json", card)
    for part in parts:
        for suffix in ("xml", "bin"):
            file = folder / part / f"openvino_model.{suffix}"
            file.parent.mkdir(exist_ok=True)
            file.touch()
    return folder


def test_a_checkpoint_is_described_by_its_parts(tmp_path: Path) -> None:
    found = read_checkpoint(make_checkpoint(tmp_path / "mine"))
    assert (found.name, found.title) == ("mine", "mine")
    assert (found.vae_scale_factor, found.size_multiple) == (8, 32)
    assert found.recommended.size == Size(1024, 1024)
    assert found.recommended.scheduler is SchedulerName.DDIM


def test_its_card_overrules(tmp_path: Path) -> None:
    card = {"title": "Mine!", "description": "It draws.", "steps": 12, "guidance_scale": 0, "scheduler": "lms"}
    found = read_checkpoint(make_checkpoint(tmp_path / "mine", card=card))
    assert (found.title, found.description) == ("Mine!", "It draws.")
    assert (found.recommended.steps, found.recommended.guidance_scale) == (12, 0)
    assert found.recommended.scheduler is SchedulerName.LMS


def test_a_refiner_needs_no_first_encoder_and_is_never_the_default(tmp_path: Path) -> None:
    index = {"_class_name": "OVStableDiffusionXLImg2ImgPipeline", "text_encoder": [None, None]}
    make_checkpoint(tmp_path / "a-refiner", index=index, parts=("text_encoder_2", "unet", "vae_decoder"))
    make_checkpoint(tmp_path / "base")
    assert read_checkpoint(tmp_path / "a-refiner").kind is CheckpointKind.REFINER
    assert Library(shipped_folder=tmp_path / "none", user_folder=tmp_path).default_checkpoint().name == "base"


def test_what_a_checkpoint_can_do_is_read_from_its_parts(tmp_path: Path) -> None:
    inpainting = {"in_channels": 9, "out_channels": 4}
    found = read_checkpoint(make_checkpoint(tmp_path / "paints", unet=inpainting, parts=(*PARTS, "vae_encoder")))
    assert (found.kind, found.has_vae_encoder) == (CheckpointKind.INPAINT, True)
    found = read_checkpoint(make_checkpoint(tmp_path / "words"))
    assert (found.kind, found.has_vae_encoder, found.is_few_step) == (CheckpointKind.BASE, False, False)


def test_a_tiny_vae_is_found_when_it_is_whole(tmp_path: Path) -> None:
    folder = make_checkpoint(tmp_path / "base")
    tiny = folder / "vae_tiny"
    tiny.mkdir()
    (tiny / "config.json").write_text("{}")
    assert read_checkpoint(folder).tiny_vae is None
    (tiny / "diffusion_pytorch_model.safetensors").touch()
    assert read_checkpoint(folder).tiny_vae == tiny


def test_a_few_step_checkpoint_is_recognised(tmp_path: Path) -> None:
    found = read_checkpoint(make_checkpoint(tmp_path / "fast", unet={"time_cond_proj_dim": 256}))
    assert found.is_few_step
    assert found.recommended.scheduler is SchedulerName.LCM
    assert found.recommended.steps <= 8


@pytest.mark.parametrize("file", [f"{part}/openvino_model.{suffix}" for part in PARTS for suffix in ("xml", "bin")])
def test_a_missing_part_is_named(tmp_path: Path, file: str) -> None:
    folder = make_checkpoint(tmp_path / "torn")
    (folder / file).unlink()
    with pytest.raises(CheckpointError, match=f"missing: {file.split('/')[0]}"):
        read_checkpoint(folder)


@pytest.mark.parametrize("file", ["model_index.json", "unet/config.json", "vae_decoder/config.json"])
@pytest.mark.parametrize("content", ["", "{", "[]", '"words"', "\x00\xff"])
def test_a_broken_description_is_an_error_and_no_crash(tmp_path: Path, file: str, content: str) -> None:
    folder = make_checkpoint(tmp_path / "broken")
    (folder / file).write_text(content, encoding="latin-1")
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(folder)
    assert caught.value.next_step


@pytest.mark.parametrize(
    "card", [{"steps": "many"}, {"scheduler": "fastest"}, {"steps": 3, "title": 7}, ["steps"]], ids=str
)
def test_a_broken_card_is_an_error_and_no_crash(tmp_path: Path, card: Any) -> None:
    with pytest.raises(CheckpointError):
        read_checkpoint(make_checkpoint(tmp_path / "broken", card=card))


def test_another_kind_of_model_is_refused_by_kind(tmp_path: Path) -> None:
    folder = make_checkpoint(tmp_path / "flux")
    (folder / "model_index.json").write_text('{"_class_name": "FluxPipeline"}', encoding="utf-8")
    with pytest.raises(CheckpointError, match="FluxPipeline"):
        read_checkpoint(folder)


@pytest.fixture
def library(tmp_path: Path) -> Library:
    made = Library(shipped_folder=tmp_path / "shipped", user_folder=tmp_path / "own")
    make_checkpoint(made.shipped_folder / "starter")
    make_checkpoint(made.user_folder / "zebra")
    (made.user_folder / "notes").mkdir()
    return made


def test_the_library_lists_own_before_shipped_and_skips_what_is_none(library: Library) -> None:
    assert [checkpoint.name for checkpoint in library.checkpoints()] == ["zebra", "starter"]


def test_one_torn_checkpoint_does_not_hide_the_others(library: Library) -> None:
    (library.user_folder / "zebra" / "unet" / "openvino_model.bin").unlink()
    assert [checkpoint.name for checkpoint in library.checkpoints()] == ["starter"]


def test_own_wins_over_shipped_of_the_same_name(library: Library) -> None:
    make_checkpoint(library.user_folder / "starter")
    assert library.find_checkpoint("starter").folder == library.user_folder / "starter"


def test_a_checkpoint_is_found_by_name_or_folder(library: Library, tmp_path: Path) -> None:
    elsewhere = make_checkpoint(tmp_path / "elsewhere")
    assert library.find_checkpoint("zebra").folder == library.user_folder / "zebra"
    assert library.find_checkpoint(str(elsewhere)).folder == elsewhere.resolve()


def test_an_unknown_name_is_answered_with_the_known_ones(library: Library) -> None:
    with pytest.raises(CheckpointError, match="zebra, starter"):
        library.find_checkpoint("lion")


def test_the_default_is_the_starter(library: Library) -> None:
    assert library.default_checkpoint().name == "starter"


def test_an_empty_library_says_where_it_looked(tmp_path: Path) -> None:
    empty = Library(shipped_folder=tmp_path / "a", user_folder=tmp_path / "b")
    assert empty.checkpoints() == ()
    with pytest.raises(CheckpointError, match=str(tmp_path / "b")):
        empty.default_checkpoint()


def test_what_is_hidden_is_not_in_the_library(tmp_path: Path) -> None:
    """Checkpoints that are being imported or removed lie in the same folder under names with a dot."""
    make_checkpoint(tmp_path / ".removed-mine-1")
    assert Library(tmp_path / "none", tmp_path).checkpoints() == ()


def test_one_that_vanished_is_missing_and_no_error(tmp_path: Path) -> None:
    library = Library(shipped_folder=tmp_path / "none", user_folder=tmp_path / "own")
    assert library.missing_checkpoints() == (), "nothing is there, and nothing is written"
    assert not library.user_folder.exists()
    for name in ("one", "two"):
        make_checkpoint(library.user_folder / name, card={"title": name.upper()})
    assert library.missing_checkpoints() == ()
    (library.user_folder / "one").rename(tmp_path / "elsewhere")
    assert [found.name for found in library.checkpoints()] == ["two"]
    assert [(about.name, about.title) for about in library.missing_checkpoints()] == [("one", "ONE")]
    with pytest.raises(CheckpointError, match="missing"):
        library.find_checkpoint("one")
    (tmp_path / "elsewhere").rename(library.user_folder / "one")
    assert library.missing_checkpoints() == ()
    (library.user_folder / "one").rename(tmp_path / "elsewhere")
    library.forget_missing("one")
    assert library.missing_checkpoints() == ()


@pytest.mark.parametrize("content", [b"", b"[{]", b'[{"name": "../up"}]', b"[7]"])
def test_a_damaged_memory_is_none(content: bytes, tmp_path: Path) -> None:
    make_checkpoint(tmp_path / "one")
    (tmp_path / ".remembered.json").write_bytes(content)
    assert Library(tmp_path / "none", tmp_path).missing_checkpoints() == ()


def test_every_folder_whose_change_matters_is_watched(tmp_path: Path) -> None:
    library = Library(tmp_path / "none", tmp_path / "a" / "own")
    assert library.watched_folders() == (tmp_path,), "it may come into being"
    make_checkpoint(library.user_folder / "one")
    (library.user_folder / ".importing").mkdir()
    assert library.watched_folders() == (library.user_folder, library.user_folder / "one")


@pytest.mark.parametrize("damage", ["nested", "infinite", "pipe", "endless", "loop", "folder", "large"])
@pytest.mark.parametrize("name", ["model_index.json", "unet/config.json", "checkpoint.json"])
def test_a_damaged_folder_fails_alone_and_says_so(library: Library, name: str, damage: str) -> None:
    file = library.user_folder / "zebra" / name
    file.unlink(missing_ok=True)
    match damage:
        case "nested":
            file.write_text("[" * 100_000)
        case "infinite":
            file.write_text('{"steps": 1e999, "sample_size": 1e999, "_class_name": 1e999}')
        case "pipe":
            os.mkfifo(file)
        case "endless":
            file.symlink_to("/dev/zero")
        case "loop":
            file.symlink_to(file.name)
        case "folder":
            file.mkdir()
        case "large":
            with file.open("wb") as stream:
                stream.truncate(1 << 36)
    assert library.default_checkpoint().name == "starter"
    assert list(library.damaged_checkpoints()) == ["zebra"]
    with pytest.raises(CheckpointError) as caught:
        library.find_checkpoint("zebra")
    assert len(str(caught.value)) < 600


def test_a_folder_that_may_not_be_listed_hides_nothing_else(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.iterdir

    def iterdir(folder: Path) -> Iterator[Path]:
        if folder == library.user_folder:
            raise PermissionError(13, "Permission denied")
        return real(folder)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    assert [checkpoint.name for checkpoint in library.checkpoints()] == ["starter"]
    assert library.watched_folders() == (library.user_folder,)


def test_a_scheduler_that_is_not_here_is_reported_beside_what_is_suggested(tmp_path: Path) -> None:
    folder = make_checkpoint(tmp_path / "mine")
    config = {"_class_name": "HeunDiscreteScheduler", "use_karras_sigmas": True}
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(config))
    found = read_checkpoint(folder)
    assert "HeunDiscreteScheduler (use_karras_sigmas)" in found.description
    assert found.recommended.scheduler.label in found.description
    config = {"_class_name": "DPMSolverMultistepScheduler", "use_karras_sigmas": True}
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(config))
    assert read_checkpoint(folder).recommended.scheduler is SchedulerName.DPMPP_2M_KARRAS
    assert read_checkpoint(folder).description == ""
