"""Blobs are listed and pruned while engines draw, and drawing continues with or without them, bit for bit."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from openvino import opset13

from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.request import Prompts
from sdxl_desktop.engine.compile_cache import BlobOrigin, CompileCache
from sdxl_desktop.engine.compile_key import CompileKey, content_id
from sdxl_desktop.engine.openvino import devices, part_compiler
from sdxl_desktop.engine.openvino.engine import OpenVinoEngine
from tests.engine.conftest import generate

PARTS = {"text_encoder", "text_encoder_2", "unet", "vae_decoder"}


@pytest.fixture
def own_home(tmp_path: Path) -> AppPaths:
    return AppPaths(tmp_path, tmp_path / "cache", tmp_path / "settings.json", tmp_path, tmp_path)


def loaded_from_cache(engine: OpenVinoEngine) -> bool:
    return bool(engine.loaded[0].pipe.unet.request.compiled.get_property("LOADED_FROM_CACHE"))


def test_what_an_engine_compiled_is_described_kept_while_in_use_and_made_again(
    own_home: AppPaths, request_for: Any, tiny_checkpoint: Path
) -> None:
    store = CompileCache(own_home.compiled)
    engine = OpenVinoEngine(own_home)
    picture = generate(engine, request_for()).picture.pixels
    entries = {entry.part: entry for entry in store.entries()}
    assert set(entries) == PARTS
    for part, entry in entries.items():
        assert (entry.checkpoints, entry.device, entry.precisions) == (("ov",), "CPU", ("f32",))
        assert entry.content_id == content_id(tiny_checkpoint / "ov" / part)
        assert entry.size_bytes > 10_000
        assert entry.compile_seconds is not None
        assert entry.in_use
    assert store.prune(0, part_compiler.runtime_version, checkpoint_folders=[]).removed == (), "an engine has them"
    engine.close()

    again = OpenVinoEngine(own_home)
    assert (generate(again, request_for()).picture.pixels == picture).all()
    assert loaded_from_cache(again)
    again.close()
    assert (
        store.prune(10**12, part_compiler.runtime_version, checkpoint_folders=[tiny_checkpoint / "ov"]).removed == ()
    ), "none is stale"
    assert {entry.part for entry in store.prune(0, part_compiler.runtime_version).removed} == PARTS
    assert list(own_home.compiled.iterdir()) == []

    anew = OpenVinoEngine(own_home)
    assert (generate(anew, request_for()).picture.pixels == picture).all()
    assert not loaded_from_cache(anew)
    assert {entry.part for entry in store.entries()} == {"unet", "vae_decoder"}, "the prompt is known"
    generate(anew, request_for(prompts=Prompts(prompt="new words")))
    assert {entry.part for entry in store.entries()} == PARTS
    anew.close()


@pytest.fixture
def thread_ends() -> Iterator[Any]:
    def wait() -> None:
        for thread in threading.enumerate():
            if thread.name == "compiled-prune":
                thread.join(30)

    yield wait
    wait()


def test_shapes_are_kept_apart_and_the_least_recently_used_goes_after_a_compilation(
    tmp_path: Path, tiny_checkpoint: Path, thread_ends: Any
) -> None:
    part = tiny_checkpoint / "ov" / "text_encoder"
    origin = BlobOrigin(tiny_checkpoint / "ov")
    store, quota = CompileCache(tmp_path), [10**12]
    compiler = part_compiler.Compiler(tmp_path, lambda: quota[0])

    def compile_for(batch: int, precision: Any = "f32") -> CompileKey:
        model = devices.core.read_model(part / "openvino_model.xml")
        model.reshape([batch, 77])
        key = CompileKey(content_id(part), "text_encoder", "CPU", f"{batch}x77", precision)
        compiled, seconds = compiler.compile(key, lambda: model, origin)
        assert seconds > 0
        assert compiled.inputs[0].partial_shape.to_shape()[0] == batch
        compiler.release(key)
        return key

    compile_for(1)
    compile_for(1, "auto")
    compile_for(2)
    assert {entry.shape: entry.precisions for entry in store.entries()} == {"1x77": ("f32", "auto"), "2x77": ("f32",)}
    compiler.prune()
    thread_ends()
    assert len(store.entries()) == 2, "there is room for both"
    quota[0] = int(store.entries()[0].size_bytes * 2.5)
    compile_for(3)
    compiler.prune()
    thread_ends()
    assert [entry.shape for entry in store.entries()] == ["3x77", "2x77"]
    quota[0] = 0
    compile_for(3)
    compiler.prune()
    thread_ends()
    assert len(store.entries()) == 2, "what was only loaded needs no room"


def unet_blob(store: CompileCache, checkpoint: Path) -> Path:
    plain = content_id(checkpoint / "unet")  # the cut one is there, too
    (folder,) = [entry.folder for entry in store.entries() if (entry.part, entry.content_id) == ("unet", plain)]
    (blob,) = folder.glob("*.blob")
    return blob


def test_a_damaged_blob_is_compiled_again_and_the_picture_is_the_same(
    precompiled_home: AppPaths, request_for: Any, tiny_checkpoint: Path
) -> None:
    store = CompileCache(precompiled_home.compiled)
    first = OpenVinoEngine(precompiled_home)
    picture = generate(first, request_for()).picture.pixels
    first.close()
    blob = unet_blob(store, tiny_checkpoint / "ov")
    state = blob.stat()
    with blob.open("r+b") as file:
        file.seek(state.st_size * 3 // 4)
        file.write(bytes(65536))
    os.utime(blob, ns=(state.st_atime_ns, state.st_mtime_ns))
    for loads in (False, True):
        engine = OpenVinoEngine(precompiled_home)
        assert (generate(engine, request_for()).picture.pixels == picture).all()
        assert loaded_from_cache(engine) is loads
        engine.close()


def test_a_part_that_was_compiled_wrongly_is_made_again_when_numbers_run_away(
    precompiled_home: AppPaths, request_for: Any, tiny_checkpoint: Path
) -> None:
    """Its checksum is that of what was compiled, so only what it computes shows that it is wrong."""
    store = CompileCache(precompiled_home.compiled)
    first = OpenVinoEngine(precompiled_home)
    picture = generate(first, request_for()).picture.pixels
    first.close()
    blob = unet_blob(store, tiny_checkpoint / "ov")
    key = CompileKey(content_id(tiny_checkpoint / "ov" / "unet"), "unet", "CPU", precision="f32", threads=1)
    _damage_blob(precompiled_home, store, key, tiny_checkpoint / "ov", blob)

    engine = OpenVinoEngine(precompiled_home)
    drawn = generate(engine, request_for()).picture
    assert (drawn.pixels == picture).all()
    assert any("created again" in note for note in drawn.notes)
    again = generate(engine, request_for()).picture
    assert (again.pixels == picture).all()
    assert again.notes == ()
    engine.close()


def _damage_blob(home: AppPaths, store: CompileCache, key: CompileKey, checkpoint: Path, blob: Path) -> None:
    """Put in the place of `blob` a UNet whose weights are a thousand million times too large, with its checksum."""
    wrong = devices.core.read_model(checkpoint / "unet" / "openvino_model.xml")
    part_compiler.patch_unet(wrong)
    last = wrong.outputs[0].get_node().input_value(0)
    wrong.outputs[0].get_node().input(0).replace_source_output(
        opset13.multiply(last, opset13.constant(np.float32(1e30))).output(0)
    )
    elsewhere = part_compiler.Compiler(home.cache / "elsewhere", lambda: 10**12)
    elsewhere.compile(key, lambda: wrong)
    elsewhere.release(key)
    (made,) = (home.cache / "elsewhere").glob("*/*.blob")
    slot = store.acquire(key, part_compiler.runtime_version("CPU"))
    assert slot is not None
    blob.unlink()
    shutil.copy(made, blob)
    store.commit(slot, key, BlobOrigin(checkpoint), part_compiler.runtime_version("CPU"), None)
    store.release(slot)
