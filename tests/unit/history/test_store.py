"""What is put into the history is found again, by every filter, and in order."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.events import Timings
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.history.entries import (
    ChangeKind,
    CheckpointCount,
    DayCount,
    HistoryChange,
    HistoryFilter,
    NewPicture,
    ParentRole,
    PictureKind,
    TagCount,
)
from sdxl_desktop.history.pictures import new_picture
from tests.unit.history.pictures import Work, edit_of, finished, request_for


def test_a_picture_is_found_with_everything_that_made_it(work: Work) -> None:
    entry = work.add("cat.png", "a cat on a sofa", 4_000_000_000, negative_prompt="blurry")
    work.history.set_run([entry], Timings(load=1.5, denoise=20.25), {"unet": "GPU"})
    work.close()
    details = work.history.details(entry)
    assert details is not None
    found = details.entry
    assert (found.prompt, found.negative_prompt, found.seed) == ("a cat on a sofa", "blurry", 4_000_000_000)
    assert (found.size, found.checkpoint_title, found.checkpoint_id) == (Size(16, 8), "Base 1.0", "2:abc")
    assert found.file == work.pictures / "cat.png"
    assert details.file_bytes == found.file.stat().st_size
    assert details.timings == Timings(load=1.5, denoise=20.25)
    assert details.devices == {"unet": "GPU"}
    assert details.record is not None
    assert (
        details.record.request == request_for("a cat on a sofa", 4_000_000_000, negative_prompt="blurry").for_metadata()
    )


def test_the_record_in_the_database_has_no_folder(work: Work) -> None:
    work.add("cat.png", edit=edit_of(np.zeros((8, 16, 3), np.uint8), name="/home/ada/secret/source.png"))
    work.close()
    texts = work.database.read_bytes() + (work.database.parent / "history-notes.jsonl").read_bytes()
    assert b"/somewhere/checkpoints" not in texts


def test_pages_are_newest_first_and_days_group_them(work: Work) -> None:
    start = datetime(2026, 3, 1, 12).astimezone()
    for number in range(7):
        file = work.write(f"{number}.png", seed=number)
        new = new_picture(file, finished(number), request_for("a cat", number))
        work.history.add(replace(new, created=start + timedelta(days=number // 3, minutes=number)))
    assert work.names() == [f"{number}.png" for number in (6, 5, 4, 3, 2, 1, 0)]
    assert [entry.file.name for entry in work.history.page(offset=2, limit=3)] == ["4.png", "3.png", "2.png"]
    assert work.history.page(offset=7) == ()
    days = [DayCount(date(2026, 3, 3), 1), DayCount(date(2026, 3, 2), 3), DayCount(date(2026, 3, 1), 3)]
    assert list(work.history.days()) == days
    assert work.history.page()[0].created == start + timedelta(days=2, minutes=6)
    assert work.names(created_from=date(2026, 3, 2), created_to=date(2026, 3, 2)) == ["5.png", "4.png", "3.png"]


@pytest.fixture
def assorted(work: Work) -> Work:
    mask = np.zeros((8, 16), np.uint8)
    mask[2:5, 2:5] = 255
    side = mask.copy()
    side[:, -1] = 255
    pixels = np.zeros((8, 16, 3), np.uint8)
    work.add("plain.png", "a cat", 1)
    work.add("big.png", "a dog", 2, width=64, height=32)
    work.add("img2img.png", "a cat", 3, edit=edit_of(pixels))
    work.add("inpainted.png", "a hat", 4, edit=edit_of(pixels, mask))
    work.add("extended.png", "a hill", 5, edit=edit_of(pixels, side))
    work.history.set_rating([1, 2], 3)
    work.history.set_rating([2], 5)
    work.history.set_starred([2, 4], True)
    work.history.add_tag([1, 3], "Zoo")
    return work


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ({}, ["extended", "inpainted", "img2img", "big", "plain"]),
        ({"text": "cat"}, ["img2img", "plain"]),
        ({"min_rating": 3}, ["big", "plain"]),
        ({"min_rating": 4}, ["big"]),
        ({"starred": True}, ["inpainted", "big"]),
        ({"starred": False, "text": "a"}, ["extended", "img2img", "plain"]),
        ({"has_mask": True}, ["extended", "inpainted"]),
        ({"has_mask": False, "tag": "zoo"}, ["img2img", "plain"]),
        ({"tag": "none"}, []),
        ({"kinds": frozenset({PictureKind.OUTPAINTING, PictureKind.IMAGE_TO_IMAGE})}, ["extended", "img2img"]),
        ({"min_size": Size(17, 8)}, ["big"]),
        ({"max_size": Size(16, 8), "starred": True}, ["inpainted"]),
        ({"checkpoint": "Base 1.0", "text": "dog"}, ["big"]),
        ({"checkpoint": "2:abc", "text": "dog"}, ["big"]),
        ({"checkpoint": "other"}, []),
    ],
)
def test_each_filter_finds_what_it_says(assorted: Work, wanted: dict[str, Any], names: list[str]) -> None:
    assert [name.removesuffix(".png") for name in assorted.names(**wanted)] == names
    condition = HistoryFilter(**wanted)
    assert assorted.history.count(condition) == len(names) == len(assorted.history.ids(condition))
    assert sum(day.count for day in assorted.history.days(condition)) == len(names)


def test_tags_and_checkpoints_are_listed_with_their_numbers(assorted: Work) -> None:
    history = assorted.history
    history.add_tag([1], "  zOO ")
    history.add_tag([2], "art")
    assert history.tags() == (TagCount("art", 1), TagCount("Zoo", 2))
    assert history.entries([1])[0].tags == ("Zoo",)
    assert history.checkpoints() == (CheckpointCount("Base 1.0", "2:abc", 5),)
    history.remove_tag([1, 3], "ZOO")
    assert history.tags() == (TagCount("art", 1),)


@pytest.mark.parametrize("name", ["", "  ", "\n\t", "x" * 101])
def test_an_unusable_tag_is_refused(work: Work, name: str) -> None:
    entry = work.add("cat.png")
    with pytest.raises(RequestError, match="tag"):
        work.history.add_tag([entry], name)


@pytest.mark.parametrize("rating", [-1, 6])
def test_a_rating_out_of_range_is_refused(work: Work, rating: int) -> None:
    entry = work.add("cat.png")
    with pytest.raises(RequestError):
        work.history.set_rating([entry], rating)
    assert work.history.entries([entry])[0].rating == 0


def test_a_forgotten_picture_comes_back_with_its_marks(assorted: Work) -> None:
    history = assorted.history
    history.forget([2, 1])
    assert assorted.names() == ["extended.png", "inpainted.png", "img2img.png"]
    assert history.details(2) is None
    assert history.tags() == (TagCount("Zoo", 1),)
    assorted.close()
    assert assorted.history.restore([1, 2, 99]) == (1, 2)
    assert [(entry.rating, entry.starred, entry.tags) for entry in assorted.history.entries([2, 1])] == [
        (5, True, ()),
        (3, False, ("Zoo",)),
    ]


def test_a_name_that_is_used_again_does_not_bring_the_deleted_picture_back(work: Work) -> None:
    first = work.add("cat.png", "a cat", 1)
    work.history.forget([first])
    second = work.add("cat.png", "a cat", 2)
    assert work.history.restore([first]) == ()
    assert [entry.id for entry in work.history.page()] == [second]
    other = work.write("cat-2.png", "a cat", 1)
    assert work.history.restore([first], {first: other}) == (first,)


def test_a_file_is_indexed_once_and_replaced_by_another_picture(work: Work) -> None:
    first = work.add("cat.png", "a cat", 1)
    work.history.set_rating([first], 4)
    assert work.add("cat.png", "a cat", 1) == first
    assert work.history.entries([first])[0].rating == 4
    second = work.add("cat.png", "a dog", 1)
    assert second != first
    assert [(entry.id, entry.prompt, entry.rating) for entry in work.history.page()] == [(second, "a dog", 0)]


def test_parents_are_linked_by_content_in_either_order(work: Work) -> None:
    mask = np.full((8, 16), 255, np.uint8)
    child = work.add("child.png", "a hat", 9, edit=edit_of(finished(1).pixels, mask, name="parent.png"))
    details = work.history.details(child)
    assert details is not None
    assert [(each.role, each.name, each.entry) for each in details.parents] == [
        (ParentRole.MASK, "", None),
        (ParentRole.PICTURE, "parent.png", None),
    ]
    parent = work.add("parent.png", "a head", 1)
    details = work.history.details(child)
    assert details is not None
    assert details.parents[1].entry == parent
    assert [entry.id for entry in work.history.children(parent)] == [child]
    work.history.forget([parent])
    details = work.history.details(child)
    assert details is not None
    assert details.parents[1].entry is None


def test_listeners_are_told_of_each_change(work: Work) -> None:
    entry = work.add("cat.png")
    work.history.set_starred([entry, 77], True)
    work.history.forget([entry])
    work.history.restore([entry])
    assert work.changes == [
        HistoryChange(ChangeKind.ADDED, (entry,)),
        HistoryChange(ChangeKind.CHANGED, (entry,)),
        HistoryChange(ChangeKind.REMOVED, (entry,)),
        HistoryChange(ChangeKind.ADDED, (entry,)),
    ]
    told: list[HistoryChange] = []
    stop = work.history.subscribe(told.append)
    stop()
    work.history.set_rating([entry], 1)
    assert told == []


def test_many_threads_write_and_read_at_once(work: Work) -> None:
    files = [work.write(f"{number}.png", seed=number) for number in range(24)]
    history = work.history
    failed: list[BaseException] = []

    def add(numbers: range) -> None:
        try:
            for number in numbers:
                entry = history.add(NewPicture(file=files[number], size=Size(16, 8)))
                history.set_rating([entry], number % 6)
                assert history.count() >= 1
                assert history.page(limit=3)
        except BaseException as problem:
            failed.append(problem)

    threads = [threading.Thread(target=add, args=(range(start, 24, 4),)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert history.count() == 24
    assert history.count(HistoryFilter(min_rating=5)) == 4
