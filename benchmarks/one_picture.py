"""Generates one picture in fresh processes, with ours or plain optimum-intel, and reports when the first step began and
how much memory the processes used. `benchmarks.memory` and `benchmarks.launch` run it; Linux only.

    python -m benchmarks.one_picture WHO SETTING        WHO is ours, ours-later or optimum; SETTING is JSON
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

LATER_SECONDS = 15.0
"""Seconds after the launch at which `ours-later` presses Generate."""
SAMPLE_SECONDS = 0.2
PROMPT = "a lighthouse on a cliff at dusk"


@dataclass(frozen=True, slots=True)
class PictureMeasurement:
    """Seconds from the launch, or from pressing Generate, to the beginning of the first step, and to the end; peak GB
    of anonymous memory, and of all including mapped files, summed over the processes."""

    first_step: float
    total_seconds: float
    anonymous_gb: float
    total_gb: float


def measure(who: str, setting: Mapping[str, Any]) -> PictureMeasurement:
    """Run `who` in a fresh process. `setting`: checkpoint, size, steps, prompt and home, a folder for its files."""
    started = time.time()
    command = [sys.executable, "-m", "benchmarks.one_picture", who, json.dumps(dict(setting))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    peaks = [0, 0]
    over = threading.Event()

    def watch() -> None:
        while not over.wait(SAMPLE_SECONDS):
            for at, found in enumerate(_memory(process.pid)):
                peaks[at] = max(peaks[at], found)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    told, errors = process.communicate()
    over.set()
    watcher.join()
    if process.returncode != 0 or not told.strip():
        raise SystemExit(f"{who} did not draw:\n{errors[-4000:]}")
    answer = json.loads(told.strip().splitlines()[-1])
    pressed = answer.get("pressed", started)
    return PictureMeasurement(answer["begun"] - pressed, answer["ended"] - pressed, peaks[0] / 2**30, peaks[1] / 2**30)


def _memory(pid: int) -> tuple[int, int]:
    """Return (anonymous, all) bytes of a process and its children; shared memory is counted once."""
    sums = [0, 0]
    try:
        top = psutil.Process(pid)
        for process in (top, *top.children(recursive=True)):
            rolled = Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii")
            fields = {line.split(":")[0]: line.split()[1] for line in rolled.splitlines()[1:]}
            sums[0] += int(fields["Pss_Anon"]) * 1024
            sums[1] += int(fields["Pss"]) * 1024
    except (psutil.Error, OSError, KeyError, IndexError):
        return 0, 0
    return sums[0], sums[1]


def run_ours(setting: Mapping[str, Any], wait: float) -> dict[str, float]:
    """Run as the window does: an engine process, warmed up at once, and Generate pressed `wait` seconds later."""
    from threading import Event as Flag

    from sdxl_desktop.core.events import EngineEvent, Phase, Progress, RunFinished
    from sdxl_desktop.core.geometry import Size
    from sdxl_desktop.core.paths import AppPaths
    from sdxl_desktop.core.request import Execution, GenerationRequest, Prompts, Sampling
    from sdxl_desktop.core.speed import SpeedPreset
    from sdxl_desktop.engine.process.process_engine import ProcessEngine

    launched, times = time.time(), {}
    engine = ProcessEngine(AppPaths.from_environment())
    checkpoint, execution = Path(setting["checkpoint"]), Execution(preview=True)
    if wait:
        warm = (checkpoint, execution, SpeedPreset.EXACT, lambda event: None, Flag())
        hand = threading.Thread(target=engine.warm_up, args=warm)
        hand.start()
        time.sleep(max(0.0, launched + wait - time.time()))
        times["pressed"] = time.time()
        hand.join()  # like the window, wait for a warm-up of the same request
    side = int(setting["size"])
    request = GenerationRequest(
        checkpoint=checkpoint,
        prompts=Prompts(prompt=setting["prompt"]),
        sampling=Sampling(size=Size(side, side), steps=int(setting["steps"]), guidance_scale=5.0, seed=0),
        execution=execution,
    )
    last: list[EngineEvent] = []

    def hear(event: EngineEvent) -> None:
        last[:] = [event]
        if isinstance(event, Progress) and event.phase is Phase.DENOISING:
            times.setdefault("begun", time.time())

    engine.generate(request, hear, Flag())
    times["ended"] = time.time()
    engine.close()
    assert isinstance(last[0], RunFinished), last[0]
    return times


def run_optimum(setting: Mapping[str, Any]) -> dict[str, float]:
    """Run as its users call it, with a cache of compiled parts."""
    from optimum.intel import OVStableDiffusionXLPipeline
    from optimum.intel.openvino.modeling_diffusion import OVModelUnet

    times: dict[str, float] = {}
    plain = OVModelUnet.forward

    def watched(self: Any, *given: Any, **named: Any) -> Any:
        times.setdefault("begun", time.time())
        return plain(self, *given, **named)

    OVModelUnet.forward = watched
    config = {"CACHE_DIR": str(Path(setting["home"]) / "optimum")}
    pipe = OVStableDiffusionXLPipeline.from_pretrained(
        setting["checkpoint"], export=False, ov_config=config, add_watermarker=False
    )
    side = int(setting["size"])
    pipe(setting["prompt"], height=side, width=side, num_inference_steps=int(setting["steps"]), guidance_scale=5.0)
    times["ended"] = time.time()
    return times


def main() -> None:
    who, setting = sys.argv[1], json.loads(sys.argv[2])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wait = LATER_SECONDS if who == "ours-later" else 0.0
        times = run_optimum(setting) if who == "optimum" else run_ours(setting, wait)
    print(json.dumps(times), flush=True)


if __name__ == "__main__":
    main()
