"""Every bit counts in a hash, no cached hash outlives a change of its file, and damage is noticed."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest

from sdxl_desktop.core import file_hashes
from sdxl_desktop.core.checksum_file import ChecksumError, read_with_checksum, write_with_checksum
from sdxl_desktop.core.file_hashes import FileHashCache, hash_file
from sdxl_desktop.core.paths import resources_folder

OLD = resources_folder() / "checkpoints" / "starter" / "unet" / "openvino_model.bin"
"""A file of several megabytes whose last change is some time ago."""
LARGE = 2 << 20


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_hashes, "CHUNK_BYTES", 1 << 12)


@pytest.mark.usefixtures("small_pieces")
def test_every_bit_counts_wherever_it_lies(tmp_path: Path) -> None:
    source = random.Random(5)
    content = bytearray(source.randbytes(50_001))
    file = tmp_path / "weights"
    file.write_bytes(content)
    seen = {hash_file(file)}
    for place in [0, 4095, 4096, 50_000, *source.sample(range(1, 4095), 20), *source.sample(range(5000, 50_000), 20)]:
        changed = bytearray(content)
        changed[place] ^= 1 << source.randrange(8)
        file.write_bytes(changed)
        seen.add(hash_file(file))
    for length in (0, 1, 4096, 8192, 50_000):
        file.write_bytes(content[:length])
        seen.add(hash_file(file))
    file.write_bytes(content + b"\0")
    seen.add(hash_file(file))
    assert len(seen) == 1 + 44 + 5 + 1
    file.write_bytes(content)
    assert hash_file(file) == hash_file(Path(shutil.copy(file, tmp_path / "copy")))
    assert hash_file(file) in seen


def test_a_hash_is_remembered_for_the_next_process(tmp_path: Path) -> None:
    memory = tmp_path / "cache" / "hashes.json"
    assert FileHashCache(memory).get_cached(OLD) is None
    found = FileHashCache(memory).get(OLD)
    assert FileHashCache(memory).get_cached(OLD) == found == hash_file(OLD)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"a": 1}'])
def test_a_memory_that_makes_no_sense_is_none(content: bytes, tmp_path: Path) -> None:
    memory = tmp_path / "hashes.json"
    memory.write_bytes(content)
    assert FileHashCache(memory).get(OLD) == hash_file(OLD)


def test_a_damaged_memory_is_none(tmp_path: Path) -> None:
    memory = tmp_path / "hashes.json"
    found = FileHashCache(memory).get(OLD)
    other = found.translate(str.maketrans("0123456789abcdef", "123456789abcdef0"))
    memory.write_bytes(memory.read_bytes().replace(found.encode(), other.encode()))
    assert FileHashCache(memory).get(OLD) == found


def test_a_change_is_noticed_though_size_and_time_are_as_before(tmp_path: Path) -> None:
    file, hashes = tmp_path / "weights", FileHashCache(tmp_path / "hashes.json")
    file.write_bytes(bytes(LARGE))
    before = hashes.get(file)
    state = file.stat()
    with file.open("r+b") as stream:
        stream.seek(LARGE // 2)
        stream.write(b"\1")
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert hashes.get(file) == hash_file(file) != before


def test_what_was_written_just_now_is_read_again(tmp_path: Path) -> None:
    """Where times are whole seconds, another change in the same one would not show."""
    file, hashes = tmp_path / "weights", FileHashCache()
    file.write_bytes(bytes(LARGE))
    hashes.get(file)
    assert hashes.get_cached(file) is None


def test_what_one_wants_to_stop_stops(tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def check() -> None:
        raise Stop

    with pytest.raises(Stop):
        FileHashCache(tmp_path / "hashes.json").get(OLD, check)
    assert FileHashCache(tmp_path / "hashes.json").get_cached(OLD) is None


def test_a_checked_file_comes_back_or_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "kept.json"
    for content in (b"", b"{}", b"\0\n", bytes(range(256)) * 9):
        write_with_checksum(file, content)
        assert read_with_checksum(file) == content
    whole = file.read_bytes()
    source = random.Random(7)
    for place in [0, len(whole) - 1, *(source.randrange(len(whole)) for _ in range(60))]:
        changed = bytearray(whole)
        changed[place] ^= 1 << source.randrange(8)
        file.write_bytes(changed)
        with pytest.raises(ChecksumError):
            read_with_checksum(file)
    for length in (0, 1, 64, len(whole) - 1):
        file.write_bytes(whole[:length])
        with pytest.raises(ChecksumError):
            read_with_checksum(file)
