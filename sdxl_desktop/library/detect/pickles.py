"""Looks into a .ckpt without running it: its archive must be plain, and its pickle may name tensors only.

Whether it may be read at all is decided here, without torch; it is read by torch's weights-only loader, in the
conversion's own process.
"""

from __future__ import annotations

import pickletools
import zipfile
from collections.abc import Iterator
from pathlib import Path

from sdxl_desktop.library.detect.errors import DamagedFileError

_PICKLE_LIMIT = 4 * 2**20
"""Bytes of the pickle alone; SDXL's has half a megabyte."""
_MEMBER_LIMIT = 20_000
_ALLOWED = {
    "collections.OrderedDict",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_parameter",
    "torch.Size",
    "torch.device",
    *(f"torch.{kind}Storage" for kind in ("Half", "Float", "BFloat16", "Double", "Long", "Int", "Byte", "Bool")),
}


def check_pickle(file: Path) -> None:
    """Raise DamagedFileError unless `file` is a torch archive of tensors and nothing else."""
    try:
        with zipfile.ZipFile(file) as archive:
            pickle = _pickle(file, archive)
            named = {name for name in _names(pickle) if name not in _ALLOWED}
    except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError, EOFError) as problem:
        raise _refused(file, "It is not an archive as torch writes it, or it was cut short.") from problem
    except (ValueError, IndexError, KeyError, AttributeError, UnicodeDecodeError) as problem:
        raise _refused(file, "Its list of tensors is damaged.") from problem
    if named:
        raise _refused(file, f"It would run code when loaded ({', '.join(sorted(named))[:120]}).")


def _pickle(file: Path, archive: zipfile.ZipFile) -> bytes:
    """The archive's one pickle, after the archive was found to be plain: nothing packed, nothing outside, no bomb."""
    members = archive.infolist()
    if len(members) > _MEMBER_LIMIT:
        raise _refused(file, f"It has {len(members):,} members.")
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise _refused(file, "It is packed, which torch's archives never are.")
    if sum(member.file_size for member in members) > file.stat().st_size:
        raise _refused(file, "It would unpack to more than it is.")
    if any(member.filename.startswith(("/", "\\")) or ".." in Path(member.filename).parts for member in members):
        raise _refused(file, "It names files outside itself.")
    pickles = [member for member in members if member.filename.endswith(".pkl")]
    if len(pickles) != 1 or Path(pickles[0].filename).name != "data.pkl":
        raise _refused(file, "It does not hold exactly one list of tensors.")
    if pickles[0].file_size > _PICKLE_LIMIT:
        raise _refused(file, "Its list of tensors is far too long.")
    return archive.read(pickles[0])


def _names(pickle: bytes) -> Iterator[str]:
    """Everything the pickle would import. Strings are followed as far as a global can be made of them."""
    strings: list[str] = []
    memo: dict[int, str] = {}
    for operation, argument, _ in pickletools.genops(pickle):
        name = operation.name
        if name in ("GLOBAL", "INST"):
            yield str(argument).replace(" ", ".", 1)
        elif name == "STACK_GLOBAL":
            yield ".".join(strings[-2:]) if len(strings) >= 2 else "something unnamed"
        elif name in ("EXT1", "EXT2", "EXT4"):
            yield f"extension {argument}"
        elif isinstance(argument, str) and "UNICODE" in name:
            strings.append(argument)
        elif name == "MEMOIZE" and strings:
            memo[len(memo)] = strings[-1]
        elif name in ("BINGET", "LONG_BINGET", "GET") and int(argument or 0) in memo:
            strings.append(memo[int(argument or 0)])


def _refused(file: Path, why: str) -> DamagedFileError:
    return DamagedFileError(
        f"{file.name} cannot be read safely.",
        why=why,
        next_step="Look for the same checkpoint as a .safetensors file.",
    )
