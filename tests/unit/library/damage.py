"""Mutates files of weights in every way that chance or malice finds; each mutation makes the file unusable."""

from __future__ import annotations

import io
import json
import pickle
import random
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.unit.library.heads import Shapes, head_of

Chance = random.Random
SENTINEL = "SDXL-DESKTOP-WAS-EXECUTED"


def mutate(number: int, shapes: Shapes, folder: Path) -> Path:
    """The mutated file number `number`; equal numbers give equal files."""
    chance = Chance(number)
    kind = KINDS[number % len(KINDS)]
    file = folder / f"mutated-{number}{'.ckpt' if kind in PICKLES else '.safetensors'}"
    kind(file, shapes, chance)
    return file


def _write(file: Path, head: bytes, size: int, *, said: int | None = None, lost: int = 0) -> None:
    with file.open("wb") as stream:
        stream.write(struct.pack("<Q", len(head) if said is None else said) + head)
        stream.truncate(max(0, 8 + len(head) + size - lost))


def _entries(shapes: Shapes) -> tuple[dict[str, Any], int]:
    head, size = head_of(shapes)
    return json.loads(head), size


def _truncated(file: Path, shapes: Shapes, chance: Chance) -> None:
    head, size = head_of(shapes)
    _write(file, head, size)
    whole = 8 + len(head) + size
    with file.open("r+b") as stream:
        stream.truncate(chance.choice([chance.randrange(8), chance.randrange(len(head)), chance.randrange(whole)]))


def _flipped_bit_in_the_head(file: Path, shapes: Shapes, chance: Chance) -> None:
    head, size = head_of(shapes)
    changed = bytearray(head)
    places = [at for at, byte in enumerate(changed) if byte not in b" "]  # a blank more or less changes nothing
    changed[chance.choice(places)] ^= 1 << chance.randrange(7)
    _write(file, bytes(changed), size)


def _absurd_length(file: Path, shapes: Shapes, chance: Chance) -> None:
    head, size = head_of(shapes)
    _write(file, head, size, said=chance.choice([2**60, 2**63, 2**64 - 1, len(head) + size + 1, len(head) // 2, 2**31]))


def _wrong_shape(file: Path, shapes: Shapes, chance: Chance) -> None:
    entries, size = _entries(shapes)
    name = chance.choice(list(entries))
    wrong: list[list[Any]] = [[2**62, 4], [-1, 3], [0], [2**31] * 9, [1.5], ["x"], [*entries[name]["shape"], 2]]
    entries[name]["shape"] = chance.choice(wrong)
    _write(file, json.dumps(entries).encode(), size)


def _transposed_shape(file: Path, shapes: Shapes, chance: Chance) -> None:
    name = chance.choice([name for name, shape in shapes.items() if len(shape) == 2 and shape[0] != shape[1]])
    head, size = head_of({**shapes, name: shapes[name][::-1]})
    _write(file, head, size)


def _wrong_places(file: Path, shapes: Shapes, chance: Chance) -> None:
    entries, size = _entries(shapes)
    name = chance.choice(list(entries))
    begin, end = entries[name]["data_offsets"]
    entries[name]["data_offsets"] = chance.choice(
        [[begin + 2, end + 2], [end, begin], [0, end - begin], [2**62, 2**62 + end - begin], [-8, end], [begin], "all"]
    )
    if entries[name]["data_offsets"] == [begin, end]:
        entries[name]["data_offsets"] = [begin, end + 1]
    _write(file, json.dumps(entries).encode(), size)


def _unknown_type(file: Path, shapes: Shapes, chance: Chance) -> None:
    entries, size = _entries(shapes)
    entries[chance.choice(list(entries))]["dtype"] = chance.choice(["F12", "", "Q4_K", "F8_E4M3", 7, None, "F16" * 99])
    _write(file, json.dumps(entries).encode(), size)


def _evil_name(file: Path, shapes: Shapes, chance: Chance) -> None:
    evil = chance.choice(["../../../evil", "/etc/passwd", "..\\..\\evil", "a\0b", "x" * 5000, "", "con:"])
    renamed = list(shapes)
    renamed[chance.randrange(len(renamed))] = evil
    head, size = head_of(dict(zip(renamed, shapes.values(), strict=True)))
    _write(file, head, size)


def _not_a_list_of_tensors(file: Path, shapes: Shapes, chance: Chance) -> None:
    deep = b"[" * 200_000
    many = json.dumps(
        {f"t{n}": {"dtype": "F16", "shape": [0], "data_offsets": [0, 0]} for n in range(250_000)}
    ).encode()
    head = chance.choice(
        [b"", b"{}", b"[]", b"null", deep, many, b'{"a":' * 5000, b"\xff\xfe{}", bytes(5000), b'{"a":{}}']
    )
    _write(file, head, 16)


def _some_bytes(file: Path, shapes: Shapes, chance: Chance) -> None:
    file.write_bytes(chance.randbytes(chance.choice([0, 1, 7, 8, 9, 100, 10_000])))


class _Runs:
    def __init__(self, folder: Path) -> None:
        self._command = f"touch {folder / SENTINEL}"

    def __reduce__(self) -> Any:
        import os

        return os.system, (self._command,)


def _archive(file: Path, members: dict[str, bytes], packing: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(file, "w", packing) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def _pickle_that_runs(file: Path, shapes: Shapes, chance: Chance) -> None:
    evil = pickle.dumps({"state_dict": {}, "x": _Runs(file.parent)}, protocol=chance.choice([0, 1, 2, 3, 4, 5]))
    if chance.random() < 0.5:
        file.write_bytes(evil)
    else:
        _archive(file, {"archive/data.pkl": evil, "archive/version": b"3\n"})


def _zip_bomb(file: Path, shapes: Shapes, chance: Chance) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(chance.randrange(1, 4)):
            archive.writestr(f"archive/{'data.pkl' if number == 0 else f'data/{number}'}", bytes(30 * 2**20))
    file.write_bytes(stream.getvalue())


def _evil_archive(file: Path, shapes: Shapes, chance: Chance) -> None:
    plain = pickle.dumps({"state_dict": {}}, protocol=2)
    other = chance.choice(["../../evil", "/tmp/evil", "archive/other.pkl", "archive/../../../evil"])
    _archive(file, {"archive/data.pkl": plain, other: b"evil"})


def _broken_archive(file: Path, shapes: Shapes, chance: Chance) -> None:
    _archive(file, {"archive/data.pkl": chance.randbytes(500), "archive/data/0": bytes(100)})
    content = bytearray(file.read_bytes())
    if chance.random() < 0.5:
        content = content[: chance.randrange(len(content))]
    file.write_bytes(content)


PICKLES: tuple[Callable[[Path, Shapes, Chance], None], ...] = (
    _pickle_that_runs,
    _zip_bomb,
    _evil_archive,
    _broken_archive,
)
KINDS: tuple[Callable[[Path, Shapes, Chance], None], ...] = (
    _truncated,
    _flipped_bit_in_the_head,
    _absurd_length,
    _wrong_shape,
    _transposed_shape,
    _wrong_places,
    _unknown_type,
    _evil_name,
    _not_a_list_of_tensors,
    _some_bytes,
    *PICKLES,
)
