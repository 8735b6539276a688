"""What can be brought is told before anything large is fetched: what it is, what it takes, what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdxl_desktop.core.errors import CheckpointError
from sdxl_desktop.formats.families import Family
from sdxl_desktop.formats.found import Kind
from sdxl_desktop.library import catalogue
from sdxl_desktop.library.bring.bringing import bring
from sdxl_desktop.library.bring.estimates import conversion, suggest
from sdxl_desktop.library.bring.offers import look_up
from sdxl_desktop.library.convert.weights import WeightFormat
from sdxl_desktop.library.hub.address import Address
from sdxl_desktop.library.hub.errors import AccessError, AddressError, ConnectionLostError, DiskFullError, NotThereError
from sdxl_desktop.library.hub.running import Line, download
from sdxl_desktop.library.hub.tokens import Token
from sdxl_desktop.library.scan import Library
from tests.unit.library.heads import original_shapes, write_hollow
from tests.unit.library.hub.conftest import REPO, hub, in_this_process, line, noise, sdxl_files, unneeded  # noqa: F401
from tests.unit.library.hub.fake_hub import FakeHub, Repository
from tests.unit.library.test_scan import make_checkpoint

pytestmark = pytest.mark.usefixtures("in_this_process")
BASE, LIGHTNING = "stabilityai/stable-diffusion-xl-base-1.0", "ByteDance/SDXL-Lightning"
NEEDED = sum(len(content) for path, content in sdxl_files().items() if not unneeded(path))


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(shipped=tmp_path / "shipped", own=tmp_path / "library")


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")


def lora_bytes(tmp_path: Path) -> bytes:
    return write_hollow(tmp_path / "lora.safetensors", {"unet.mid_block.to_q.lora_A.weight": (4, 4)}).read_bytes()


def test_an_id_is_looked_up_without_fetching_it(hub: FakeHub, library: Library, line: Line) -> None:  # noqa: F811
    offer = look_up(f"  https://huggingface.co/{REPO}/tree/main ", library, line=line)
    assert (offer.title, offer.name, offer.source) == ("tiny-xl", "tiny-xl", Address(REPO))
    assert (offer.kind, offer.family, offer.entry) == (Kind.CHECKPOINT, None, None)
    assert (offer.licence, offer.gated) == ("a-licence", False)
    assert (offer.download_bytes, offer.kept_bytes) == (NEEDED, 0)
    assert set(offer.forecasts) == set(WeightFormat)
    assert offer.suggested is not None
    assert not any("/resolve/" in path for _, path, _ in hub.asked)
    assert not library.own.exists(), "nothing was written"


def test_what_the_catalogue_knows_has_its_words(hub: FakeHub, library: Library, line: Line) -> None:  # noqa: F811
    hub.repositories[BASE] = Repository(sdxl_files(), {"license": "openrail++"})
    offer = look_up(BASE.upper(), library, line=line)
    assert offer.entry is catalogue.find("sdxl-base")
    assert (offer.title, offer.name, offer.family) == ("SDXL base 1.0", "sdxl-base", Family.BASE)
    (library.own / "sdxl-base").mkdir(parents=True)
    assert look_up("sdxl-base", library, line=line).name == "sdxl-base-2"
    with pytest.raises(CheckpointError, match="already"):
        look_up("sdxl-base", library, name="sdxl-base", line=line)


def test_an_addition_offers_both_ways(hub: FakeHub, library: Library, line: Line) -> None:  # noqa: F811
    hub.repositories[LIGHTNING] = Repository({"sdxl_lightning_4step_lora.safetensors": noise(4000)})
    assert set(look_up("sdxl-lightning", library, line=line).forecasts) == {None}, "what it goes with is not there"
    hub.repositories[BASE] = Repository(sdxl_files())
    offer = look_up("sdxl-lightning", library, line=line)
    assert (offer.kind, offer.suggested, offer.needs) == (Kind.LORA, None, ())
    assert offer.download_bytes == offer.bytes_for(None) == 4000
    assert offer.bytes_for(WeightFormat.INT8) == 4000 + NEEDED


@pytest.mark.usefixtures("no_hub")
def test_a_path_asks_nobody(library: Library, tmp_path: Path) -> None:
    file = write_hollow(tmp_path / "vega.safetensors", original_shapes(Family.VEGA))
    for what in (file, str(file), f'"{file}"', file.as_uri()):
        offer = look_up(what, library)
        assert (offer.name, offer.family, offer.download_bytes) == ("vega", Family.VEGA, 0)
        assert offer.forecasts[WeightFormat.FP16].disk > offer.forecasts[WeightFormat.INT8].disk


@pytest.mark.usefixtures("no_hub")
def test_what_need_not_be_imported_says_what_to_do(library: Library, tmp_path: Path) -> None:
    file = tmp_path / "style.safetensors"
    file.write_bytes(lora_bytes(tmp_path))
    offer = look_up(file, library)
    assert (offer.kind, dict(offer.forecasts)) == (Kind.LORA, {})
    assert "--lora" in offer.advice
    with pytest.raises(CheckpointError, match="--lora"):
        bring(offer, None, library, lambda progress: None)
    assert file.is_file()


def test_what_cannot_be_had_is_said(hub: FakeHub, library: Library, line: Line) -> None:  # noqa: F811
    for what, error, words in (
        ("someone/nothing", NotThereError, "someone/nothing"),
        ("gibberish", AddressError, "names nothing"),
        ("./none.safetensors", CheckpointError, "nothing at"),
        ("starter", CheckpointError, "comes with the application"),
    ):
        with pytest.raises(error, match=words):
            look_up(what, library, line=line)


def test_a_gated_one_says_where_to_accept_its_licence(hub: FakeHub, library: Library, line: Line) -> None:  # noqa: F811
    offer = look_up("someone/locked-xl", library, line=line)
    assert offer.gated
    with pytest.raises(AccessError, match=r"huggingface\.co/someone/locked-xl"):
        bring(offer, WeightFormat.INT8, library, lambda progress: None, line=line)


def test_a_full_disk_is_told_before_anything_comes(hub: FakeHub, library: Library) -> None:  # noqa: F811
    huge = Line(Token("", "there is none"), reserve=10**18, first_wait=0.02)
    with pytest.raises(DiskFullError, match="not enough room"):
        bring(look_up(REPO, library, line=huge), WeightFormat.INT8, library, lambda progress: None, line=huge)
    assert hub.total_served == 0


def test_no_format_is_chosen_silently(hub: FakeHub, library: Library, line: Line) -> None:  # noqa: F811
    offer = look_up(REPO, library, line=line)
    with pytest.raises(CheckpointError, match=r"int8: \d+ min, .* of memory, .* of disk") as refused:
        bring(offer, None, library, lambda progress: None, line=line)
    assert "fp32, fp16, int8, int4" in refused.value.next_step
    assert hub.total_served == 0


def test_ready_made_parts_are_the_checkpoint(
    hub: FakeHub,  # noqa: F811
    library: Library,
    line: Line,  # noqa: F811
    tmp_path: Path,
) -> None:
    made = make_checkpoint(tmp_path / "made", unet={"sample_size": 8})
    files = {file.relative_to(made).as_posix(): file.read_bytes() for file in made.rglob("*") if file.is_file()}
    entry = catalogue.find("sdxl-lightning-openvino-int8")
    assert entry is not None
    assert entry.repo is not None
    hub.repositories[entry.repo] = Repository(files)
    offer = look_up(entry.id, library, name="quick", line=line)
    assert set(offer.forecasts) == {None}
    fractions: list[float] = []
    brought = bring(offer, None, library, lambda progress: fractions.append(progress.fraction), line=line)
    assert brought.checkpoint is not None
    assert (brought.checkpoint.name, brought.checkpoint.recommended.steps) == ("quick", 2)
    assert '"trailing"' in (brought.path / "scheduler" / "scheduler_config.json").read_text()
    assert fractions == sorted(fractions)
    with pytest.raises(CheckpointError, match="Leave the weight format out"):
        bring(look_up(entry.id, library, line=line), WeightFormat.INT8, library, lambda progress: None, line=line)


def test_what_turns_out_to_be_an_addition_is_placed(
    hub: FakeHub,  # noqa: F811
    library: Library,
    line: Line,  # noqa: F811
    tmp_path: Path,
) -> None:
    hub.repositories["someone/style"] = Repository({"style.safetensors": lora_bytes(tmp_path)})
    offer = look_up("someone/style", library, line=line)
    assert offer.kind is None, "only the file itself can tell"
    brought = bring(offer, None, library, lambda progress: None, line=line)
    assert brought.checkpoint is None
    assert brought.path == library.additions / "loras" / "style.safetensors"
    again = bring(look_up("someone/style", library, line=line), None, library, lambda progress: None, line=line)
    assert again.path.name == "style-2.safetensors", "nothing is overwritten"
    assert library.checkpoints() == ()


def test_without_a_connection_what_is_here_is_enough(
    hub: FakeHub,  # noqa: F811
    library: Library,
    line: Line,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    offer = look_up(REPO, library, line=line)
    assert offer.listing is not None
    download(Address(REPO), offer.listing, library.own / ".downloads" / offer.name, lambda progress: None, line=line)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    again = look_up(REPO, library, line=line)
    assert again.kept_bytes == again.download_bytes == NEEDED
    with pytest.raises(ConnectionLostError):
        look_up("someone/other", library, line=line)


@pytest.mark.parametrize(
    ("memory", "weights"),
    [(64, WeightFormat.FP16), (16, WeightFormat.INT8), (12, WeightFormat.INT4), (4, None)],
)
def test_what_fits_the_computer_is_suggested(memory: int, weights: WeightFormat | None) -> None:
    sdxl = conversion([123_000_000, 695_000_000, 2_567_000_000, 84_000_000], 7 * 10**9)
    assert suggest(sdxl, None, memory * 10**9) is weights
