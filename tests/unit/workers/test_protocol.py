"""Messages arrive whole and as they were sent, or are refused; the end of a pipe is no damaged message."""

from __future__ import annotations

import io
import pickle
import random
from pathlib import Path

import pytest

from sdxl_desktop.core.errors import CheckpointError
from sdxl_desktop.engine.device_benchmark import BenchmarkCancelledError
from sdxl_desktop.workers import protocol
from tests.in_process_jobs import pickle_round_trip


def framed(data: bytes) -> io.BytesIO:
    """`data` where a message has its pickle."""
    return io.BytesIO(b"sdxl" + len(data).to_bytes(8, "little") + data)


def test_several_messages_arrive_one_after_the_other() -> None:
    stream = io.BytesIO()
    for message in ("é", None, b"x" * 3_000_000):
        protocol.write(stream, message)
    stream.seek(0)
    assert [protocol.read(stream) for _ in range(3)] == ["é", None, b"x" * 3_000_000]
    with pytest.raises(EOFError):
        protocol.read(stream)


def test_errors_arrive_with_their_kind_and_words_whatever_their_constructor_takes() -> None:
    for problem in (CheckpointError("What.", why="Why.", next_step="Next."), BenchmarkCancelledError()):
        back = pickle_round_trip(problem)
        assert type(back) is type(problem)
        assert str(back) == str(problem)


def test_paths_mean_the_same_in_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert pickle_round_trip([Path("here"), tmp_path / "there"]) == [tmp_path / "here", tmp_path / "there"]


@pytest.mark.parametrize("data", [b"", b".", b"(" * 5000, b"cos\nno_such_name\n.", pickle.dumps([1] * 50)[:-3]])
def test_what_is_no_pickle_is_unreadable_and_not_the_end(data: bytes) -> None:
    with pytest.raises(protocol.UnreadableMessageError):
        protocol.read(framed(data))


def test_what_is_not_expected_is_unreadable() -> None:
    for message in (5, None, {"event": "done"}):
        with pytest.raises(protocol.UnreadableMessageError, match=type(message).__name__):
            protocol.read(io.BytesIO(protocol.pack(message)), str)


def test_a_message_that_is_cut_short_is_the_end() -> None:
    whole = bytes(protocol.pack("some words"))
    for length in range(len(whole)):
        with pytest.raises(EOFError):
            protocol.read(io.BytesIO(whole[:length]))


def test_a_length_that_is_not_true_takes_no_memory() -> None:
    with pytest.raises(EOFError):
        protocol.read(io.BytesIO(b"sdxl" + (1 << 35).to_bytes(8, "little") + b"a few bytes"))
    with pytest.raises(protocol.UnreadableMessageError):
        protocol.read(io.BytesIO(b"sdxl" + (1 << 63).to_bytes(8, "little")))


def test_damaged_messages_are_read_or_refused() -> None:
    """Text and numbers only, so that no damage makes a pickle that calls anything."""
    rng, whole = random.Random(7), bytes(protocol.pack(["some words", 12, {"key": (1.5, None)}]))
    for _ in range(200):
        damaged = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(32, 127)
        try:
            protocol.read(io.BytesIO(damaged))
        except (EOFError, protocol.UnreadableMessageError):
            continue
