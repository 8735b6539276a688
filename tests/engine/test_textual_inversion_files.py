"""Embedding files: the usual ones are read, nothing in them is run, and all others are refused with a reason."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from sdxl_desktop.core.errors import AdditionError
from sdxl_desktop.engine.openvino.textual_inversion import read_embedding
from tests.mutations import Random, mutated_bytes, mutated_safetensors


def web_ui(values: Any) -> dict[str, Any]:
    """As AUTOMATIC1111's web UI writes them."""
    return {
        "string_to_token": {"*": 265},
        "string_to_param": values,
        "name": "inside",
        "step": 99,
        "sd_checkpoint": None,
        "sd_checkpoint_name": None,
    }


FIRST_VECTORS, SECOND_VECTORS = torch.linspace(-0.1, 0.1, 2 * 768).reshape(2, 768), torch.ones(2, 1280)


@pytest.mark.parametrize(
    ("name", "content", "token", "where"),
    [
        ("my fox.safetensors", {"clip_l": FIRST_VECTORS, "clip_g": SECOND_VECTORS}, "my-fox", "both"),
        ("fox.safetensors", {"text_encoders_0": FIRST_VECTORS, "text_encoders_1": SECOND_VECTORS}, "fox", "both"),
        ("fox.safetensors", {"clip_g": SECOND_VECTORS}, "fox", "second"),
        ("fox.safetensors", {"<fox>": FIRST_VECTORS}, "<fox>", "either"),
        ("fox.safetensors", {"<fox>": FIRST_VECTORS[0]}, "<fox>", "either"),
        ("fox.safetensors", {"<fox>": FIRST_VECTORS.to(torch.bfloat16)}, "<fox>", "either"),
        ("fox.safetensors", {"emb_params": FIRST_VECTORS.half()}, "fox", "either"),
        ("learned_embeds.bin", {"<fox>": FIRST_VECTORS}, "<fox>", "either"),
        ("fox.pt", {"clip_l": FIRST_VECTORS, "clip_g": SECOND_VECTORS}, "fox", "both"),
        ("fox (v2).pt", web_ui({"*": FIRST_VECTORS}), "fox-v2", "either"),
        ("fox.pt", web_ui({"*": torch.nn.Parameter(FIRST_VECTORS)}), "fox", "either"),
        ("fox.pt", web_ui(torch.nn.ParameterDict({"*": torch.nn.Parameter(FIRST_VECTORS)})), "fox", "either"),
        ("fox.pt", FIRST_VECTORS, "fox", "either"),
    ],
)
def test_the_usual_files_are_read(tmp_path: Path, name: str, content: Any, token: str, where: str) -> None:
    if name.endswith(".safetensors"):
        save_file(content, tmp_path / name)
    else:
        torch.save(content, tmp_path / name)
    read = read_embedding(tmp_path / name)
    assert read.token == token
    assert (read.first is not None, read.second is not None, read.unassigned is not None) == (
        where == "both",
        where in ("both", "second"),
        where == "either",
    )
    for values, expected in (
        (read.first, FIRST_VECTORS),
        (read.second, SECOND_VECTORS),
        (read.unassigned, FIRST_VECTORS),
    ):
        if values is not None:
            assert values.dtype == np.float32
            np.testing.assert_allclose(values, expected[: len(values)].numpy(), atol=1e-3)


class MaliciousPickle:
    """Runs a command when it is unpickled by a loader that trusts."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> Any:
        return os.system, (self.command,)


@pytest.mark.parametrize("how", ["torch", "torch, old", "pickle"])
@pytest.mark.parametrize("suffix", ["pt", "bin"])
def test_a_file_that_wants_to_run_a_program_is_refused_and_nothing_runs(tmp_path: Path, how: str, suffix: str) -> None:
    marker, file = tmp_path / "it ran", tmp_path / f"evil.{suffix}"
    content = web_ui({"*": FIRST_VECTORS, "other": MaliciousPickle(f"touch '{marker}'")})
    if how == "pickle":
        file.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, file, _use_new_zipfile_serialization=how == "torch")
    with pytest.raises(AdditionError, match="could run a program"):
        read_embedding(file)
    assert not marker.exists()
    if how == "pickle":  # the file is what it claims to be
        pickle.loads(file.read_bytes())
        assert marker.exists()


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("lora.safetensors", {f"lora.{n}.weight": torch.ones(2, 2) for n in range(5)}, "5 tensors"),
        ("x.safetensors", {"<a>": torch.ones(2, 2, 2)}, "shape"),
        ("x.safetensors", {"<a>": torch.ones(2, 2, dtype=torch.int64)}, "int64"),
        ("x.safetensors", {"<a>": torch.ones(0, 4)}, "shape"),
        ("x.safetensors", {"<a>": torch.full((1, 4), torch.nan)}, "not numbers"),
        ("x.pt", {"a": 1}, "no tensors"),
        ("x.pt", [1, 2], "list"),
        ("x.txt", b"words", "safetensors"),
        ("x.safetensors", b"words", "too short"),
        ("x.safetensors", {"<a>": torch.ones(1025, 4)}, "1,025 vectors"),
        ("x.pt", {"<a>": torch.ones(1).expand(10**12, 4)}, "more than an embedding"),
        ("x.pt", {"<a>": torch.ones(1).expand(4, 10**12)}, "more than an embedding"),
        ("x.pt", {"<a>": torch.eye(4).to_sparse()}, "one by one"),
        ("x.pt", b"words", ""),
        ("x.pt", b"", ""),
        ("x.pt", None, "No such file"),
    ],
)
def test_what_is_no_embedding_is_refused_with_a_reason(tmp_path: Path, name: str, content: Any, why: str) -> None:
    file = tmp_path / name
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif name.endswith(".safetensors"):
        save_file(content, file)
    elif content is not None:
        torch.save(content, file)
    with pytest.raises(AdditionError) as raised:
        read_embedding(file)
    assert why in raised.value.why
    assert name in raised.value.what
    assert raised.value.next_step


def test_a_whole_checkpoint_chosen_by_mistake_is_not_even_opened(tmp_path: Path) -> None:
    with (tmp_path / "model.safetensors").open("wb") as stream:
        stream.truncate(7 << 30)
    with pytest.raises(AdditionError, match="7168 MB"):
        read_embedding(tmp_path / "model.safetensors")


def test_a_pickle_that_unpacks_to_gigabytes_is_refused(tmp_path: Path) -> None:
    torch.save({"<a>": torch.zeros(16, 2**20)}, tmp_path / "x.pt")
    packed = tmp_path / "packed.pt"
    with zipfile.ZipFile(tmp_path / "x.pt") as whole, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as smaller:
        for entry in whole.namelist():
            smaller.writestr(entry, whole.read(entry))
    assert packed.stat().st_size < 2**20
    with pytest.raises(AdditionError, match="was not opened"):
        read_embedding(packed)


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    for suffix in (".safetensors", ".pt", ".bin"):
        os.mkfifo(tmp_path / f"pipe{suffix}")
        (tmp_path / f"zero{suffix}").symlink_to("/dev/zero")
        (tmp_path / f"folder{suffix}").mkdir()
    for file in tmp_path.iterdir():
        with pytest.raises(AdditionError, match="cannot be read"):
            read_embedding(file)


def check_mutation(file: Path, content: bytes) -> None:
    """Read or refused, in a sentence."""
    file.write_bytes(content)
    message = ""
    try:
        read_embedding(file)
    except AdditionError as problem:
        message = str(problem)
    assert len(message) < 700


def mutations(folder: Path, numbers: range) -> None:
    save_file({"clip_l": torch.ones(2, 8), "clip_g": torch.ones(2, 16)}, folder / "a.safetensors")
    torch.save(web_ui({"*": torch.ones(2, 8)}), folder / "a.pt")
    torch.save({"<a>": torch.ones(2, 8)}, folder / "b.pt", _use_new_zipfile_serialization=False)
    whole = {file.name: file.read_bytes() for file in folder.iterdir()}
    for number in numbers:
        check_mutation(folder / "x.safetensors", mutated_safetensors(whole["a.safetensors"], number))
        check_mutation(folder / "x.pt", mutated_bytes(whole["a.pt" if number % 2 else "b.pt"], Random(number)))


def test_200_mutations(tmp_path: Path) -> None:
    mutations(tmp_path, range(200))


@pytest.mark.slow
def test_thousands_of_mutations(tmp_path: Path) -> None:
    mutations(tmp_path, range(200, 5000))
