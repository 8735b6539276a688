"""Damaged and malicious projects are refused with a reason, quickly, within bounded memory, writing nothing."""

from __future__ import annotations

import json
import os
import struct
import sys
import threading
import time
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sdxl_desktop.core.raster import UInt8Array
from sdxl_desktop.session.document import manifest
from sdxl_desktop.session.document.png_codec import encode_png
from sdxl_desktop.session.document.project_file import Project, ProjectError, load_project, save_project
from tests.typed import not_none
from tests.unit.session.document.sample_projects import assert_same, full_project, noise

Members = dict[str, bytes]


@pytest.fixture
def path(photograph: UInt8Array, tmp_path: Path) -> Path:
    """A good project with everything in it."""
    file = tmp_path / "a.sdxld"
    save_project(full_project(photograph), file)
    return file


def members_of(path: Path) -> Members:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path: Path, members: Members, way: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path, "w", way) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def with_card(path: Path, change: Callable[[Any], object]) -> None:
    """Rewrite a project's card."""
    members = members_of(path)
    card = json.loads(members["document.json"])
    change(card)
    members["document.json"] = json.dumps(card).encode()
    write(path, members)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def bomb(width: int, height: int, content: int) -> bytes:
    """A PNG that declares so many pixels, with so many zero bytes of data."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    packed = zlib.compress(bytes(content), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def refused(path: Path, why: str = "") -> ProjectError:
    """The error, which came at once and without taking a hundred megabytes."""
    tracemalloc.start()
    started = time.perf_counter()
    try:
        with pytest.raises(ProjectError, match=why or None) as reported:
            load_project(path)
        taken = time.perf_counter() - started
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert taken < 4, "quickly, even on a busy machine"
    assert peak < 100 * 2**20
    assert reported.value.next_step
    assert path.name in str(reported.value) or "too large" in str(reported.value)
    return reported.value


def attempt(path: Path) -> Project | ProjectError:
    try:
        return load_project(path)
    except ProjectError as problem:
        return problem


# damage


def test_a_file_that_was_cut_short_is_refused_wherever_it_was_cut(path: Path) -> None:
    whole = path.read_bytes()
    for length in (0, 1, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        refused(path, r"a\.sdxld cannot be opened")


def test_a_file_with_flipped_bits_is_refused(path: Path, photograph: UInt8Array) -> None:
    whole = path.read_bytes()
    random = np.random.default_rng(11)
    caught = 0
    for _ in range(60):
        damaged = bytearray(whole)
        damaged[int(random.integers(len(whole)))] ^= 1 << int(random.integers(8))
        path.write_bytes(damaged)
        try:
            read = load_project(path)
        except ProjectError:
            caught += 1
            continue
        assert_same(read, full_project(photograph))  # the bit has no meaning, such as one of a date
    assert caught > 40


def test_each_member_that_is_missing_is_reported(path: Path) -> None:
    whole = members_of(path)
    for name in whole:
        write(path, {other: content for other, content in whole.items() if other != name})
        refused(path, r"a\.sdxld cannot be opened")


def test_each_member_that_is_another_is_reported(path: Path) -> None:
    """Whole by its check sum, but not what it should be."""
    whole = members_of(path)
    for name in whole:
        for content in (
            b"",
            b"nonsense",
            b"{}",
            b"[" * 100_000,
            whole["document.json"] * 2,
            encode_png(noise(9, 3, 3)),
        ):
            write(path, {**whole, name: content})
            if name.endswith(".png") and content.startswith(b"\x89PNG") and not name.startswith(("mask", "gro", "pic")):
                load_project(path)  # another picture in a candidate's place is a picture
            else:
                refused(path, r"a\.sdxld cannot be opened")


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.sdxld").write_text("hello")
    Image.new("RGB", (8, 8)).save(tmp_path / "picture.sdxld", "PNG")
    write(tmp_path / "zip.sdxld", {"document.json": json.dumps({"kind": "krita", "version": 1}).encode()})
    (tmp_path / "folder.sdxld").mkdir()
    for name in ("text", "picture", "zip", "missing", "folder"):
        refused(tmp_path / f"{name}.sdxld", name)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no named pipes among files")
def test_what_is_no_file_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.sdxld")
    refused(tmp_path / "a.sdxld", "not a file")


# promises


def test_a_picture_that_promises_more_than_it_has_bytes_for_is_refused(path: Path) -> None:
    write(path, {**members_of(path), "picture.png": bomb(16000, 16000, 64)})
    refused(path, "more pixels than it can hold")


def test_a_picture_of_more_pixels_than_a_document_has_is_refused(path: Path) -> None:
    write(path, {**members_of(path), "picture.png": bomb(20_000, 20_000, 100) + bytes(3 * 2**20)})
    refused(path, "too large")


def test_many_pictures_that_are_too_much_together_are_refused(path: Path) -> None:
    """Each could be opened by itself: 440 MB of pixels in half a megabyte."""
    members = members_of(path)
    card = json.loads(members["document.json"])
    entry = {"record": card["candidates"][0]["record"]}
    card["candidates"] = [{**entry, "pixels": f"candidates/{number:03}.png"} for number in range(30)]
    content = bomb(16384, 9000, 0)[:-12] + bytes(2**19)
    members |= {f"candidates/{number:03}.png": content for number in range(30)}
    write(path, {**members, "document.json": json.dumps(card).encode()})
    refused(path, r"takes 12\.\d GB of memory")


@pytest.mark.parametrize("way", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_card_without_end_is_refused(path: Path, way: int) -> None:
    write(path, {"document.json": b" " * (manifest.MAX_MANIFEST_BYTES + 1)}, way)
    refused(path, "too long")


def test_a_member_that_was_packed_again_does_not_unpack_without_end(path: Path) -> None:
    """A small picture followed by 200 MB of zeros, deflated to 200 KB."""
    members = members_of(path)
    members["mask.png"] += bytes(200 * 2**20)
    write(path, members, zipfile.ZIP_DEFLATED)
    refused(path, "too long")


def test_a_project_that_was_packed_again_still_opens(path: Path, photograph: UInt8Array) -> None:
    write(path, members_of(path), zipfile.ZIP_DEFLATED)
    assert_same(load_project(path), full_project(photograph))
    write(path, members_of(path), zipfile.ZIP_LZMA)
    refused(path, "packed in a way")


def test_latents_with_a_huge_header_are_refused(path: Path) -> None:
    members = members_of(path)
    name = "latents/000.safetensors"
    for length in (2**63, 2**32, 50 * 2**20, len(members[name])):
        write(path, {**members, name: struct.pack("<Q", length) + members[name][8:]})
        refused(path, "latents")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"F32"', b'"F64"'),
        (b'"shape":[4,8,12]', b'"shape":[4,8,99]'),
        (b'"shape":[4,8,12]', b'"shape":[384,1] '),
        (b'"data_offsets":[0,', b'"data_offsets":[9,'),
        (b'"latents":{', b'"unknown":{'),
        (b"sdxl-desktop-latents", b"sdxl-another-latents"),
        (b"dpmpp-2m-karras", b"dpmpp-2m-marxist"),
    ],
)
def test_latents_that_lie_about_themselves_are_refused(path: Path, old: bytes, new: bytes) -> None:
    members = members_of(path)
    name = "latents/000.safetensors"
    assert old in members[name]
    write(path, {**members, name: members[name].replace(old, new)})
    refused(path, "cannot be opened")


def test_a_directory_of_a_million_members_is_not_read(tmp_path: Path) -> None:
    """Sixty megabytes of directory would become half a gigabyte of objects."""
    path = tmp_path / "a.sdxld"
    entry = struct.pack("<4sHHHHHHIIIHHHHHII", b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0)
    count = 200_000
    directory = b"".join(entry + b"%08d" % number for number in range(count))
    for claimed in (count & 0xFFFF, 1):
        end = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, claimed, claimed, len(directory), 0, 0)
        path.write_bytes(directory + end)
        refused(path, "directory is too long")


def test_a_member_that_says_it_is_longer_than_the_file_is_refused(path: Path) -> None:
    whole = bytearray(path.read_bytes())
    at = whole.rindex(b"PK\1\2", 0, whole.rindex(b"picture.png"))
    struct.pack_into("<II", whole, at + 20, 2**31, 2**31)
    path.write_bytes(whole)
    refused(path, "lies about its size")


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*one) for one in chunks)


def head(width: int, height: int, bits: int = 8, colour: int = 2) -> tuple[bytes, bytes]:
    return b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)


PIXELS = b"IDAT", zlib.compress(b"".join(b"\0" + bytes(320 * 3) for _ in range(200)))
END = b"IEND", b""
DISORDERLY = {
    "a second head": (head(320, 200), head(9000, 9000), PIXELS, END),
    "a second head behind the pixels": (head(320, 200), PIXELS, head(9000, 9000), PIXELS, END),
    "a second head behind a comment": (head(320, 200), (b"tEXt", b"a\0b"), head(320, 9000), PIXELS, END),
    "pixels before the head": (PIXELS, head(320, 200), END),
    "pixels in two places": (head(320, 200), PIXELS, (b"tEXt", b"a\0b"), PIXELS, END),
    "an unknown chunk that matters": (head(320, 200), (b"ABCD", b""), PIXELS, END),
    "no end": (head(320, 200), PIXELS),
    "two ends": (head(320, 200), PIXELS, END, END),
    "another depth": (head(320, 200, bits=16), PIXELS, END),
    "a palette": (head(320, 200, colour=3), (b"PLTE", bytes(768)), PIXELS, END),
    "a million chunks": (head(320, 200), *[(b"tIME", b"")] * 1500, PIXELS, END),
}


@pytest.mark.parametrize("what", DISORDERLY)
def test_a_png_that_is_built_otherwise_is_refused(path: Path, what: str) -> None:
    write(path, {**members_of(path), "picture.png": png(*DISORDERLY[what])})
    refused(path)


def test_what_a_png_may_have_beside_its_pixels_does_not_matter(path: Path) -> None:
    save_project(Project(picture=noise(1)), path)
    members = members_of(path)
    comments = [(b"tEXt", b"a\0b"), (b"acTL", struct.pack(">II", 9, 0))]
    members["picture.png"] = png(head(320, 200), *comments, PIXELS, (b"tIME", b"1234567"), END)
    write(path, members)
    assert not_none(load_project(path).picture).shape == (200, 320, 3)


def test_a_member_that_says_it_is_small_does_not_unpack_without_end(path: Path) -> None:
    """A thousand bytes by the directory, 120 MB by its stream."""
    members = members_of(path)
    members["mask.png"] = bytes(120 * 2**20)
    write(path, members, zipfile.ZIP_DEFLATED)
    whole = bytearray(path.read_bytes())
    at = whole.rindex(b"PK\1\2", 0, whole.rindex(b"mask.png"))
    struct.pack_into("<I", whole, at + 24, 1000)
    path.write_bytes(whole)
    refused(path)


def test_no_reason_is_longer_than_users_read(path: Path) -> None:
    entry = {"file": "y" * 50_000, "shape": [1], "digest": ""}
    with_card(path, lambda card: card["beside"].update({"x" * 50_000: entry}))
    assert len(str(refused(path))) < 1000
    with_card(path, lambda card: card.update(beside={}, picture="z" * 100_000))
    assert len(str(refused(path))) < 1000


@pytest.mark.parametrize("depth", [1000, 100_000])
def test_values_without_end_are_no_reason_to_fail_or_a_reported_reason(path: Path, depth: int) -> None:
    deep = "[" * depth + "]" * depth
    members = members_of(path)
    for field in ("workspace", "candidates"):
        card = json.loads(members["document.json"])
        card[field] = "here" if field == "workspace" else [{"pixels": "picture.png", "record": "here"}]
        write(path, {**members, "document.json": json.dumps(card).replace('"here"', deep).encode()})
        outcome = attempt(path)
        assert "cannot be opened" in str(outcome) if isinstance(outcome, ProjectError) else outcome.notes


def mutated(whole: bytes, random: np.random.Generator) -> bytes:
    """Bytes changed, cut, doubled, or put in from elsewhere in the file."""
    damaged = bytearray(whole)
    for _ in range(int(random.integers(1, 4))):
        at, to = sorted(int(one) for one in random.integers(0, len(damaged), 2))
        to = min(to, at + 64)
        match int(random.integers(6)):
            case 0:
                damaged[at] = int(random.integers(256))
            case 1:
                damaged[at:to] = random.bytes(to - at)
            case 2:
                del damaged[at:to]
            case 3:
                damaged[at:at] = damaged[to : to + 32]
            case 4:
                damaged[at:to] = b"\xff" * (to - at)
            case _:
                del damaged[max(1, len(damaged) - at % 64) :]
    return bytes(damaged)


def check_mutations(path: Path, count: int, seed: int) -> None:
    """Mutations of the file, and of a member whose check sum then is right, open or are refused with a reason."""
    whole, members, random = path.read_bytes(), members_of(path), np.random.default_rng(seed)
    names = sorted(members)
    for number in range(count):
        if number % 2:
            path.write_bytes(mutated(whole, random))
        else:
            name = names[int(random.integers(len(names)))]
            write(path, {**members, name: mutated(members[name], random)})
        outcome = attempt(path)
        assert isinstance(outcome, Project) or (len(str(outcome)) < 1000 and outcome.next_step)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    file = tmp_path / "small.sdxld"
    save_project(full_project(noise(7, 12, 16)), file)
    return file


def test_200_mutations_open_or_are_refused_with_a_reason(small: Path) -> None:
    check_mutations(small, 200, 15)


@pytest.mark.slow
def test_thousands_of_mutations_open_or_are_refused_with_a_reason(small: Path) -> None:
    check_mutations(small, 5000, 16)


# names


@pytest.mark.parametrize(
    "name", ["../evil.png", "/etc/passwd", "a/../../b", "..\\evil", "C:\\evil", "a//b", "a/./b", ".hidden", "a\nb"]
)
def test_names_that_lead_elsewhere_are_refused(path: Path, name: str) -> None:
    write(path, {**members_of(path), name: b"evil"})
    refused(path, "a member is called")
    assert os.listdir(path.parent) == ["a.sdxld"], "nothing is ever unpacked to the disk"


def test_two_members_of_one_name_are_refused(path: Path) -> None:
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("picture.png", encode_png(noise(1, 4, 4)))
    refused(path, "two members")


@pytest.mark.parametrize("file", ["../../secret.pixels", "/etc/passwd", "a.pixels"])
def test_a_project_cannot_point_at_files_beside_it(path: Path, file: str) -> None:
    """Only recovery files have parts in a sidecar folder, and only in their own."""
    (path.parent / "a.pixels").write_bytes(bytes(12))
    (path.parent / "a.kept").mkdir()
    (path.parent / "a.kept" / "a.pixels").write_bytes(bytes(12))
    entry = {"file": file, "shape": [2, 2, 3], "digest": "0" * 24}
    with_card(path, lambda card: card.update(beside={"picture.png": entry}))
    refused(path, "lie elsewhere")


# the card


CHANGES: dict[str, Callable[[Any], object]] = {
    "mask without picture": lambda card: card.update(picture=""),
    "mask as picture": lambda card: card.update(picture="mask.png"),
    "latents as picture": lambda card: card.update(picture="latents/000.safetensors"),
    "itself as picture": lambda card: card.update(picture="document.json"),
    "unknown member": lambda card: card["candidates"][0].update(pixels="candidates/999.png"),
    "start of a step that was not kept": lambda card: card["candidates"][2]["start"].update(step=9),
    "a number for a name": lambda card: card.update(picture=5),
    "another kind": lambda card: card.update(kind="x" * 1000),
    "too many candidates": lambda card: card.update(candidates=card["candidates"] * 400),
    "grounds that are others": lambda card: card["grounds"].update(
        dict.fromkeys(card["grounds"], "candidates/001.png")
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_card_that_contradicts_the_rest_is_refused(path: Path, what: str) -> None:
    with_card(path, CHANGES[what])
    refused(path, r"a\.sdxld cannot be opened")


def test_projects_are_read_by_several_threads_at_once(path: Path, photograph: UInt8Array) -> None:
    expected, wrong = full_project(photograph), []

    def read() -> None:
        try:
            assert_same(load_project(path), expected)
        except BaseException as problem:
            wrong.append(problem)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
