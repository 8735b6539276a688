"""For any mutation of an untrusted file, a reader returns a value or raises its own error with a short sentence."""

from __future__ import annotations

import io
import json
import os
import pickle
import random
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from sdxl_desktop.core.clip_tokenizer_files import read_clip_tokenizer
from sdxl_desktop.core.errors import CheckpointError, SdxlDesktopError
from sdxl_desktop.core.parts import GRAPH, WEIGHTS
from sdxl_desktop.core.paths import resources_folder
from sdxl_desktop.formats.families import Family, shipped_config_folder
from sdxl_desktop.formats.safetensors_header import Tensor
from sdxl_desktop.library.detect.identify import identify
from sdxl_desktop.library.detect.part_matching import match_part
from sdxl_desktop.library.detect.pickle_safety import check_pickle
from sdxl_desktop.library.inventory import list_installed_checkpoints
from sdxl_desktop.library.openvino_graphs import read_graph
from sdxl_desktop.library.scan import Library, read_checkpoint
from tests.mutations import Random, mutated_bytes, mutated_json
from tests.unit.library.test_scan import make_checkpoint

STARTER = resources_folder() / "checkpoints" / "starter"
Attempt = Callable[[Random], None]
INSTEAD: tuple[Callable[[Path], None], ...] = (os.mkfifo, lambda file: file.symlink_to("/dev/zero"), Path.mkdir)
"""What else may stand where a file is expected."""


def outcome(attempt: Attempt, seed: int) -> bool:
    """Whether it was read; anything but a value or our own short error fails the test."""
    try:
        attempt(random.Random(seed))
    except SdxlDesktopError as problem:
        message = str(problem)
    else:
        return True
    assert 20 < len(message) < 1000, f"seed {seed}: {len(message)} characters"
    return False


def tried(attempt: Attempt, seeds: range) -> None:
    read = sum(outcome(attempt, seed) for seed in seeds)
    assert read < len(seeds), "no mutation was refused, so nothing was tried"


@pytest.fixture
def describing(tmp_path: Path) -> Attempt:
    """Of an OpenVINO folder, one description is changed; it is read and listed."""
    card = {"title": "A", "description": "B", "steps": 9, "guidance_scale": 3.5, "scheduler": "euler"}
    scheduler = {"_class_name": "DPMSolverMultistepScheduler", "algorithm_type": "dpmsolver++", "solver_order": 2}
    folder = make_checkpoint(tmp_path / "own" / "one", unet={"in_channels": 4, "out_channels": 4}, card=card)
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(scheduler))
    (folder / "import.json").write_text(json.dumps({"source": "s", "weights": "int8", "family": "base", "files": {}}))
    make_checkpoint(tmp_path / "shipped" / "starter")
    library = Library(shipped_folder=tmp_path / "shipped", user_folder=tmp_path / "own")
    files = sorted(folder.rglob("*.json"))
    whole = {file: file.read_bytes() for file in files}

    def attempt(rng: Random) -> None:
        file = rng.choice(files)
        try:
            file.write_bytes(mutated_json(json.loads(whole[file]), rng))
            if rng.random() < 0.1:
                file.unlink()
                rng.choice(INSTEAD)(file)
            assert library.default_checkpoint().name == "starter"
            assert {held.name for held in list_installed_checkpoints(library)} >= {"starter"}
            assert {checkpoint.name for checkpoint in library.checkpoints()} | set(library.damaged_checkpoints()) >= {
                "starter"
            }
            read_checkpoint(folder)
        finally:
            shutil.rmtree(file) if file.is_dir() else file.unlink(missing_ok=True)
            file.write_bytes(whole[file])

    return attempt


@pytest.fixture
def matching() -> Attempt:
    """Of SDXL's configs one value is changed; it is held against a few tensors."""
    setup = shipped_config_folder(Family.BASE)
    parts = ("unet", "vae", "text_encoder", "text_encoder_2")
    configs = {part: setup.config(part) for part in parts}
    tensors = {"conv_in.weight": Tensor(Path("a"), "F16", (4, 4), 0, 32)}

    def attempt(rng: Random) -> None:
        part = rng.choice(parts)
        try:
            config = json.loads(mutated_json(configs[part], rng))
        except ValueError:
            return
        if isinstance(config, dict):
            message = match_part(part, config, tensors)
            raise CheckpointError(f"It does not fit: {getattr(message, 'reason', message)}")

    return attempt


@pytest.fixture
def looking(tmp_path: Path) -> Attempt:
    """Of a diffusers folder of descriptions and a few tensors, one file is changed."""
    folder = tmp_path / "diffusers"
    shutil.copytree(shipped_config_folder(Family.BASE).folder, folder)
    head = json.dumps({"a": {"dtype": "F16", "shape": [2], "data_offsets": [0, 4]}}).encode()
    for part, stem in (("unet", "diffusion_pytorch_model"), ("vae", "diffusion_pytorch_model")):
        (folder / part / f"{stem}.safetensors").write_bytes(len(head).to_bytes(8, "little") + head + bytes(4))
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    whole = {file: file.read_bytes() for file in files}

    def attempt(rng: Random) -> None:
        file = rng.choice(files)
        plain = file.suffix == ".json"
        file.write_bytes(mutated_json(json.loads(whole[file]), rng) if plain else mutated_bytes(whole[file], rng))
        try:
            identify(folder)
        finally:
            file.write_bytes(whole[file])

    return attempt


@pytest.fixture
def unpickling(tmp_path: Path) -> Attempt:
    """Of a small .ckpt the pickle, or the whole file, is changed."""
    saved = io.BytesIO()
    torch.save({"state_dict": {"a": torch.arange(6).reshape(2, 3), "b": torch.zeros(4).half()}}, saved)
    with zipfile.ZipFile(saved) as archive:
        members = {member: archive.read(member) for member in archive.namelist()}
    listing = next(name for name in members if name.endswith(".pkl"))
    file = tmp_path / "a.ckpt"

    def attempt(rng: Random) -> None:
        if rng.random() < 0.2:
            file.write_bytes(mutated_bytes(saved.getvalue(), rng))
        else:
            with zipfile.ZipFile(file, "w") as archive:
                for name, content in members.items():
                    archive.writestr(name, mutated_bytes(content, rng) if name == listing else content)
        check_pickle(file)

    return attempt


@pytest.fixture
def tokenizing(tmp_path: Path) -> Attempt:
    """Of a tokenizer of CLIP's kind, one file is changed."""
    folder = tmp_path / "ck" / "tokenizer"
    folder.mkdir(parents=True)
    words = {word: number for number, word in enumerate(("a", "b", "ab</w>", "<|startoftext|>", "<|endoftext|>"))}
    config = json.loads((STARTER / "tokenizer" / "tokenizer_config.json").read_text())
    config["added_tokens_decoder"] = {"4": {"content": "<|endoftext|>", "special": True, "normalized": False}}
    whole = {
        "vocab.json": json.dumps(words).encode(),
        "merges.txt": b"#version: 0.2\na b</w>\n",
        "tokenizer_config.json": json.dumps(config).encode(),
        "tokenizer.json": json.dumps({"model": {"type": "BPE", "vocab": words, "merges": ["a b</w>"]}}).encode(),
    }

    def attempt(rng: Random) -> None:
        changed, whole_one = rng.choice(list(whole)), rng.random() < 0.5
        for name, content in whole.items():
            if name == "tokenizer.json" and not (whole_one or changed == name):
                (folder / name).unlink(missing_ok=True)
            elif name != changed:
                (folder / name).write_bytes(content)
            elif name == "merges.txt":
                (folder / name).write_bytes(mutated_bytes(content, rng))
            else:
                (folder / name).write_bytes(mutated_json(json.loads(content), rng))
        read_clip_tokenizer(folder)

    return attempt


@pytest.fixture
def graphs(tmp_path: Path) -> Attempt:
    """Of a VAE's graph and weights one is changed."""
    part = tmp_path / "ck" / "vae_encoder"
    part.mkdir(parents=True)
    names = (GRAPH, WEIGHTS)
    whole = {name: (STARTER / "vae_encoder" / name).read_bytes() for name in names}

    def attempt(rng: Random) -> None:
        changed = rng.choice(names)
        for name, content in whole.items():
            (part / name).unlink(missing_ok=True)  # never change what is mapped
            cut = content[: rng.randrange(len(content))] if name.endswith("bin") else mutated_bytes(content, rng)
            (part / name).write_bytes(cut if name == changed else content)
        read_graph(part)

    return attempt


READERS = ("describing", "matching", "looking", "unpickling", "tokenizing", "graphs")


@pytest.fixture
def attempt(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("attempt", READERS, indirect=True)
def test_a_mutated_file_is_read_or_refused(attempt: Attempt) -> None:
    tried(attempt, range(200))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("attempt", READERS, indirect=True)
def test_thousands_of_mutated_files_are_read_or_refused(attempt: Attempt) -> None:
    tried(attempt, range(1000, 4000))


class TestPickles:
    """What a .ckpt may hold is bounded by the bytes it has."""

    def saved(self, folder: Path, content: Any) -> Path:
        torch.save(content, folder / "a.ckpt")
        return folder / "a.ckpt"

    def test_whole_tensors_are_fine_tied_and_sliced_ones_too(self, tmp_path: Path) -> None:
        weight = torch.ones(20, 20)
        check_pickle(
            self.saved(tmp_path, {"state_dict": {"a": weight, "tied": weight, "t": weight.t(), "s": weight[3]}})
        )

    @pytest.mark.parametrize(
        "tensors",
        [
            {"a": torch.zeros(1).expand(1 << 27)},
            {"a": torch.zeros(3, 1).expand(3, 1 << 20)},
            {f"t{n}": torch.zeros(2000).view(2, 1000) for n in range(1)} | {"x": torch.zeros(1).expand(2, 2)},
            {f"t{n}": view for view in [torch.zeros(100_000)] for n in range(50)},
            {"a": torch.zeros(100_000).as_strided((99_000, 900), (1, 1))},
        ],
        ids=["expanded", "a side of it", "a small one", "one storage many times", "overlapping rows"],
    )
    def test_tensors_of_more_bytes_than_the_file_has_are_refused(self, tmp_path: Path, tensors: Any) -> None:
        with pytest.raises(SdxlDesktopError, match="more bytes"):
            check_pickle(self.saved(tmp_path, {"state_dict": tensors}))

    @pytest.mark.filterwarnings("ignore")
    @pytest.mark.parametrize(
        "content",
        [
            lambda: torch.sparse_coo_tensor(torch.zeros(1, 1, dtype=torch.long), torch.ones(1), (1 << 40,)),
            lambda: torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8),
            lambda: Path("x"),
            lambda: print,
        ],
        ids=["sparse", "quantized", "path", "function"],
    )
    def test_what_is_no_plain_tensor_is_refused(self, tmp_path: Path, content: Callable[[], Any]) -> None:
        with pytest.raises(SdxlDesktopError, match="run code"):
            check_pickle(self.saved(tmp_path, {"a": content()}))

    def test_a_memory_of_four_thousand_million_places_is_not_made(self, tmp_path: Path) -> None:
        pickled = b"\x80\x02]" + b"r\xff\xff\xff\xff" + b"."
        with zipfile.ZipFile(tmp_path / "a.ckpt", "w") as archive:
            archive.writestr("a/data.pkl", pickled)
        with pytest.raises(SdxlDesktopError, match="damaged"):
            check_pickle(tmp_path / "a.ckpt")

    def test_nested_containers_and_plain_pickles_end_in_a_sentence(self, tmp_path: Path) -> None:
        for number, pickled in enumerate(
            (b"\x80\x02" + b"(" * 100_000 + b".", b"\x80\x02" + b"]" * 9 + b"a" * 99 + b".")
        ):
            file = tmp_path / f"{number}.ckpt"
            with zipfile.ZipFile(file, "w") as archive:
                archive.writestr("a/data.pkl", pickled)
            with pytest.raises(SdxlDesktopError):
                check_pickle(file)
        plain = tmp_path / "plain.ckpt"
        plain.write_bytes(pickle.dumps({"a": 1}))
        with pytest.raises(SdxlDesktopError, match="archive"):
            check_pickle(plain)


HUGE = 2 * 10**9


@pytest.mark.parametrize(
    ("part", "changed"),
    [
        ("text_encoder", {"num_hidden_layers": HUGE}),
        ("text_encoder_2", {"num_hidden_layers": HUGE}),
        ("text_encoder_2", {"vocab_size": 10**15}),
        ("unet", {"layers_per_block": HUGE}),
        ("unet", {"transformer_layers_per_block": HUGE}),
        ("unet", {"transformer_layers_per_block": [1, 2, HUGE]}),
        ("unet", {"reverse_transformer_layers_per_block": [[HUGE] * 3] * 3}),
        ("unet", {"block_out_channels": [320] * 1_000_000}),
        ("unet", {"block_out_channels": [320] * 16, "down_block_types": ["CrossAttnDownBlock2D"] * 16}),
        ("unet", {"attention_head_dim": [HUGE]}),
        ("vae", {"layers_per_block": HUGE}),
        ("vae", {"block_out_channels": [4] * 1_000_000}),
        ("vae", {"layers_per_block": 256, "block_out_channels": [4] * 16}),
    ],
    ids=lambda value: str(value)[:50],
)
def test_a_config_of_more_than_any_file_holds_is_not_counted_out(part: str, changed: dict[str, Any]) -> None:
    config = {**(shipped_config_folder(Family.BASE).config(part) or {}), **changed}
    message = match_part(part, config, {"conv_in.weight": Tensor(Path("a"), "F16", (4, 4), 0, 32)})
    assert 0 < len(getattr(message, "reason", "")) < 600
