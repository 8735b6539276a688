"""Time and memory of converting a full-size SDXL: ours against `optimum-cli export openvino`.

    python -m benchmarks.convert make FOLDER [--unet-only]     random fp16 weights, 7 GB, as a diffusers folder
    python -m benchmarks.convert run FOLDER [--rounds 2] [--weights int8] [--json OUT]
    python -m benchmarks.convert run FOLDER --unet-only [--order ours]

`run` converts any diffusers folder with the command line, from start to end. Machines drift by a factor of two within
minutes: compare A B A B in one run, never two single numbers. Memory is anonymous memory (which the system cannot drop
and read again) summed over the process and its children, sampled five times a second. Linux only.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import results  # noqa: E402
from sdxl_desktop.core.parts import DIFFUSERS_PARTS  # noqa: E402
from sdxl_desktop.formats.detected_model import DetectedModel, ModelKind, ModelLayout  # noqa: E402
from sdxl_desktop.formats.families import Family, clip_vocabulary, shipped_config_folder  # noqa: E402
from sdxl_desktop.formats.layer_shapes import tensor_shapes  # noqa: E402
from sdxl_desktop.library.convert.build_folder import write_json  # noqa: E402
from sdxl_desktop.library.convert.config_writer import write_checkpoint_configs  # noqa: E402

GIB = 2**30
_CHUNK = 1 << 22
_FILES = {"unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model"}


def make(folder: Path, *, unet_only: bool) -> None:
    """Write a diffusers folder of SDXL base with random weights in half precision, as a stream."""
    setup, chance = shipped_config_folder(Family.BASE), np.random.default_rng(0)
    noise = (0.02 * chance.standard_normal(_CHUNK)).astype(np.float16)
    folder.mkdir(parents=True, exist_ok=True)
    for part in ("unet",) if unet_only else DIFFUSERS_PARTS:
        config = setup.config(part) or {}
        (folder / part).mkdir(exist_ok=True)
        write_json(folder / part / "config.json", config)
        with (folder / part / f"{_FILES.get(part, 'model')}.safetensors").open("wb") as stream:
            _write(stream, tensor_shapes(part, config), noise, chance)
    tokenizers = {name: clip_vocabulary() for name in ("tokenizer", "tokenizer_2")}
    found = DetectedModel(
        path=folder,
        kind=ModelKind.CHECKPOINT,
        layout=ModelLayout.DIFFUSERS,
        family=Family.BASE,
        model_index=setup.index,
        scheduler_config=setup.scheduler,
        tokenizers=tokenizers,
    )
    write_checkpoint_configs(found, folder, "random")


def _write(stream: BinaryIO, shapes: dict[str, tuple[int, ...]], noise: Any, chance: np.random.Generator) -> None:
    head, offset = {}, 0
    for name, shape in shapes.items():
        size = 2 * math.prod(shape)
        head[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [offset, offset + size]}
        offset += size
    written = json.dumps(head).encode()
    written += b" " * (-len(written) % 8)
    stream.write(struct.pack("<Q", len(written)) + written)
    for name, shape in shapes.items():
        count = math.prod(shape)
        if len(shape) == 1:
            stream.write(np.full(count, float(name.endswith("weight")), np.float16).tobytes())
            continue
        while count:
            some = min(count, _CHUNK)
            stream.write(np.roll(noise, int(chance.integers(_CHUNK)))[:some].tobytes())
            count -= some


def convert_with_ours(folder: Path, into: Path, weights: str, *, unet_only: bool) -> list[str]:
    """Return the command that converts with ours."""
    if unet_only:
        return [sys.executable, __file__, "one-part", str(folder), str(into), weights]
    return [sys.executable, "-m", "sdxl_desktop", "checkpoints", "import", str(folder), "--weights", weights]


def convert_with_optimum(folder: Path, into: Path, weights: str, *, unet_only: bool) -> list[str]:
    """Return the command that converts with optimum-intel."""
    if unet_only:
        raise SystemExit("optimum-cli converts whole checkpoints only: leave --unet-only out")
    program = Path(sys.executable).with_name("optimum-cli")
    about = ["--model", str(folder), "--task", "text-to-image", "--weight-format", weights]
    return [str(program), "export", "openvino", *about, str(into)]


CONVERTERS: dict[str, Callable[..., list[str]]] = {"ours": convert_with_ours, "theirs": convert_with_optimum}


def one_part(folder: Path, into: Path, weights: str) -> None:
    """Convert the UNet alone with ours, in this process."""

    from sdxl_desktop.formats.detected_model import DetectedPart
    from sdxl_desktop.formats.safetensors_header import read_tensors
    from sdxl_desktop.library.convert.build_folder import ConversionFolder
    from sdxl_desktop.library.convert.conversion import convert_parts
    from sdxl_desktop.library.convert.conversion_job import ConversionReporter
    from sdxl_desktop.library.convert.weight_format import WeightFormat
    from sdxl_desktop.library.detect.part_matching import match_part

    config = shipped_config_folder(Family.BASE).config("unet") or {}
    part = match_part("unet", config, read_tensors(folder / "unet" / "diffusion_pytorch_model.safetensors"))
    assert isinstance(part, DetectedPart), part
    found = DetectedModel(
        path=folder, kind=ModelKind.CHECKPOINT, layout=ModelLayout.DIFFUSERS, family=Family.BASE, parts=(part,)
    )
    started, last = time.monotonic(), ""

    def show(progress: Any) -> None:
        nonlocal last
        if progress.phase != last:
            last = progress.phase
            print(f"{time.monotonic() - started:6.1f} s  {last}", flush=True)

    workspace = ConversionFolder(into, "unet")
    with workspace.held():
        convert_parts(found, WeightFormat(weights), workspace, ConversionReporter(show, [("unet", part.bytes)]))
    os._exit(0)


def run_measured(command: list[str], home: Path) -> dict[str, float]:
    """Run `command`; return seconds, and peaks in GiB over its process tree of anonymous and of all resident memory."""
    environment = {**os.environ, "SDXL_DESKTOP_HOME": str(home), "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
    started, peaks = time.monotonic(), {"anonymous": 0.0, "resident": 0.0}
    process = subprocess.Popen(command, env=environment, cwd=ROOT)
    watched = psutil.Process(process.pid)
    while process.poll() is None:
        try:
            tree = [watched, *watched.children(recursive=True)]
        except psutil.Error:
            break
        sums = [sum(kinds) for kinds in zip(*(_memory(one.pid) for one in tree), strict=True)]
        peaks = {kind: max(peak, now / GIB) for (kind, peak), now in zip(peaks.items(), sums, strict=True)}
        time.sleep(0.2)
    process.wait()
    return {"seconds": time.monotonic() - started, **peaks, "code": process.returncode}


def _memory(pid: int) -> tuple[int, int]:
    """Return (anonymous, resident) bytes of one process; zeros if it has ended."""
    found = {"RssAnon:": 0, "VmRSS:": 0}
    try:
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
            words = line.split()
            if words and words[0] in found:
                found[words[0]] = int(words[1]) * 1024
    except OSError:
        pass
    return found["RssAnon:"], found["VmRSS:"]


def run(folder: Path, order: list[str], weights: str, *, unet_only: bool) -> list[dict[str, Any]]:
    """Convert `folder` in this `order`; return seconds, GiB and exit code of each. Exits if one fails."""
    rounds = []
    for name in order:
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix="converted-") as scratch:
            into = Path(scratch)
            found = run_measured(CONVERTERS[name](folder, into, weights, unet_only=unet_only), into)
            made = sum(file.stat().st_size for file in into.rglob("*.bin")) / GIB
        print(
            f"{name:<7} {weights}: {found['seconds']:6.1f} s, anonymous {found['anonymous']:.2f} GiB, "
            f"resident {found['resident']:.2f} GiB, wrote {made:.2f} GiB, exit code {found['code']}",
            flush=True,
        )
        if found["code"] != 0:
            raise SystemExit(f"{name} failed; nothing is written down.")
        rounds.append({"who": name, **found, "written": made})
    return rounds


def summary(rounds: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a row per converter: median and fastest seconds, highest peaks in GiB, and their ratios to
    optimum-cli's."""
    rows = []
    for who in dict.fromkeys(str(one["who"]) for one in rounds):
        own, base = (_rounds_of(rounds, name) for name in (who, "theirs"))
        row = {
            "who": _NAMES[who],
            "seconds": round(statistics.median(one["seconds"] for one in own), 1),
            "fastest": round(min(one["seconds"] for one in own), 1),
            "anonymous_gib": round(max(one["anonymous"] for one in own), 2),
            "resident_gib": round(max(one["resident"] for one in own), 2),
            "written_gib": round(own[-1]["written"], 2),
        }
        if base:
            pairs = zip(own, base, strict=False)
            row["ratio"] = round(statistics.median(one["seconds"] / other["seconds"] for one, other in pairs), 3)
            row["memory_ratio"] = round(row["anonymous_gib"] / max(one["anonymous"] for one in base), 3)
        rows.append(row)
    return rows


_NAMES = {"ours": "SDXL Desktop", "theirs": "optimum-cli"}


def _rounds_of(rounds: list[dict[str, Any]], who: str) -> list[dict[str, Any]]:
    return [one for one in rounds if one["who"] == who]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["make", "run", "one-part"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("into", nargs="?", type=Path)
    parser.add_argument("format", nargs="?", default="int8")
    parser.add_argument("--order", help="instead of --rounds, such as ours,theirs,theirs")
    parser.add_argument("--rounds", type=int, default=2, help="of ours and theirs, one after the other; 2")
    parser.add_argument("--weights", default="int8")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the result down for benchmarks.results_page")
    parser.add_argument("--unet-only", action="store_true")
    asked = parser.parse_args()
    match asked.what:
        case "make":
            free = shutil.disk_usage(asked.folder.parent).free
            if free < 8 * GIB:
                raise SystemExit(f"7 GB of disk are needed, and {free / GIB:.1f} are free")
            make(asked.folder, unet_only=asked.unet_only)
        case "one-part":
            one_part(asked.folder, asked.into, asked.format)
        case _:
            folder = asked.folder.absolute()
            order = asked.order.split(",") if asked.order else ["ours", "theirs"] * asked.rounds
            rounds = run(folder, order, asked.weights, unet_only=asked.unet_only)
            rows = summary(rounds)
            for row in rows:
                print(row, flush=True)
            if asked.json is not None:
                settings = {"format": asked.weights, "order": order, "unet_only": asked.unet_only}
                told = results.command("benchmarks.convert", None)
                results.write(asked.json, "convert", command=told, rows=rows, settings=settings, rounds=rounds)


if __name__ == "__main__":
    main()
