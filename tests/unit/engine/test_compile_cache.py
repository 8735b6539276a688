"""Compiled models are described, pruned when stale or beyond the quota, and never taken from a running engine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sdxl_desktop.engine import atomic_folder, in_use_markers
from sdxl_desktop.engine.compile_cache import (
    GB,
    BlobOrigin,
    CacheSlot,
    CompileCache,
    RuntimeVersion,
    quota_from_settings,
)
from sdxl_desktop.engine.compile_cache_entries import FUSED_KIND, CompileCacheEntry, StaleReason
from sdxl_desktop.engine.compile_key import CompileKey, content_id

NOW = RuntimeVersion("2026.4.1", "A processor")
BIG = 10 * GB


def runtime_version(device: str) -> RuntimeVersion:
    return NOW


@pytest.fixture
def store(tmp_path: Path) -> CompileCache:
    return CompileCache(tmp_path / "cache" / "compiled")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return make_part(tmp_path / "mine", "unet").parent


def make_part(checkpoint: Path, part: str, weights: bytes = b"weights") -> Path:
    folder = checkpoint / part
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "openvino_model.xml").write_text("<net/>")
    (folder / "openvino_model.bin").write_bytes(weights)
    return folder


def key_of(folder: Path, **changed: str) -> CompileKey:
    return CompileKey(**{"content_id": content_id(folder / "unet"), "component": "unet", "device": "CPU", **changed})  # type: ignore[arg-type]


def compile_into(
    store: CompileCache,
    key: CompileKey,
    checkpoint: Path,
    *,
    size: int = 1000,
    age: float = 0.0,
    runtime: RuntimeVersion = NOW,
    derived: bool = False,
    seconds: float | None = 2.0,
    hold: bool = False,
) -> CacheSlot:
    """What an engine does, with `size` bytes as the blob; used `age` seconds ago."""
    slot = store.acquire(key, runtime)
    assert slot is not None
    if seconds is not None:
        (slot.folder / "1.blob").write_bytes(b"b" * size)
    store.commit(slot, key, BlobOrigin(checkpoint, derived), runtime, seconds)
    if not hold:
        store.release(slot)
        used = time.time() - age
        os.utime(slot.folder / "card.json", (used, used))
    return slot


def remaining_entries(store: CompileCache) -> set[Path]:
    return {entry.folder for entry in store.entries()}


def single_entry(store: CompileCache) -> CompileCacheEntry:
    (entry,) = store.entries()
    return entry


class TestDescribing:
    def test_what_the_folder_cannot_tell(self, store: CompileCache, checkpoint: Path) -> None:
        compile_into(store, key_of(checkpoint, shape="1x4x8x8", precision="f32"), checkpoint, size=5000, seconds=21.5)
        entry = single_entry(store)
        assert entry.checkpoints == ("mine",)
        assert (entry.part, entry.device, entry.shape, entry.precisions) == ("unet", "CPU", "1x4x8x8", ("f32",))
        assert entry.compile_seconds == 21.5
        assert 5000 < entry.size_bytes < 6000, "with its card"
        assert abs(entry.last_used - time.time()) < 60
        assert entry.content_id == content_id(checkpoint / "unet")
        assert not entry.in_use
        assert entry.stale_reason is None

    def test_loading_is_a_use_and_keeps_what_compiling_took(self, store: CompileCache, checkpoint: Path) -> None:
        compile_into(store, key_of(checkpoint), checkpoint, seconds=20.0, age=5000)
        assert time.time() - single_entry(store).last_used > 4000
        compile_into(store, key_of(checkpoint), checkpoint, seconds=None)
        assert time.time() - single_entry(store).last_used < 60
        assert single_entry(store).compile_seconds == 20.0

    def test_checkpoints_share_a_part_and_precisions_a_folder(self, store: CompileCache, checkpoint: Path) -> None:
        twin = checkpoint.with_name("twin")
        shutil.copytree(checkpoint, twin)
        compile_into(store, key_of(checkpoint, precision="f32"), checkpoint)
        compile_into(store, key_of(twin, precision="bf16"), twin)
        assert single_entry(store).checkpoints == ("mine", "twin")
        assert single_entry(store).precisions == ("f32", "bf16")

    def test_devices_and_shapes_lie_apart(self, store: CompileCache, checkpoint: Path) -> None:
        for changed in ({}, {"device": "GPU.0"}, {"shape": "1x4x8x8"}, {"component": "unet_shallow"}):
            compile_into(store, key_of(checkpoint, **changed), checkpoint)
        assert len(store.entries()) == 4

    def test_an_empty_cache_is_an_empty_list(self, store: CompileCache) -> None:
        assert store.entries() == ()
        assert store.prune(0, runtime_version).removed == ()
        assert store.clear().removed == ()
        assert not store.folder.exists(), "looking makes nothing"


class TestStale:
    def pruned(self, store: CompileCache, library: list[Path] | None = None) -> list[StaleReason | None]:
        return [entry.stale_reason for entry in store.prune(BIG, runtime_version, checkpoint_folders=library).removed]

    def test_what_is_well_stays(self, store: CompileCache, checkpoint: Path) -> None:
        compile_into(store, key_of(checkpoint), checkpoint)
        assert self.pruned(store, [checkpoint]) == []
        assert remaining_entries(store)

    @pytest.mark.parametrize(
        "old", [RuntimeVersion("2025.1", "A processor"), RuntimeVersion("2026.4.1", "A processor, driver 1")]
    )
    def test_another_openvino_or_driver(self, store: CompileCache, checkpoint: Path, old: RuntimeVersion) -> None:
        compile_into(store, key_of(checkpoint), checkpoint, runtime=old)
        assert self.pruned(store) == [StaleReason.OTHER_RUNTIME]
        assert not remaining_entries(store)

    def test_of_a_device_that_is_away_nothing_is_known(self, store: CompileCache, checkpoint: Path) -> None:
        compile_into(store, key_of(checkpoint, device="GPU"), checkpoint, runtime=RuntimeVersion("2025.1", "A card"))
        assert store.prune(BIG, lambda device: None).removed == ()

    def test_an_unknown_driver_says_nothing(self, store: CompileCache, checkpoint: Path) -> None:
        compile_into(store, key_of(checkpoint), checkpoint)
        assert store.prune(BIG, lambda device: RuntimeVersion(NOW.openvino, "")).removed == ()

    def test_what_another_runtime_left_is_not_compiled_with(self, store: CompileCache, checkpoint: Path) -> None:
        old = compile_into(store, key_of(checkpoint), checkpoint, runtime=RuntimeVersion("2025.1", "A processor"))
        slot = store.acquire(key_of(checkpoint), NOW)
        assert slot is not None
        assert slot.folder == old.folder
        assert not list(slot.folder.glob("*.blob"))

    def test_changed_weights(self, store: CompileCache, checkpoint: Path) -> None:
        compile_into(store, key_of(checkpoint), checkpoint)
        compile_into(store, key_of(checkpoint, component="unet_shallow"), checkpoint)
        make_part(checkpoint, "unet", b"other weights")
        compile_into(store, key_of(checkpoint), checkpoint)
        assert self.pruned(store) == [StaleReason.NO_WEIGHTS, StaleReason.NO_WEIGHTS]
        assert single_entry(store).content_id == content_id(checkpoint / "unet")

    def test_a_missing_checkpoint_may_be_on_another_drive(self, store: CompileCache, checkpoint: Path) -> None:
        compile_into(store, key_of(checkpoint), checkpoint)
        renamed = checkpoint.rename(checkpoint.with_name("renamed"))
        assert self.pruned(store) == []
        assert self.pruned(store, [renamed]) == [], "the library has its weights under another name"
        shutil.rmtree(renamed)
        assert self.pruned(store) == []
        assert self.pruned(store, []) == [StaleReason.NO_WEIGHTS]

    def test_weights_that_additions_made_lie_in_no_checkpoint(self, store: CompileCache, checkpoint: Path) -> None:
        compile_into(store, key_of(checkpoint, content_id="f" * 32), checkpoint, derived=True)
        assert self.pruned(store, [checkpoint]) == []
        shutil.rmtree(checkpoint)
        assert self.pruned(store, []) == [StaleReason.NO_WEIGHTS]

    def test_what_earlier_releases_left(self, store: CompileCache) -> None:
        folder = store.folder / "unet-0123456789"
        folder.mkdir(parents=True)
        (folder / "1.blob").write_bytes(b"b" * 10)
        assert self.pruned(store) == [StaleReason.UNKNOWN]

    def test_a_killed_compilation(self, store: CompileCache, checkpoint: Path) -> None:
        folder = compile_by_another_process(store, key_of(checkpoint), then="os._exit(1)")
        assert (folder / "half.blob").exists()
        assert self.pruned(store) == [StaleReason.INCOMPLETE]
        folder = compile_by_another_process(store, key_of(checkpoint), then="os._exit(1)")
        slot = store.acquire(key_of(checkpoint), NOW)
        assert slot is not None, "nobody is at work there any more"
        assert not (folder / "half.blob").exists()


def compile_by_another_process(store: CompileCache, key: CompileKey, then: str) -> Path:
    """Begin in another process, do `then`, and wait for its end."""
    code = f"""
import os, pathlib
from sdxl_desktop.engine.compile_key import CompileKey
from sdxl_desktop.engine.compile_cache import CompileCache, RuntimeVersion
slot = CompileCache(pathlib.Path({str(store.folder)!r})).acquire({key!r}, {NOW!r})
(slot.folder / "half.blob").write_bytes(b"half")
print(slot.folder, flush=True)
{then}
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    return Path(done.stdout.strip())


class TestQuota:
    def test_the_least_recently_used_go_first(self, store: CompileCache, checkpoint: Path) -> None:
        slots = [
            compile_into(store, key_of(checkpoint, shape=str(n)), checkpoint, size=100_000, age=age)
            for n, age in enumerate((300, 100, 200))
        ]
        pruned = store.prune(250_000, runtime_version)
        assert [entry.folder for entry in pruned.removed] == [slots[0].folder]
        assert pruned.freed_bytes > 100_000
        assert remaining_entries(store) == {slots[1].folder, slots[2].folder}
        store.prune(150_000, runtime_version)
        assert remaining_entries(store) == {slots[1].folder}
        store.prune(0, runtime_version)
        assert not remaining_entries(store)

    def test_what_is_in_use_stays_until_it_is_released(self, store: CompileCache, checkpoint: Path) -> None:
        slot = compile_into(store, key_of(checkpoint), checkpoint, hold=True)
        assert single_entry(store).in_use
        assert store.prune(0, lambda device: RuntimeVersion("another", "")).removed == ()
        assert store.clear().remaining[0].folder == slot.folder
        store.release(slot)
        assert len(store.clear().removed) == 1
        assert not slot.folder.exists()

    def test_two_engines_hold_the_same(self, store: CompileCache, checkpoint: Path) -> None:
        one = compile_into(store, key_of(checkpoint), checkpoint, hold=True)
        other = compile_into(store, key_of(checkpoint), checkpoint, seconds=None, hold=True)
        store.release(one)
        assert not store.clear().removed
        store.release(other)
        assert store.clear().removed

    def test_it_was_used_until_it_was_released(self, store: CompileCache, checkpoint: Path) -> None:
        slot = compile_into(store, key_of(checkpoint), checkpoint, hold=True)
        os.utime(slot.folder / "card.json", (1e9, 1e9))
        store.release(slot)
        assert time.time() - single_entry(store).last_used < 60

    def test_an_engine_that_comes_between_looking_and_removing_keeps_it(
        self, store: CompileCache, checkpoint: Path
    ) -> None:
        compile_into(store, key_of(checkpoint), checkpoint)
        seen = single_entry(store)
        assert not seen.in_use
        slot = compile_into(store, key_of(checkpoint), checkpoint, seconds=None, hold=True)
        assert not store.remove([seen]).removed
        assert (slot.folder / "1.blob").exists()
        assert slot.marker.exists()
        assert single_entry(store).stale_reason is None

    def test_another_process_holds_it(self, store: CompileCache, checkpoint: Path) -> None:
        code = (
            "import pathlib, sys; from sdxl_desktop.engine import in_use_markers\n"
            "in_use_markers.create_marker(pathlib.Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
        )
        slot = compile_into(store, key_of(checkpoint), checkpoint)
        command = [sys.executable, "-c", code, str(slot.folder)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
            assert other.stdout is not None
            other.stdout.readline()
            assert single_entry(store).in_use
            assert store.prune(0, runtime_version).removed == ()
            other.kill()
            other.wait()
        assert not single_entry(store).in_use, "a mark ends with its process"
        assert store.prune(0, runtime_version).removed

    def test_a_process_number_that_came_again_holds_nothing(self, store: CompileCache, checkpoint: Path) -> None:
        slot = compile_into(store, key_of(checkpoint), checkpoint)
        (slot.folder / f".in-use-{os.getpid()}-1000-abcd").touch()
        (slot.folder / ".in-use-nonsense").touch()
        assert not single_entry(store).in_use
        in_use_markers.create_marker(slot.folder)
        assert len(list(slot.folder.glob(".in-use-*"))) == 1, "dead marks are swept"

    def test_two_do_not_compile_into_one_folder(self, store: CompileCache, checkpoint: Path) -> None:
        first = store.acquire(key_of(checkpoint), NOW)
        assert first is not None
        assert store.acquire(key_of(checkpoint), NOW) is None
        store.release(first)  # it failed
        assert store.acquire(key_of(checkpoint), NOW) is not None

    def test_a_cache_that_cannot_be_written_is_done_without(self, tmp_path: Path, checkpoint: Path) -> None:
        (tmp_path / "file").touch()
        assert CompileCache(tmp_path / "file" / "compiled").acquire(key_of(checkpoint), NOW) is None

    def test_the_quota_is_the_users(self, tmp_path: Path) -> None:
        settings = tmp_path / "settings.json"
        assert quota_from_settings(settings) == 20 * GB
        settings.write_text('{"preferences": {"compiled_quota_gb": 5, "theme": "dark"}}')
        assert quota_from_settings(settings) == 5 * GB
        for nonsense in ('{"preferences": {"compiled_quota_gb": -5}}', "{broken", '{"preferences": 3}'):
            settings.write_text(nonsense)
            assert quota_from_settings(settings) == 20 * GB


def flip_bit(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def zero_a_page(file: Path) -> None:
    with file.open("r+b") as stream:
        stream.seek(4096)
        stream.write(bytes(4096))


def truncate(file: Path) -> None:
    os.truncate(file, file.stat().st_size - 1)


def append_byte(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"b")


class TestDamage:
    @pytest.fixture
    def blob(self, store: CompileCache, checkpoint: Path) -> Path:
        return compile_into(store, key_of(checkpoint), checkpoint, size=20_000).folder / "1.blob"

    def loads(self, store: CompileCache, checkpoint: Path, blob: Path) -> bool:
        """Whether the next engine, in a process of its own, finds the blob where it would load it."""
        anew = CompileCache(store.folder)
        slot = anew.acquire(key_of(checkpoint), NOW)
        assert slot is not None
        there = blob.exists()
        anew.commit(slot, key_of(checkpoint), BlobOrigin(checkpoint), NOW, None if there else 2.0)
        anew.release(slot)
        return there

    def test_what_is_as_it_was_compiled_is_loaded(self, store: CompileCache, checkpoint: Path, blob: Path) -> None:
        assert self.loads(store, checkpoint, blob)
        assert self.loads(store, checkpoint, blob)

    @pytest.mark.parametrize("restored", [False, True], ids=["", "time restored"])
    @pytest.mark.parametrize("damage", [flip_bit, zero_a_page, truncate, append_byte])
    def test_a_damaged_blob_is_never_loaded(
        self, damage: Callable[[Path], None], restored: bool, store: CompileCache, checkpoint: Path, blob: Path
    ) -> None:
        state = blob.stat()
        damage(blob)
        if restored:
            os.utime(blob, ns=(state.st_atime_ns, state.st_mtime_ns))
        assert not self.loads(store, checkpoint, blob)

    def test_it_is_noticed_in_the_process_that_loaded_it_before(
        self, store: CompileCache, checkpoint: Path, blob: Path
    ) -> None:
        flip_bit(blob)
        slot = store.acquire(key_of(checkpoint), NOW)
        assert slot is not None
        assert not blob.exists()

    def test_blobs_that_changed_places(self, store: CompileCache, checkpoint: Path, blob: Path) -> None:
        other = compile_into(store, key_of(checkpoint, shape="1x4x8x8"), checkpoint).folder / "1.blob"
        shutil.copy(other, blob)
        assert not self.loads(store, checkpoint, blob)

    def test_folders_that_changed_places(self, store: CompileCache, checkpoint: Path, blob: Path) -> None:
        other = compile_into(store, key_of(checkpoint, shape="1x4x8x8"), checkpoint).folder
        shutil.rmtree(blob.parent)
        other.rename(blob.parent)
        assert not self.loads(store, checkpoint, blob)

    def test_a_blob_that_nobody_described(self, store: CompileCache, checkpoint: Path, blob: Path) -> None:
        stranger = Path(shutil.copy(blob, blob.with_name("2.blob")))
        assert self.loads(store, checkpoint, blob)
        assert not stranger.exists()

    def test_a_damaged_card_proves_nothing(self, store: CompileCache, checkpoint: Path, blob: Path) -> None:
        card = blob.with_name("card.json")
        card.write_bytes(card.read_bytes().replace(b'"CPU"', b'"CPV"'))
        assert not self.loads(store, checkpoint, blob)

    def test_a_mapped_blob_is_removed_and_not_written_to(
        self, store: CompileCache, checkpoint: Path, blob: Path
    ) -> None:
        with blob.open("rb") as held:
            flip_bit(blob)
            damaged = blob.read_bytes()
            assert not self.loads(store, checkpoint, blob)
            assert held.read() == damaged


class TestFused:
    def fuse(self, store: CompileCache, content: str, age: float, size: int = 1000) -> Path:
        folder = store.fused_folder / f"unet-{content}"
        with atomic_folder.write_folder_atomically(folder) as writing:
            (writing / "openvino_model.bin").write_bytes(b"w" * size)
        used = time.time() - age
        os.utime(folder / "whole.json", (used, used))
        return folder

    def test_they_count_and_go_under_the_same_quota(self, store: CompileCache, checkpoint: Path) -> None:
        old, new = self.fuse(store, "a" * 32, age=9000, size=5000), self.fuse(store, "b" * 32, age=10, size=5000)
        blob = compile_into(store, key_of(checkpoint), checkpoint, age=5000).folder
        assert [entry.kind for entry in store.entries()] == [FUSED_KIND, "compiled", FUSED_KIND]
        assert [entry.folder for entry in store.prune(8000, runtime_version).removed] == [old]
        assert [entry.folder for entry in store.prune(0, runtime_version).removed] == [blob], (
            "it may be about to be compiled"
        )
        assert new.exists()
        assert store.clear().removed
        assert not new.exists()

    def test_one_whose_blobs_are_in_use_is_in_use(self, store: CompileCache, checkpoint: Path) -> None:
        folder = self.fuse(store, "a" * 32, age=9000)
        key = key_of(checkpoint, content_id=f"{'a' * 32}-shallow2", component="unet_shallow")
        slot = compile_into(store, key, checkpoint, derived=True, hold=True)
        assert not store.prune(0, runtime_version).removed
        assert not store.clear().removed
        store.release(slot)
        assert len(store.clear().removed) == 2
        assert not folder.exists()


class TestVanishing:
    def test_files_that_vanish_while_it_looks(self, store: CompileCache, checkpoint: Path) -> None:
        """Other processes compile, remove and release meanwhile; a listing shows some state, and no error."""
        over = threading.Event()
        problems: list[BaseException] = []

        def work(doing: Callable[[], object]) -> None:
            try:
                while not over.is_set():
                    doing()
            except BaseException as problem:
                problems.append(problem)

        def compiling() -> None:
            key = key_of(checkpoint, shape=str(time.monotonic_ns() % 3))
            slot = store.acquire(key, NOW)
            if slot is not None:
                try:
                    (slot.folder / "1.blob").write_bytes(b"b")
                except FileNotFoundError as problem:
                    raise AssertionError("taken away from under a running engine") from problem
                store.commit(slot, key, BlobOrigin(checkpoint), NOW, 1.0)
                store.release(slot)

        doings = (compiling, store.entries, lambda: store.prune(0, runtime_version, checkpoint_folders=[]), store.clear)
        threads = [threading.Thread(target=work, args=(doing,)) for doing in doings]
        for thread in threads:
            thread.start()
        time.sleep(1.0)
        over.set()
        for thread in threads:
            thread.join()
        assert problems == []

    def test_a_claim_that_is_being_made_is_nobodys_leftover(self, store: CompileCache, checkpoint: Path) -> None:
        slot = compile_into(store, key_of(checkpoint), checkpoint)
        claim = slot.folder / ".unfinished"
        claim.touch()
        assert store.clear().removed == ()
        assert claim.exists(), "its name is about to be written"
        os.utime(claim, (1, 1))
        assert len(store.clear().removed) == 1, "whoever made it was killed"

    def test_what_a_killed_removal_left_is_finished(self, store: CompileCache, checkpoint: Path) -> None:
        slot = compile_into(store, key_of(checkpoint), checkpoint)
        aside = slot.folder.rename(store.folder / ".removing-0123456789ab")
        assert store.entries() == ()
        store.prune(BIG, runtime_version)
        assert not aside.exists()

    def test_a_card_that_makes_no_sense(self, store: CompileCache, checkpoint: Path) -> None:
        slot = compile_into(store, key_of(checkpoint), checkpoint)
        for nonsense in (b"", b"{", b"[]", b"\xff\xfe", b'{"component": 3}'):
            (slot.folder / "card.json").write_bytes(nonsense)
            assert store.entries_with_stale_reasons(runtime_version, None)[0].stale_reason is StaleReason.UNKNOWN
