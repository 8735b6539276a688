"""Corrupts bytes, JSON and weight files as accident or malice would, to test that a reader raises only its own error;
equal seeds give equal corruption."""

from __future__ import annotations

import copy
import io
import json
import os
import pickle
import random
import struct
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.unit.library.fake_safetensors import Shapes, header_bytes

Random = random.Random
DEFAULT, MANY = 200, 3000
"""Mutations per reader: in every run, and with `-m slow`."""

# arbitrary bytes


def mutations(samples: Sequence[bytes], count: int, seed: int = 0) -> Iterator[bytes]:
    """Yield `count` corrupted files made from `samples`: bytes changed, removed, repeated, truncated and swapped."""
    rng = Random(seed)
    for number in range(count):
        content = samples[number % len(samples)]
        for _ in range(rng.choice((1, 1, 2, 4, 16))):
            content = mutated_bytes(content, rng, samples)
        yield content


def mutated_bytes(content: bytes, rng: Random, others: Sequence[bytes] = ()) -> bytes:
    """Change, remove, repeat or cut off bytes, or replace them, also with a part of one of `others`."""
    if not content:
        return rng.randbytes(rng.choice((0, 20)))
    # most of what decides a reader's path is at the beginning
    at = rng.randrange(min(len(content), rng.choice((64, 256, len(content), len(content)))))
    before, after = content[:at], content[at:]
    match rng.randrange(9):
        case 0:
            return before + bytes([content[at] ^ 1 << rng.randrange(8)]) + after[1:]
        case 1:
            return before + bytes([rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))]) + after[1:]
        case 2:
            number = rng.choice((b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\x7f"))
            return before + number + after[4:]
        case 3:
            return before
        case 4:
            return before + after[rng.choice((rng.randrange(1, 32), rng.randrange(1, len(after) + 1))) :]
        case 5:
            return before + after[: rng.choice((rng.randrange(1, 200), len(after)))] + after
        case 6:
            return before + rng.randbytes(rng.randrange(1, 40)) + after
        case 7:
            return before + bytes(rng.randrange(1, 100)) + after[8:]
    other = rng.choice(others) if others else content
    begin = rng.randrange(max(1, len(other)))
    return before + other[begin : begin + 16] + after[16:]


# JSON

ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2, 5, 7, 2**31, 2 * 10**9, 2**63, 2**64, 10**18, 10**30, 1e-300, 1e300, 0.5, 1.5),
    *(float("nan"), float("inf"), "", "x" * 5000, "x" * 100_000, "../../evil", "/dev/zero", "\0", "é", "ü" * 40),
    *("DiffusionPipeline", "os.system", [], {}, [None], [[]], [[1]], {"a": {}}, [1] * 5000, [["pwn", "Pwn"]]),
    {"content": 7},
)
"""Unexpected values."""


def mutated_json(content: Any, rng: Random) -> bytes:
    """Return JSON with one value anywhere in it replaced, removed or repeated; sometimes it is no longer JSON."""
    if rng.random() < 0.2:
        return mutated_bytes(json.dumps(content).encode(), rng)
    changed = copy.deepcopy(content)
    places: list[tuple[Any, Any]] = []
    level: list[Any] = [changed]
    while level:
        one = level.pop()
        inside = list(one.items() if isinstance(one, dict) else enumerate(one)) if isinstance(one, dict | list) else []
        places += [(one, key) for key, _ in inside]
        level += [value for _, value in inside]
    if not places or rng.random() < 0.05:
        return json.dumps(rng.choice(ODD)).encode()
    owner, key = rng.choice(places)
    if rng.random() < 0.2:
        del owner[key]
    else:
        owner[key] = copy.deepcopy(rng.choice(ODD))
    return json.dumps(changed).encode()


# .safetensors

ODD_ENTRIES: tuple[Any, ...] = (
    *("F32", "F16", "BF16", "F8_E4M3", "I64", "BOOL", [0], [2**40], [0, 2**40], [-1], [1] * 9, [0, 0], [4, 0]),
    *([0, 2**63], {"dtype": "F32"}, {"dtype": "F32", "shape": [], "data_offsets": [0, 4]}),
    *(odd for odd in ODD if not isinstance(odd, str) or len(odd) < 10_000),
)
"""Values that may occur in a header, and unexpected ones."""


def packed(header: Any, body: bytes = b"") -> bytes:
    """Return a .safetensors file with `header`: its JSON as bytes, or an object to be written as JSON."""
    head = header if isinstance(header, bytes) else json.dumps(header).encode("utf-8", "surrogatepass")
    return struct.pack("<Q", len(head)) + head + body


def mutated_safetensors(content: bytes, seed: int) -> bytes:
    """Return the .safetensors file `content`, corrupted with `seed`: its bytes, its header length or its header."""
    rng = Random(seed)
    for _ in range(rng.choice((1, 1, 2, 4))):
        content = rng.choice((mutated_bytes, mutated_bytes, _length, _header, _header))(content, rng)
    return content


def _length(content: bytes, rng: Random) -> bytes:
    length = rng.choice((0, 1, 7, len(content), len(content) - 8, 2**24, 2**32, 2**63, 2**64 - 1))
    return struct.pack("<Q", max(0, length)) + content[8:]


def _header(content: bytes, rng: Random) -> bytes:
    try:
        (length,) = struct.unpack("<Q", content[:8])
        header, body = json.loads(content[8 : 8 + length]), content[8 + length :]
    except (struct.error, ValueError, MemoryError, OverflowError, RecursionError):
        return content
    if not isinstance(header, dict) or not header:
        return packed(rng.choice(ODD_ENTRIES), body)
    return packed(rng.choice((_value, _field, _name, _nested, _metadata))(header, rng), body)


def _value(header: dict[str, Any], rng: Random) -> Any:
    return {**header, rng.choice(sorted(header)): rng.choice(ODD_ENTRIES)}


def _field(header: dict[str, Any], rng: Random) -> Any:
    name = rng.choice(sorted(header))
    if not isinstance(header[name], dict):
        return header
    field = rng.choice(("dtype", "shape", "data_offsets"))
    return {**header, name: {**header[name], field: rng.choice(ODD_ENTRIES)}}


def _name(header: dict[str, Any], rng: Random) -> Any:
    old = rng.choice(sorted(header))
    new = rng.choice(("", "\x00", "../../x", "lora.", ".alpha", "x" * 3000, "__metadata__", old + old, "clip_l"))
    return {new if name == old else name: value for name, value in header.items()}


def _nested(header: dict[str, Any], rng: Random) -> Any:
    return b"[" * rng.choice((10, 2000, 100_000))


def _metadata(header: dict[str, Any], rng: Random) -> Any:
    message = header.get("__metadata__")
    if not isinstance(message, dict) or not message or rng.random() < 0.3:
        return {**header, "__metadata__": rng.choice(ODD_ENTRIES)}
    key = rng.choice(sorted(message))
    text = str(message[key])
    odd = json.dumps(rng.choice(ODD_ENTRIES))
    words = rng.choice((odd, "[" * 50_000, text[: len(text) // 2], "1e999", "{", ""))
    return {**header, "__metadata__": {**message, key: words}}


# whole weight files, each of them unusable

SENTINEL = "SDXL-DESKTOP-WAS-EXECUTED"


def unusable_weights(number: int, shapes: Shapes, folder: Path) -> Path:
    """Write a file to `folder` with weights of these `shapes`, corrupted by the kind of that number."""
    rng = Random(number)
    kind = UNUSABLE[number % len(UNUSABLE)]
    file = folder / f"mutated-{number}{'.ckpt' if kind in PICKLES else '.safetensors'}"
    kind(file, shapes, rng)
    return file


def _write(file: Path, head: bytes, size: int, *, message: int | None = None, lost: int = 0) -> None:
    with file.open("wb") as stream:
        stream.write(struct.pack("<Q", len(head) if message is None else message) + head)
        stream.truncate(max(0, 8 + len(head) + size - lost))


def _entries(shapes: Shapes) -> tuple[dict[str, Any], int]:
    head, size = header_bytes(shapes)
    return json.loads(head), size


def _truncated(file: Path, shapes: Shapes, rng: Random) -> None:
    head, size = header_bytes(shapes)
    _write(file, head, size)
    whole = 8 + len(head) + size
    with file.open("r+b") as stream:
        stream.truncate(rng.choice([rng.randrange(8), rng.randrange(len(head)), rng.randrange(whole)]))


def _flipped_bit_in_the_head(file: Path, shapes: Shapes, rng: Random) -> None:
    head, size = header_bytes(shapes)
    changed = bytearray(head)
    places = [at for at, byte in enumerate(changed) if byte not in b" "]  # changing a space has no effect
    changed[rng.choice(places)] ^= 1 << rng.randrange(7)
    _write(file, bytes(changed), size)


def _absurd_length(file: Path, shapes: Shapes, rng: Random) -> None:
    head, size = header_bytes(shapes)
    _write(file, head, size, message=rng.choice([2**60, 2**63, 2**64 - 1, len(head) + size + 1, len(head) // 2, 2**31]))


def _wrong_shape(file: Path, shapes: Shapes, rng: Random) -> None:
    entries, size = _entries(shapes)
    name = rng.choice(list(entries))
    wrong: list[list[Any]] = [[2**62, 4], [-1, 3], [0], [2**31] * 9, [1.5], ["x"], [*entries[name]["shape"], 2]]
    entries[name]["shape"] = rng.choice(wrong)
    _write(file, json.dumps(entries).encode(), size)


def _transposed_shape(file: Path, shapes: Shapes, rng: Random) -> None:
    name = rng.choice([name for name, shape in shapes.items() if len(shape) == 2 and shape[0] != shape[1]])
    head, size = header_bytes({**shapes, name: shapes[name][::-1]})
    _write(file, head, size)


def _wrong_places(file: Path, shapes: Shapes, rng: Random) -> None:
    entries, size = _entries(shapes)
    name = rng.choice(list(entries))
    begin, end = entries[name]["data_offsets"]
    entries[name]["data_offsets"] = rng.choice(
        [[begin + 2, end + 2], [end, begin], [0, end - begin], [2**62, 2**62 + end - begin], [-8, end], [begin], "all"]
    )
    if entries[name]["data_offsets"] == [begin, end]:
        entries[name]["data_offsets"] = [begin, end + 1]
    _write(file, json.dumps(entries).encode(), size)


def _unknown_type(file: Path, shapes: Shapes, rng: Random) -> None:
    entries, size = _entries(shapes)
    entries[rng.choice(list(entries))]["dtype"] = rng.choice(["F12", "", "Q4_K", "F8_E4M3", 7, None, "F16" * 99])
    _write(file, json.dumps(entries).encode(), size)


def _evil_name(file: Path, shapes: Shapes, rng: Random) -> None:
    evil = rng.choice(["../../../evil", "/etc/passwd", "..\\..\\evil", "a\0b", "x" * 5000, "", "con:"])
    renamed = list(shapes)
    renamed[rng.randrange(len(renamed))] = evil
    head, size = header_bytes(dict(zip(renamed, shapes.values(), strict=True)))
    _write(file, head, size)


def _not_a_list_of_tensors(file: Path, shapes: Shapes, rng: Random) -> None:
    deep = b"[" * 200_000
    many = json.dumps(
        {f"t{n}": {"dtype": "F16", "shape": [0], "data_offsets": [0, 0]} for n in range(250_000)}
    ).encode()
    head = rng.choice(
        [b"", b"{}", b"[]", b"null", deep, many, b'{"a":' * 5000, b"\xff\xfe{}", bytes(5000), b'{"a":{}}']
    )
    _write(file, head, 16)


def _some_bytes(file: Path, shapes: Shapes, rng: Random) -> None:
    file.write_bytes(rng.randbytes(rng.choice([0, 1, 7, 8, 9, 100, 10_000])))


class _Runs:
    def __init__(self, folder: Path) -> None:
        self._command = f"touch {folder / SENTINEL}"

    def __reduce__(self) -> Any:
        return os.system, (self._command,)


def _archive(file: Path, members: dict[str, bytes], packing: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(file, "w", packing) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def _pickle_that_runs(file: Path, shapes: Shapes, rng: Random) -> None:
    evil = pickle.dumps({"state_dict": {}, "x": _Runs(file.parent)}, protocol=rng.choice([0, 1, 2, 3, 4, 5]))
    if rng.random() < 0.5:
        file.write_bytes(evil)
    else:
        _archive(file, {"archive/data.pkl": evil, "archive/version": b"3\n"})


def _zip_bomb(file: Path, shapes: Shapes, rng: Random) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(rng.randrange(1, 4)):
            archive.writestr(f"archive/{'data.pkl' if number == 0 else f'data/{number}'}", bytes(30 * 2**20))
    file.write_bytes(stream.getvalue())


def _evil_archive(file: Path, shapes: Shapes, rng: Random) -> None:
    plain = pickle.dumps({"state_dict": {}}, protocol=2)
    other = rng.choice(["../../evil", "/tmp/evil", "archive/other.pkl", "archive/../../../evil"])
    _archive(file, {"archive/data.pkl": plain, other: b"evil"})


def _broken_archive(file: Path, shapes: Shapes, rng: Random) -> None:
    _archive(file, {"archive/data.pkl": rng.randbytes(500), "archive/data/0": bytes(100)})
    content = bytearray(file.read_bytes())
    if rng.random() < 0.5:
        content = content[: rng.randrange(len(content))]
    file.write_bytes(content)


PICKLES: tuple[Callable[[Path, Shapes, Random], None], ...] = (
    _pickle_that_runs,
    _zip_bomb,
    _evil_archive,
    _broken_archive,
)
UNUSABLE: tuple[Callable[[Path, Shapes, Random], None], ...] = (
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
