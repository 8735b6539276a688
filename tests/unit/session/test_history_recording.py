"""What a session draws is in the history as soon as it is saved, and can be taken from there again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from sdxl_desktop.core.edit import EditParameters
from sdxl_desktop.core.errors import PictureError, SdxlDesktopError
from sdxl_desktop.core.events import Picture, PictureFinished, RunCancelled, RunFinished, Timings
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.paused_run import PausedRun
from sdxl_desktop.core.raster import Raster
from sdxl_desktop.core.request import GenerationRequest, Prompts, Sampling
from sdxl_desktop.history.entries import HistoryDetails, HistoryFilter, ListedSettings, NewPicture
from sdxl_desktop.history.errors import HistoryError
from sdxl_desktop.history.store import History
from sdxl_desktop.session.generation_session import GenerationSession
from sdxl_desktop.session.grid_recording import new_grid_picture, record_grid
from sdxl_desktop.session.history_recording import HistoryRecorder
from sdxl_desktop.session.recent_results import recent_results, result_of
from sdxl_desktop.session.result_files import PictureStore, save_pixels


class Idle:
    """Starts nothing."""

    def start(self, request: GenerationRequest, paused: PausedRun | None = None) -> None: ...

    def pause(self) -> None: ...

    def cancel(self) -> None: ...


@dataclass
class Room:
    """A session with a history. `problem` fails every write to the history."""

    history: History
    session: GenerationSession
    told: list[SdxlDesktopError] = field(default_factory=list)
    problem: SdxlDesktopError | None = None

    def write(self, task: Callable[[History], None], failed: Callable[[SdxlDesktopError], None]) -> None:
        if self.problem is not None:
            failed(self.problem)
        else:
            task(self.history)

    def draw(self, request: GenerationRequest, seeds: tuple[int, ...] = (1,)) -> None:
        self.session.generate(request)
        for index, seed in enumerate(seeds):
            self.session.handle(PictureFinished(picture(seed, index)))
        self.session.handle(RunFinished(pictures=(), timings=Timings(denoise=2.0), devices={"unet": "GPU.0"}))

    @property
    def details(self) -> list[HistoryDetails]:
        return list(self.history.details_of(self.history.ids()))


def picture(seed: int, index: int = 0) -> Picture:
    pixels = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    return Picture(pixels=pixels, seed=seed, index=index, checkpoint_id="2:abc")


def request(prompt: str = "a cat", **parts: object) -> GenerationRequest:
    made = GenerationRequest(checkpoint=Path("/models/base"), prompts=Prompts(prompt=prompt))
    return replace(made, **parts)  # type: ignore[arg-type]


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    history = History.open(tmp_path / "history.sqlite3")
    made = Room(history, GenerationSession(Idle(), PictureStore(tmp_path / "pictures")))
    made.session.recorder = HistoryRecorder(made.write, made.told.append, lambda _: "Base 1.0")
    yield made
    history.close()


def test_each_picture_of_a_run_is_indexed_with_its_timings_and_devices(room: Room) -> None:
    room.draw(request(sampling=Sampling(count=2)), (5, 6))
    assert [each.entry.seed for each in room.details] == [6, 5]
    for each in room.details:
        assert each.timings == Timings(denoise=2.0)
        assert each.devices == {"unet": "GPU.0"}
        assert each.entry.checkpoint_title == "Base 1.0"
        assert each.entry.file.is_file()


def test_pictures_that_are_written_after_the_run_has_ended_get_its_timings_too(room: Room) -> None:
    waiting: list[Callable[[], None]] = []
    room.session.run_in_background = lambda task, done: waiting.append(lambda: done(task()))
    room.draw(request(), (5,))
    room.draw(request("a dog"), (6,))
    assert room.details == []
    for each in waiting:
        each()
    assert [each.timings for each in room.details] == [Timings(denoise=2.0)] * 2


def test_finished_pictures_of_a_cancelled_run_are_kept(room: Room) -> None:
    room.session.generate(request(sampling=Sampling(count=2)))
    room.session.handle(PictureFinished(picture(1)))
    room.session.handle(RunCancelled())
    assert len(room.details) == 1


def test_a_picture_that_is_not_saved_is_indexed_when_it_is(room: Room, tmp_path: Path) -> None:
    room.session.store = PictureStore(tmp_path / "pictures", keep_every_picture=False)
    room.draw(request())
    assert room.details == []
    room.session.save_as(0, tmp_path / "mine.jpg")
    assert [each.entry.file for each in room.details] == [tmp_path / "mine.jpg"]
    room.session.save_as(0, tmp_path / "copy.png")
    assert len(room.details) == 1


def test_a_history_that_fails_is_told_once_and_drawing_goes_on(room: Room, tmp_path: Path) -> None:
    room.problem = HistoryError("The disk is full.")
    for seed in range(3):
        room.draw(request(), (seed,))
    assert room.told == [room.problem]
    assert len(list((tmp_path / "pictures").iterdir())) == 3
    assert room.session.error is None
    room.problem = None
    room.draw(request(), (7,))
    room.problem = HistoryError("It is full again.")
    room.draw(request(), (8,))
    assert len(room.told) == 2
    room.history.scan(tmp_path / "pictures")
    assert len(room.details) == 5


def test_the_strip_gets_the_most_recent_pictures_that_are_there(room: Room) -> None:
    for seed in range(4):
        room.draw(request(f"picture {seed}"), (seed,))
    room.session.results[3].saved_to.unlink()  # type: ignore[union-attr]
    room.session.results[2].saved_to.write_bytes(b"damaged")  # type: ignore[union-attr]
    found = recent_results(room.history, 4)
    assert [(result.picture.seed, result.request.prompts.prompt) for result in found] == [
        (0, "picture 0"),
        (1, "picture 1"),
    ]
    for result, before in zip(found, room.session.results, strict=False):
        assert np.array_equal(result.picture.pixels, before.picture.pixels)
        assert result.saved_to == before.saved_to
        assert result.request == before.request.for_metadata()


def test_grids_and_pictures_of_other_programs_are_not_in_the_strip(room: Room, tmp_path: Path) -> None:
    for seed in range(3):
        room.draw(request(f"picture {seed}"), (seed,))
    files = [result.saved_to for result in room.session.results if result.saved_to is not None]
    pixels = picture(9).pixels
    save_pixels(pixels, tmp_path / "grid.png")
    record = room.details[0].record
    assert record is not None
    title = room.details[0].entry.checkpoint_title
    record = msgspec.structs.replace(record, checkpoint_id="")
    grid = new_grid_picture(tmp_path / "grid.png", pixels, record, prompt="picture", checkpoint_title=title)
    tag = record_grid(room.history, grid, files)
    assert room.history.count(HistoryFilter(tag=tag)) == 4
    assert [(each.title, each.checkpoint_id, each.count) for each in room.history.checkpoints()] == [
        (title, "2:abc", 4)
    ]
    for number in range(5):
        save_pixels(picture(20 + number).pixels, tmp_path / f"{number}.png")
        other = ListedSettings(prompt="another program's")
        room.history.add(NewPicture(file=tmp_path / f"{number}.png", size=Size(8, 8), other_record=other))
    assert [result.saved_to for result in recent_results(room.history, 2)] == files[1:]


def test_a_picture_without_a_record_is_no_result(room: Room) -> None:
    room.draw(request())
    details = replace(room.details[0], record=None)
    with pytest.raises(PictureError, match="not known"):
        result_of(details)


def test_the_edited_picture_is_a_parent(room: Room) -> None:
    room.draw(request(), (1,))
    edit = EditParameters(picture=Raster.from_pixels(picture(1).pixels, "cat.png"))
    room.draw(request("a dog", edit=edit), (2,))
    child, parent = room.details
    assert [each.entry for each in child.parents] == [parent.entry.id]
