"""The queue survives closing, crashing and being killed, between windows too, and reads nothing but its own files."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdxl_desktop.core.edit import EditParameters
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.paused_run import PausedRun
from sdxl_desktop.core.raster import Raster
from sdxl_desktop.core.request import GenerationRequest, Prompts, Sampling
from sdxl_desktop.session.queue import queue_store as module
from sdxl_desktop.session.queue.generation_queue import GenerationQueue, Hold
from sdxl_desktop.session.queue.queue_item import ItemState, Priority, QueueItem
from sdxl_desktop.session.queue.queue_store import QueueStore
from tests.mutations import DEFAULT, MANY, mutations
from tests.typed import not_none

FEW = 30
"""Mutations of files whose readers have such tests of their own."""


def item(seed: int, *, picture: bool = False, count: int = 3) -> QueueItem:
    pixels = np.random.default_rng(seed).integers(0, 256, (24, 16, 3), np.uint8)
    mask = np.zeros((24, 16), np.uint8)
    mask[4:9] = 255
    edit = EditParameters(picture=Raster.from_pixels(pixels), mask=Raster.from_pixels(mask), strength=0.5)
    return QueueItem(
        request=GenerationRequest(
            checkpoint=Path("/checkpoints/ä"),
            prompts=Prompts(prompt=f"a fox, {seed}"),
            sampling=Sampling(seed=seed, count=count),
            edit=edit if picture else None,
        )
    )


def paused_run(picture: int = 0, calls: int = 4) -> PausedRun:
    predictions = np.random.default_rng(calls).standard_normal((calls, 4, 3, 2)).astype(np.float32)
    return PausedRun(
        picture=picture, step=calls, steps=9, predictions=predictions, latents=predictions[0], content="networks"
    )


def state_of(items: tuple[QueueItem, ...]) -> list[Any]:
    """Everything of the items that is stored, as JSON."""
    return [
        [
            one.id,
            one.request.sampling.seed,
            "waiting" if one.state is ItemState.RUNNING else one.state.value,
            int(one.priority),
            one.placed,
            one.finished,
            one.overtaken,
            one.error,
            None if one.paused is None or one.paused.predictions is None else one.paused.step,
        ]
        for one in items
    ]


def full_queue() -> GenerationQueue:
    items = [item(1), item(2, picture=True), item(3), item(4)]
    queue = GenerationQueue(items=tuple(items)).with_priority([items[3].id], Priority.HIGH)
    queue = queue.started(items[0].id).with_progress(items[0].id, 1).stopped(items[0].id, paused_run(1), skip=True)
    return queue.failed(items[2].id, "It broke.").held()


def files_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("closed", [True, False], ids=["closed", "crashed"])
def test_everything_comes_back(closed: bool, tmp_path: Path) -> None:
    queue, store = full_queue(), QueueStore(tmp_path / "queue")
    store.save(queue)
    if closed:
        store.close()
    shutil.copytree(tmp_path / "queue", tmp_path / "copy")  # nobody holds the locks of the copy, as after a crash
    left = QueueStore(tmp_path / "copy").take_left()
    assert (state_of(left.items), left.hold, left.damaged) == (state_of(queue.items), Hold.USER, 0)
    mine, theirs = left.items[1].request, queue.items[1].request
    assert replace(mine, edit=None) == replace(theirs, edit=None)
    for one, other in ((mine.edit, theirs.edit),):
        assert np.array_equal(not_none(one).picture.array, not_none(other).picture.array)
        assert np.array_equal(not_none(not_none(one).mask).array, not_none(not_none(other).mask).array)
    kept = not_none(left.items[0].paused)
    assert np.array_equal(not_none(kept.predictions), not_none(paused_run(1).predictions))


def test_what_is_taken_over_moves_to_the_new_window(tmp_path: Path) -> None:
    first, second = QueueStore(tmp_path), QueueStore(tmp_path)
    first.save(GenerationQueue(items=(item(1), item(2))))
    second.save(GenerationQueue(items=(item(3),)))
    first.close()
    second.close()
    third, fourth = QueueStore(tmp_path), QueueStore(tmp_path)
    left = third.take_left()
    assert [one.request.sampling.seed for one in left.items] == [1, 2, 3]
    assert fourth.take_left().items == (), "another window that starts meanwhile does not take it, too"
    third.save(GenerationQueue().merged(left.items))
    third.forget_left(left)
    assert len({name.split("/")[0] for name in files_below(tmp_path) if not name.endswith(".lock")}) == 1
    third.close()
    assert state_of(fourth.take_left().items) == state_of(left.items)


def test_a_crash_while_it_is_taken_over_doubles_nothing(tmp_path: Path) -> None:
    first = QueueStore(tmp_path)
    first.save(GenerationQueue(items=(item(1), item(2))))
    first.close()
    second = QueueStore(tmp_path)
    left = second.take_left()
    second.save(GenerationQueue().merged(left.items))
    second.close()  # without `forget_left`
    assert [one.request.sampling.seed for one in QueueStore(tmp_path).take_left().items] == [1, 2]


def test_an_open_window_keeps_its_own(tmp_path: Path) -> None:
    store = QueueStore(tmp_path)
    store.save(GenerationQueue(items=(item(1),)))
    assert QueueStore(tmp_path).take_left().items == ()


def test_only_changes_are_written_and_nothing_is_left_of_what_is_done(tmp_path: Path) -> None:
    store, queue = QueueStore(tmp_path), full_queue()
    store.save(GenerationQueue())
    assert files_below(tmp_path) == []
    store.save(queue)
    (request_file,) = tmp_path.rglob(f"{queue.items[1].id}.sdxld")
    written = request_file.stat().st_mtime_ns
    paused = queue.items[0]
    store.save(queue.run_next(queue.items[1].id))
    assert request_file.stat().st_mtime_ns == written
    store.save(queue.with_progress(paused.id, 2))
    assert not list(tmp_path.rglob("*.safetensors")), "what was paused is drawn"
    store.save(GenerationQueue(items=(QueueItem(request=item(9).request, transient=True),)))
    assert {name.split("/")[-1] for name in files_below(tmp_path) if "lock" not in name} == {"queue.json"}
    store.close()
    assert files_below(tmp_path) == []


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_only_the_person_can_read_it(tmp_path: Path) -> None:
    QueueStore(tmp_path / "queue").save(full_queue())
    for path in (tmp_path / "queue").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_a_folder_that_cannot_be_written_is_told_and_tried_again(tmp_path: Path) -> None:
    (tmp_path / "queue").write_text("in the way")
    store, queue = QueueStore(tmp_path / "queue"), full_queue()
    with pytest.raises(SdxlDesktopError, match="could not be saved"):
        store.save(queue)
    (tmp_path / "queue").unlink()
    store.save(queue)
    store.close()
    assert state_of(QueueStore(tmp_path / "queue").take_left().items) == state_of(queue.items)


def test_paused_pictures_take_a_bounded_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PAUSED_TOTAL", paused_run().nbytes)
    store = QueueStore(tmp_path)
    one, two = replace(item(1), paused=paused_run()), replace(item(2), paused=paused_run(calls=2))
    with pytest.raises(SdxlDesktopError, match="too many paused"):
        store.save(GenerationQueue(items=(one, two)))
    store.close()
    left = QueueStore(tmp_path).take_left().items
    assert [one.paused is not None for one in left] == [True, False], "both are there, the second from its beginning"


# files that are damaged or of a stranger


def left_folder(folder: Path) -> Path:
    store = QueueStore(folder)
    store.save(full_queue())
    store.close()
    (list_file,) = folder.rglob("queue.json")
    return list_file.parent


def test_each_value_that_cannot_be_used_is_replaced_alone(tmp_path: Path) -> None:
    own = left_folder(tmp_path)
    content = json.loads((own / "queue.json").read_text())
    content["hold"] = "for ever"
    content["items"][0].update(priority=77, finished=-3, state="asleep", placed="yes", error=["x"], surprise=1)
    content["items"][1]["id"] = "../../elsewhere"
    content["items"].append("nonsense")
    (own / "queue.json").write_text(json.dumps(content))
    left = QueueStore(tmp_path).take_left()
    assert [one.request.sampling.seed for one in left.items] == [1, 3, 4, 2], "the file without an entry, too"
    first = left.items[0]
    assert (first.priority, first.finished, first.state, first.placed, first.error) == (0, 0, "waiting", False, "")
    assert (left.hold, left.damaged) == (Hold.NONE, 2)


def test_without_a_readable_list_the_requests_are_still_there(tmp_path: Path) -> None:
    own = left_folder(tmp_path)
    (own / "queue.json").write_bytes(b"{ half of it")
    left = QueueStore(tmp_path).take_left()
    assert sorted(one.request.sampling.seed for one in left.items) == [1, 2, 3, 4]


def test_a_request_that_cannot_be_read_is_kept_aside(tmp_path: Path) -> None:
    own = left_folder(tmp_path)
    file = sorted(own.glob("*.sdxld"))[1]
    file.write_bytes(b"not an archive")
    store = QueueStore(tmp_path)
    left = store.take_left()
    assert (len(left.items), left.damaged) == (3, 1)
    store.save(GenerationQueue().merged(left.items))
    store.forget_left(left)
    assert (own / f"{file.name}.damaged").read_bytes() == b"not an archive"
    store.close()
    assert len(QueueStore(tmp_path).take_left().items) == 3


@pytest.mark.parametrize(
    ("name", "rounds"),
    [
        ("queue.json", DEFAULT),
        (".sdxld", FEW),
        (".safetensors", FEW),
        *(pytest.param(name, MANY, marks=pytest.mark.slow) for name in ("queue.json", ".sdxld", ".safetensors")),
    ],
)
def test_damaged_files_never_raise(name: str, rounds: int, tmp_path: Path) -> None:
    own = left_folder(tmp_path)
    file = next(path for path in sorted(own.iterdir()) if path.name.endswith(name))
    content = file.read_bytes()
    saved = {path: path.read_bytes() for path in own.iterdir()}
    for changed in mutations([content], rounds, seed=18):
        for path in own.iterdir():
            path.unlink()
        for path, bytes_of in saved.items():
            path.write_bytes(bytes_of)
        file.write_bytes(changed)
        store = QueueStore(tmp_path)
        left = store.take_left()
        assert len(left.items) <= 4
        store.close()


# being killed


def child_work(folder: Path, pipe: int, seed: int) -> None:
    """Change and save a queue for ever; announce each state before and confirm it after it is saved."""
    source, store, queue = random.Random(seed), QueueStore(folder), GenerationQueue()
    while True:
        known = [one.id for one in queue.items]
        chosen = source.choice(known) if known else ""
        match source.randrange(9):
            case 0 | 1 | 2:
                queue = queue.added(item(source.randrange(1000), picture=source.random() < 0.3))
            case 3 if known:
                queue = queue.moved([chosen], source.randrange(len(known) + 1))
            case 4 if known:
                queue = queue.run_next(chosen)
            case 5 if len(known) > 3:
                queue = queue.removed_items([chosen])
            case 6 if known and queue.running is None:
                queue = queue.started(chosen)
            case 7 if queue.running is not None:
                queue = queue.stopped(queue.running.id, paused_run(queue.running.finished), skip=False)
            case _ if known:
                queue = queue.with_priority([chosen], source.choice(tuple(Priority)))
        line = json.dumps(state_of(queue.items)).encode()
        os.write(pipe, b"?" + line + b"\n")
        store.save(queue)
        os.write(pipe, b"!" + line + b"\n")


def without_pauses(state: list[Any]) -> list[Any]:
    return [one[:-1] for one in state]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("kills", [10, pytest.param(200, marks=pytest.mark.slow)])
def test_killed_at_any_moment_it_is_as_before_or_after_the_change(kills: int, tmp_path: Path) -> None:
    import sdxl_desktop.metadata.paused_files  # noqa: F401 - loaded once, not in each child

    source = random.Random(18)
    for number in range(kills):
        folder = tmp_path / str(number)
        read_end, write_end = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.close(read_end)
                child_work(folder, write_end, number)
            finally:
                os._exit(1)
        os.close(write_end)
        with os.fdopen(read_end, "rb") as pipe:
            lines = [pipe.readline()]
            time.sleep(source.uniform(0.0, 0.15))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            lines += [line for line in pipe.read().splitlines(keepends=True) if line.endswith(b"\n")]
        announced = [json.loads(line[1:]) for line in lines if line[:1] == b"?"]
        confirmed = [json.loads(line[1:]) for line in lines if line[:1] == b"!"]
        store = QueueStore(folder)
        left = store.take_left()
        found = state_of(left.items)
        before, after = confirmed[-1] if confirmed else [], announced[-1]
        assert without_pauses(found) in (without_pauses(before), without_pauses(after)), number
        pauses = {(one[0], one[-1]) for one in (*before, *after)}
        assert {(one[0], one[-1]) for one in found} <= pauses, "where it was paused is written first"
        assert left.damaged == 0
        store.save(GenerationQueue().merged(left.items))
        store.forget_left(left)
        store.close()
        if found:
            (own,) = {path.parent for path in folder.rglob("queue.json")}
            kept = {path.stem for path in own.glob("*.sdxld")}
            assert kept == {one[0] for one in found}, "no orphans"
            assert [path for path in folder.iterdir() if path.is_dir()] == [own]
