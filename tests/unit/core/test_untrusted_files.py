"""Small untrusted files are read completely, or refused with a reason."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from sdxl_desktop.core.untrusted_files import (
    UntrustedFileError,
    copy_limited,
    is_regular_file,
    path_exists,
    read_json,
    read_json_object,
    read_limited,
)


def refusal(file: Path) -> str:
    with pytest.raises(UntrustedFileError) as caught:
        read_json_object(file)
    assert 0 < len(str(caught.value)) < 300
    return str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'"words"',
        b"null",
        b"\xff\xfe{}",
        b'{"a": 1e999}',
        b'{"a": -1e999}',
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b"[" * 100_000,
        b'{"a":' * 50 + b"1" + b"}" * 50,
        b'{"a": ' + b"9" * 5000 + b"}",
    ],
    ids=lambda content: content[:12].decode("latin-1"),
)
def test_what_is_no_description_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    refusal(tmp_path / "a.json")


def test_what_libraries_really_write_is_read(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(b'\xef\xbb\xbf{"lowest": -Infinity, "longest": 1000000000000000019884624838656, "n": 7}')
    assert read_json_object(file) == {"lowest": -math.inf, "longest": 1e30, "n": 7}


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "endless").symlink_to("/dev/zero")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "endless", "loop", "folder", "none", "x" * 300):
        assert not is_regular_file(tmp_path / name)
        refusal(tmp_path / name)
    assert path_exists(tmp_path / "pipe")
    assert path_exists(tmp_path / "loop")
    assert not path_exists(tmp_path / "none")


def test_a_link_to_a_regular_file_is_that_file(tmp_path: Path) -> None:
    (tmp_path / "blob").write_text("[1]")
    (tmp_path / "link").symlink_to("blob")
    assert read_json(tmp_path / "link") == [1]
    copy_limited(tmp_path / "link", tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == "[1]"


def test_a_file_that_is_far_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(UntrustedFileError, match="larger"):
        read_limited(tmp_path / "large")
