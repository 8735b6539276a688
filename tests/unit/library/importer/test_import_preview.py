"""A preview is shown before anything large is downloaded: what the model is, what it needs, and its problems."""

# ruff: noqa: F811

from __future__ import annotations

from pathlib import Path

import pytest

from sdxl_desktop.core.errors import CheckpointError
from sdxl_desktop.formats.detected_model import ModelKind
from sdxl_desktop.formats.families import Family
from sdxl_desktop.library import catalogue
from sdxl_desktop.library.convert.weight_format import WeightFormat
from sdxl_desktop.library.hub.access_token import AccessToken
from sdxl_desktop.library.hub.hub_address import HubAddress
from sdxl_desktop.library.hub.hub_connection import HubConnection, download
from sdxl_desktop.library.hub.hub_errors import (
    AccessError,
    AddressError,
    ConnectionLostError,
    DiskFullError,
    HubNotFoundError,
)
from sdxl_desktop.library.importer.import_estimates import conversion_estimates, suggest_weight_format
from sdxl_desktop.library.importer.import_preview import preview_import
from sdxl_desktop.library.importer.importing import import_model
from sdxl_desktop.library.scan import Library
from tests.unit.library.fake_safetensors import original_shapes, write_sparse_file
from tests.unit.library.hub.conftest import REPO, hub, hub_connection, in_this_process, noise, sdxl_files, unneeded  # noqa: F401
from tests.unit.library.hub.fake_hub import FakeHub, Repository
from tests.unit.library.test_scan import make_checkpoint

pytestmark = pytest.mark.usefixtures("in_this_process")
BASE, LIGHTNING = "stabilityai/stable-diffusion-xl-base-1.0", "ByteDance/SDXL-Lightning"
NEEDED = sum(len(content) for path, content in sdxl_files().items() if not unneeded(path))


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(shipped_folder=tmp_path / "shipped", user_folder=tmp_path / "library")


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")


def lora_bytes(tmp_path: Path) -> bytes:
    return write_sparse_file(tmp_path / "lora.safetensors", {"unet.mid_block.to_q.lora_A.weight": (4, 4)}).read_bytes()


def test_an_id_is_looked_up_without_fetching_it(hub: FakeHub, library: Library, hub_connection: HubConnection) -> None:
    offer = preview_import(f"  https://huggingface.co/{REPO}/tree/main ", library, connection=hub_connection)
    assert (offer.title, offer.name, offer.source) == ("tiny-xl", "tiny-xl", HubAddress(REPO))
    assert (offer.kind, offer.family, offer.entry) == (ModelKind.CHECKPOINT, None, None)
    assert (offer.licence, offer.gated) == ("a-licence", False)
    assert (offer.download_bytes, offer.downloaded_bytes) == (NEEDED, 0)
    assert set(offer.estimates) == set(WeightFormat)
    assert offer.suggested_format is not None
    assert not any("/resolve/" in path for _, path, _ in hub.asked)
    assert not library.user_folder.exists(), "nothing was written"


def test_what_the_catalogue_knows_has_its_words(hub: FakeHub, library: Library, hub_connection: HubConnection) -> None:
    hub.repositories[BASE] = Repository(sdxl_files(), {"license": "openrail++"})
    offer = preview_import(BASE.upper(), library, connection=hub_connection)
    assert offer.entry is catalogue.find_entry("sdxl-base")
    assert (offer.title, offer.name, offer.family) == ("SDXL base 1.0", "sdxl-base", Family.BASE)
    (library.user_folder / "sdxl-base").mkdir(parents=True)
    assert preview_import("sdxl-base", library, connection=hub_connection).name == "sdxl-base-2"
    with pytest.raises(CheckpointError, match="already"):
        preview_import("sdxl-base", library, name="sdxl-base", connection=hub_connection)


def test_an_addition_offers_both_ways(hub: FakeHub, library: Library, hub_connection: HubConnection) -> None:
    hub.repositories[LIGHTNING] = Repository({"sdxl_lightning_4step_lora.safetensors": noise(4000)})
    assert set(preview_import("sdxl-lightning", library, connection=hub_connection).estimates) == {None}, (
        "what it goes with is not there"
    )
    hub.repositories[BASE] = Repository(sdxl_files())
    offer = preview_import("sdxl-lightning", library, connection=hub_connection)
    assert (offer.kind, offer.suggested_format, offer.required_titles) == (ModelKind.LORA, None, ())
    assert offer.download_bytes == offer.download_bytes_for(None) == 4000
    assert offer.download_bytes_for(WeightFormat.INT8) == 4000 + NEEDED


@pytest.mark.usefixtures("no_hub")
def test_a_path_asks_nobody(library: Library, tmp_path: Path) -> None:
    file = write_sparse_file(tmp_path / "vega.safetensors", original_shapes(Family.VEGA))
    for what in (file, str(file), f'"{file}"', file.as_uri()):
        offer = preview_import(what, library)
        assert (offer.name, offer.family, offer.download_bytes) == ("vega", Family.VEGA, 0)
        assert offer.estimates[WeightFormat.FP16].disk > offer.estimates[WeightFormat.INT8].disk


@pytest.mark.usefixtures("no_hub")
def test_what_need_not_be_imported_says_what_to_do(library: Library, tmp_path: Path) -> None:
    file = tmp_path / "style.safetensors"
    file.write_bytes(lora_bytes(tmp_path))
    offer = preview_import(file, library)
    assert (offer.kind, dict(offer.estimates)) == (ModelKind.LORA, {})
    assert "--lora" in offer.advice
    with pytest.raises(CheckpointError, match="--lora"):
        import_model(offer, None, library, lambda progress: None)
    assert file.is_file()


def test_what_cannot_be_had_is_reported(hub: FakeHub, library: Library, hub_connection: HubConnection) -> None:
    for what, error, words in (
        ("someone/nothing", HubNotFoundError, "someone/nothing"),
        ("gibberish", AddressError, "names nothing"),
        ("./none.safetensors", CheckpointError, "nothing at"),
        ("starter", CheckpointError, "comes with the application"),
    ):
        with pytest.raises(error, match=words):
            preview_import(what, library, connection=hub_connection)


def test_a_gated_one_says_where_to_accept_its_licence(
    hub: FakeHub, library: Library, hub_connection: HubConnection
) -> None:
    offer = preview_import("someone/locked-xl", library, connection=hub_connection)
    assert offer.gated
    with pytest.raises(AccessError, match=r"huggingface\.co/someone/locked-xl"):
        import_model(offer, WeightFormat.INT8, library, lambda progress: None, connection=hub_connection)


def test_a_full_disk_is_reported_before_anything_comes(hub: FakeHub, library: Library) -> None:
    huge = HubConnection(AccessToken("", "there is none"), reserved_bytes=10**18, initial_delay=0.02)
    with pytest.raises(DiskFullError, match="not enough room"):
        import_model(
            preview_import(REPO, library, connection=huge),
            WeightFormat.INT8,
            library,
            lambda progress: None,
            connection=huge,
        )
    assert hub.total_served == 0


def test_no_format_is_chosen_silently(hub: FakeHub, library: Library, hub_connection: HubConnection) -> None:
    offer = preview_import(REPO, library, connection=hub_connection)
    with pytest.raises(CheckpointError, match=r"int8: \d+ min, .* of memory, .* of disk") as refused:
        import_model(offer, None, library, lambda progress: None, connection=hub_connection)
    assert "fp32, fp16, int8, int4" in refused.value.next_step
    assert hub.total_served == 0


def test_ready_made_parts_are_the_checkpoint(
    hub: FakeHub,
    library: Library,
    hub_connection: HubConnection,
    tmp_path: Path,
) -> None:
    made = make_checkpoint(tmp_path / "made", unet={"sample_size": 8})
    files = {file.relative_to(made).as_posix(): file.read_bytes() for file in made.rglob("*") if file.is_file()}
    entry = catalogue.find_entry("sdxl-lightning-openvino-int8")
    assert entry is not None
    assert entry.repo is not None
    hub.repositories[entry.repo] = Repository(files)
    offer = preview_import(entry.id, library, name="quick", connection=hub_connection)
    assert set(offer.estimates) == {None}
    fractions: list[float] = []
    brought = import_model(
        offer, None, library, lambda progress: fractions.append(progress.fraction), connection=hub_connection
    )
    assert brought.checkpoint is not None
    assert (brought.checkpoint.name, brought.checkpoint.recommended.steps) == ("quick", 2)
    assert '"trailing"' in (brought.path / "scheduler" / "scheduler_config.json").read_text()
    assert fractions == sorted(fractions)
    with pytest.raises(CheckpointError, match="Leave the weight format out"):
        import_model(
            preview_import(entry.id, library, connection=hub_connection),
            WeightFormat.INT8,
            library,
            lambda progress: None,
            connection=hub_connection,
        )


def test_what_turns_out_to_be_an_addition_is_placed(
    hub: FakeHub,
    library: Library,
    hub_connection: HubConnection,
    tmp_path: Path,
) -> None:
    hub.repositories["someone/style"] = Repository({"style.safetensors": lora_bytes(tmp_path)})
    offer = preview_import("someone/style", library, connection=hub_connection)
    assert offer.kind is None, "only the file itself can tell"
    brought = import_model(offer, None, library, lambda progress: None, connection=hub_connection)
    assert brought.checkpoint is None
    assert brought.path == library.additions_folder / "loras" / "style.safetensors"
    again = import_model(
        preview_import("someone/style", library, connection=hub_connection),
        None,
        library,
        lambda progress: None,
        connection=hub_connection,
    )
    assert again.path.name == "style-2.safetensors", "nothing is overwritten"
    assert library.checkpoints() == ()


def test_without_a_connection_what_is_here_is_enough(
    hub: FakeHub,
    library: Library,
    hub_connection: HubConnection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    offer = preview_import(REPO, library, connection=hub_connection)
    assert offer.listing is not None
    download(
        HubAddress(REPO),
        offer.listing,
        library.user_folder / ".downloads" / offer.name,
        lambda progress: None,
        connection=hub_connection,
    )
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    again = preview_import(REPO, library, connection=hub_connection)
    assert again.downloaded_bytes == again.download_bytes == NEEDED
    with pytest.raises(ConnectionLostError):
        preview_import("someone/other", library, connection=hub_connection)


@pytest.mark.parametrize(
    ("memory", "weights"),
    [(64, WeightFormat.FP16), (16, WeightFormat.INT8), (12, WeightFormat.INT4), (4, None)],
)
def test_what_fits_the_computer_is_suggested(memory: int, weights: WeightFormat | None) -> None:
    sdxl = conversion_estimates([123_000_000, 695_000_000, 2_567_000_000, 84_000_000], 7 * 10**9)
    assert suggest_weight_format(sdxl, None, memory * 10**9) is weights
