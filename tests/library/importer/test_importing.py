"""A model is downloaded by id, converted and drawn with; after any interruption the same request continues."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import psutil
import pytest

from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.request import Execution, GenerationRequest, Prompts, Sampling
from sdxl_desktop.engine.engine_protocol import Engine
from sdxl_desktop.library.convert.conversion_job import ConversionPhase
from sdxl_desktop.library.convert.run_import import ImportCancelledError
from sdxl_desktop.library.convert.weight_format import WeightFormat
from sdxl_desktop.library.hub.hub_connection import HubConnection
from sdxl_desktop.library.import_record import read_import_record, verify_checkpoint
from sdxl_desktop.library.importer.import_preview import preview_import
from sdxl_desktop.library.importer.importing import ImportProgress, import_model
from sdxl_desktop.library.scan import Library
from tests.engine.conftest import engine, engine_home, generate  # noqa: F401
from tests.library.importer.conftest import BASE
from tests.unit.library.hub.fake_hub import LARGE, FakeHub


def picture(engine: Engine, checkpoint: Path) -> Any:  # noqa: F811
    request = GenerationRequest(
        checkpoint=checkpoint,
        prompts=Prompts(prompt="a red cat"),
        sampling=Sampling(size=Size(128, 96), steps=2, seed=7),
        execution=Execution(device="CPU", precision="f32", preview=False),
    )
    return generate(engine, request).picture.pixels


def kill_children() -> None:
    for child in psutil.Process().children(recursive=True):
        if any("-host" in word for word in child.cmdline()):
            child.kill()


def test_an_id_is_downloaded_converted_and_draws(
    hub: FakeHub,
    library: Library,
    hub_connection: HubConnection,
    engine: Engine,  # noqa: F811
) -> None:
    """Cancelled by the user after the download, and continued."""
    offer, cancel = preview_import("sdxl-base", library, connection=hub_connection), threading.Event()

    def stop_the_conversion(progress: ImportProgress) -> None:
        if progress.stage == ConversionPhase.STARTING:
            cancel.set()

    with pytest.raises(ImportCancelledError, match="go on"):
        import_model(offer, WeightFormat.INT8, library, stop_the_conversion, cancel, connection=hub_connection)
    assert library.checkpoints() == ()
    assert hub.total_served == offer.download_bytes

    offer, reported = preview_import("sdxl-base", library, connection=hub_connection), list[ImportProgress]()
    assert offer.downloaded_bytes == offer.download_bytes
    brought = import_model(offer, WeightFormat.INT8, library, reported.append, connection=hub_connection)
    assert hub.total_served == offer.download_bytes, "nothing was fetched again"
    assert brought.checkpoint is not None
    assert (brought.checkpoint.name, brought.checkpoint.title) == ("sdxl-base", "SDXL base 1.0")
    assert brought.checkpoint.recommended.steps == 30, "as its makers recommend"
    assert picture(engine, brought.path).std() > 5
    assert verify_checkpoint(brought.path).problems == ()
    assert str(read_import_record(brought.path)["source"]).startswith(BASE)
    assert read_import_record(brought.path)["licence"] == "openrail++"
    assert [entry.name for entry in library.user_folder.iterdir() if not entry.is_file()] == ["sdxl-base"], (
        "neither what was downloaded nor what was begun is kept"
    )
    fractions = [progress.fraction for progress in reported]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    assert {"compressing", "writing"} <= {progress.stage for progress in reported}
    assert any(progress.seconds_left is not None for progress in reported)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_killed_in_the_download_and_in_the_conversion_it_continues(
    hub: FakeHub, library: Library, hub_connection: HubConnection
) -> None:
    """Like a computer that goes off: the processes that work are killed, and the same is asked for again."""
    hub.slow = (2**18, threading.Event())

    def kill_in_the_large_file(progress: ImportProgress) -> None:
        if progress.what == LARGE and progress.done > 2**18:
            kill_children()

    with pytest.raises(SdxlDesktopError, match="ended before it was done"):
        import_model(
            preview_import(BASE, library, connection=hub_connection),
            WeightFormat.INT8,
            library,
            kill_in_the_large_file,
            connection=hub_connection,
        )
    hub.slow[1].set()
    hub.slow = None
    assert library.checkpoints() == ()

    offer, before = preview_import(BASE, library, connection=hub_connection), hub.total_served

    def kill_in_the_second_encoder(progress: ImportProgress) -> None:
        if progress.what == "text encoder 2":
            kill_children()

    assert offer.downloaded_bytes > 2**18
    with pytest.raises(SdxlDesktopError, match="ended before it was done"):
        import_model(offer, WeightFormat.INT8, library, kill_in_the_second_encoder, connection=hub_connection)
    assert hub.total_served - before <= offer.download_bytes - 2**18
    assert library.checkpoints() == ()

    offer, before, reported = (
        preview_import(BASE, library, connection=hub_connection),
        hub.total_served,
        list[ImportProgress](),
    )
    assert offer.downloaded_bytes == offer.download_bytes
    brought = import_model(offer, WeightFormat.INT8, library, reported.append, connection=hub_connection)
    assert hub.total_served == before
    assert verify_checkpoint(brought.path).problems == ()
    assert not any(step.what == "text encoder" and step.stage == "reading the network" for step in reported), (
        "it was kept"
    )
    assert sorted(entry.name for entry in library.user_folder.iterdir() if not entry.name.startswith(".")) == [
        offer.name
    ]
