"""Only regular files of a sane size are read, and writing needs no longer name than the file's own."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from sdxl_desktop.core.atomic_write import check_file_writable, write_atomically
from sdxl_desktop.core.errors import PictureError
from sdxl_desktop.core.path_text import path_to_text, text_to_path
from sdxl_desktop.core.regular_files import FileTooLargeError, NotARegularFileError, read_regular
from sdxl_desktop.core.untrusted_text import display_text

POSIX = pytest.mark.skipif(os.name != "posix", reason="such files are Unix's")


def test_a_file_up_to_the_limit_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    assert read_regular(tmp_path / "file", 5) == b"12345"
    with pytest.raises(FileTooLargeError):
        read_regular(tmp_path / "file", 4)


@POSIX
def test_nothing_else_is_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        for name in ("pipe", "device", "socket"):
            with pytest.raises(NotARegularFileError):
                read_regular(tmp_path / name, 100)
    with pytest.raises(IsADirectoryError):
        read_regular(tmp_path, 100)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="files without a size are Linux's")
def test_a_file_that_reports_no_size_is_bounded_too() -> None:
    with pytest.raises(FileTooLargeError):
        read_regular(Path("/proc/self/status"), 10)


@POSIX
@pytest.mark.parametrize("name", ["f" * 251 + ".png", "é" * 125 + ".png", "心" * 83 + ".png"])
def test_any_name_that_fits_can_be_written_to(tmp_path: Path, name: str) -> None:
    check_file_writable(tmp_path / name)
    assert not list(tmp_path.iterdir())
    write_atomically(tmp_path / name, b"content")
    check_file_writable(tmp_path / name)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [(name, b"content")]


@POSIX
def test_a_name_that_does_not_fit_is_found_out_without_writing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="too long"):
        check_file_writable(tmp_path / ("f" * 252 + ".png"))
    assert not list(tmp_path.iterdir())


@POSIX
def test_paths_that_are_no_text_come_back_exactly() -> None:
    others = (Path(os.fsdecode(b"a b/caf\xe9#")), Path("file:a"), Path("file:/a/%41"))
    for path in (
        Path(os.fsdecode(b"/a b/caf\xe9%20#?.png")),
        Path("/a/ü.png"),
        Path("relative/x%41"),
        Path("/"),
        *others,
    ):
        text = path_to_text(path)
        text.encode()
        assert text_to_path(text) == path


def test_errors_repeat_no_endless_text_and_can_be_printed_anywhere() -> None:
    words = str(PictureError("x" * 100_000, why="caf\udce9", next_step="z" * 100_000))
    assert len(words) < 5000
    words.encode()
    assert len(display_text("y" * 10**7)) <= 201
    assert display_text("a\x1b[31m\u202eb\nc") == "a\ufffd[31m\ufffdb c"
