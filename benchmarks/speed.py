"""Speed of our presets against plain optimum-intel, OpenVINO GenAI and diffusers in torch, for the same pictures.

    python -m benchmarks.speed --json OUT.json [--checkpoint FOLDER] [--size 64] [--steps 30] [--rounds 5]
                               [--only exact,optimum] [--genai PYTHON] [--torch FOLDER] [--[no-]apart] [--precision f32]

A round generates one picture with every pipeline, each round beginning with the next one (A B C D B C D A), since the
order affects caches and clocks. Each round has its own prompt and seed, and our pipelines discard each other's encoded
prompts, so that every pipeline encodes every prompt. Each pipeline runs in its own process, which has loaded, compiled
and run two steps before; a turn's time is from prompt to pixels, including decoding. If they do not fit into memory
together (`--apart`, `--no-apart`), a process is started for each turn and ended after it.

    exact, balanced, fast    ours
    watched                  ours, exact, with previews and every event serialized for another process; and their cost
    optimum                  plain optimum-intel: the reference of the ratios
    genai                    OpenVINO GenAI; `--genai` is a Python that it is installed for
    torch                    diffusers; `--torch` is a diffusers folder of the same weights

A CPU with bf16 uses it by default; then no two graphs round alike. `--precision f32`, which applies to every pipeline,
shows whether our pictures equal optimum-intel's to the last bit.

Results are saved to OUT.json after every turn, with the pictures next to it: the same command resumes a stopped run,
and `--limit N` stops after N turns.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image

from benchmarks import results
from sdxl_desktop.core.paths import resources_folder

ROOT = Path(__file__).resolve().parents[1]
OURS = ("exact", "balanced", "fast")
ALL_PIPELINES = (*OURS, "watched", "optimum", "genai", "torch")
BASELINE = "optimum"
NAMES = {
    "exact": "ours, exact",
    "balanced": "ours, balanced",
    "fast": "ours, fast",
    "watched": "ours, exact, watched",
    "optimum": "optimum-intel",
    "genai": "OpenVINO GenAI",
    "torch": "diffusers in torch",
}
SUBJECTS = ("heart", "cat", "dog", "rose", "pizza", "car", "sun", "house", "apple", "panda", "rocket", "fox", "star")
COLOURS = ("red", "blue", "green", "white", "yellow", "pink", "black", "light blue")
_WEIGHTS_IN_MEMORY = 2.7
"""How many times a pipeline holds the weights in memory: mapped, in the device's layout, and as much for
computation."""
Turn = dict[str, Any]


@dataclass(frozen=True)
class BenchmarkSetting:
    """The common settings of all pipelines."""

    checkpoint: Path
    side: int
    steps: int
    guidance: float
    threads: int = 0
    precision: str = "auto"
    torch: Path | None = None

    @property
    def comparison_key(self) -> dict[str, Any]:
        """Return the values that must be equal for a run to be resumed."""
        return {
            "checkpoint": f"{self.checkpoint.parent.name}/{self.checkpoint.name}",
            "size": f"{self.side}x{self.side}",
            "steps": self.steps,
            "guidance": self.guidance,
            "threads": self.threads,
            "precision": self.precision,
        }


class PipelineProcess:
    """A pipeline in its own process, ready after construction; raises RuntimeError if it ends early."""

    def __init__(self, who: str, setting: BenchmarkSetting, home: Path, python: str) -> None:
        self._who, self._steps = who, setting.steps
        own = home / ("ours" if who in (*OURS, "watched") else who)  # our pipelines share compiled models
        own.mkdir(parents=True, exist_ok=True)
        given = {key: str(value) if isinstance(value, Path) else value for key, value in asdict(setting).items()}
        told = json.dumps({**given, "home": str(own)})
        how = ["-m", "benchmarks.pipelines"] if who != "genai" else [str(ROOT / "benchmarks" / "pipelines.py")]
        self._log = home / f"{who}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [python, *how, who, told],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=ROOT,
                text=True,
                encoding="utf-8",
            )
        self._read_answer()
        self._send_request("warming up", 0, min(2, self._steps), None)

    def generate(self, prompt: str, seed: int, to: Path) -> Turn:
        """Return the measurements; the pixels are written to `to`, a NumPy file."""
        return self._send_request(prompt, seed, self._steps, to)

    def __enter__(self) -> PipelineProcess:
        return self

    def __exit__(self, *problem: object) -> None:
        self._close()

    def _close(self) -> None:
        """Let the process end by closing its input; kill it if it does not."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def _send_request(self, prompt: str, seed: int, steps: int, to: Path | None) -> Turn:
        assert self._process.stdin is not None
        asked = {"prompt": prompt, "seed": seed, "steps": steps, "to": str(to) if to else ""}
        with suppress(BrokenPipeError):  # it has ended: reading the answer reports why
            self._process.stdin.write(json.dumps(asked) + "\n")
            self._process.stdin.flush()
        return self._read_answer()

    def _read_answer(self) -> Turn:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._close()
            said = self._log.read_text(encoding="utf-8", errors="replace")
            raise RuntimeError(f"{self._who} ended: {said[-2000:]}")
        answer: Turn = json.loads(line)
        return answer


@dataclass
class TurnLog:
    """The completed turns, saved in a file from which a run is resumed."""

    file: Path
    command: str
    setting: BenchmarkSetting
    turns: list[Turn] = field(default_factory=list)

    @classmethod
    def opened(cls, file: Path, command: str, setting: BenchmarkSetting) -> TurnLog:
        """Return the log in `file`, created if missing; exits if it has other settings."""
        record = cls(file, command, setting)
        if file.exists():
            kept = json.loads(file.read_text(encoding="utf-8"))
            if kept["settings"] != setting.comparison_key:
                raise SystemExit(f"{file.name} is of another setting, {kept['settings']}: choose another file.")
            record.turns = kept["turns"]
        return record

    def has(self, who: str, number: int) -> bool:
        return any(turn["who"] == who and turn["round"] == number for turn in self.turns)

    def picture(self, who: str, number: int) -> Path:
        return self.file.with_name(f"{self.file.stem}-pictures") / f"{number}-{who}.png"

    def add(self, turn: Turn, pixels: Any) -> None:
        file = self.picture(turn["who"], turn["round"])
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(file)
        self.turns.append(turn)
        self.write()

    def write(self) -> None:
        told = [turn.get("versions", {}) for turn in self.turns]
        results.write(
            self.file,
            "speed",
            command=self.command,
            settings=self.setting.comparison_key,
            rows=self.rows(),
            more_versions={name: version for versions in told for name, version in versions.items()},
            turns=self.turns,
        )

    def rows(self) -> list[Turn]:
        """Return a row per pipeline: medians of seconds, the median of the rounds' ratios to the peer, and the
        equality."""
        return [self._row(who) for who in ALL_PIPELINES if any(turn["who"] == who for turn in self.turns)]

    def _row(self, who: str) -> Turn:
        mine = {turn["round"]: turn for turn in self.turns if turn["who"] == who}
        peers = {turn["round"]: turn for turn in self.turns if turn["who"] == BASELINE}
        both = sorted(mine.keys() & peers.keys())
        row: Turn = {
            "who": NAMES[who],
            "rounds": len(mine),
            "seconds": _median(mine, "seconds"),
            "fastest": min(turn["seconds"] for turn in mine.values()),
            "ratio": statistics.median(mine[n]["seconds"] / peers[n]["seconds"] for n in both) if both else None,
        }
        for phase in ("encode", "denoise", "decode"):
            row[phase] = _median(mine, phase)
        if who in (*OURS, "watched"):
            row["telling"] = statistics.median(turn["telling"] / turn["denoise"] for turn in mine.values())
        if both and who != BASELINE:
            apart = [np.abs(_pixels(self.picture(who, n)) - _pixels(self.picture(BASELINE, n))) for n in both]
            row["largest difference"] = int(max(one.max() for one in apart))
            row["mean difference"] = float(np.mean([one.mean() for one in apart]))
        return row


def _median(turns: Mapping[int, Turn], key: str) -> float | None:
    told = [turn[key] for turn in turns.values() if key in turn]
    return statistics.median(told) if told else None


def _pixels(file: Path) -> Any:
    with Image.open(file) as picture:
        return np.asarray(picture, dtype=np.int16)


def prompts(count: int) -> list[str]:
    """Return `count` different prompts."""
    return [
        f"a {SUBJECTS[n % len(SUBJECTS)]} on a {COLOURS[n % len(COLOURS)]} background{' at night' * (n // 104)}"
        for n in range(count)
    ]


def run_turns(
    record: TurnLog, who: Sequence[str], rounds: int, limit: int, pythons: Mapping[str, str], *, apart: bool
) -> None:
    """Generate the missing pictures of the record, at most `limit`."""
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        home, drawers = Path(scratch), dict[str, PipelineProcess]()

        def started(name: str, stack: ExitStack) -> PipelineProcess:
            return stack.enter_context(PipelineProcess(name, record.setting, home, pythons.get(name, sys.executable)))

        for number, prompt in enumerate(prompts(rounds)):
            first = number % len(who)
            for name in (*who[first:], *who[:first]):
                if record.has(name, number):
                    continue
                if limit <= 0:
                    return
                limit -= 1
                to = home / "picture.npy"
                if apart:
                    with ExitStack() as turn:
                        measured = started(name, turn).generate(prompt, number, to)
                else:
                    if name not in drawers:
                        drawers[name] = started(name, stack)
                    measured = drawers[name].generate(prompt, number, to)
                record.add({"who": name, "round": number, **measured}, np.load(to))
                print(f"round {number}  {NAMES[name]:22} {measured['seconds']:8.3f} s", flush=True)


def show(rows: Sequence[Turn]) -> None:
    print(f"\n{'seconds a picture':22} {'median':>8} {'fastest':>8} {'ratio':>7} {'largest |d|':>12} {'telling':>9}")
    for row in rows:
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.3f}"
        telling = f"{row['telling']:.3%}" if "telling" in row else ""
        apart = row.get("largest difference", "")
        print(f"{row['who']:22} {row['seconds']:8.3f} {row['fastest']:8.3f} {ratio:>7} {apart:>12} {telling:>9}")


def _selected_pipelines(given: argparse.Namespace) -> list[str]:
    """Return the requested pipelines that are available, in order."""
    asked = given.only.split(",") if given.only else ALL_PIPELINES
    if unknown := set(asked) - set(ALL_PIPELINES):
        raise SystemExit(f"There is no {', '.join(sorted(unknown))}; there are {', '.join(ALL_PIPELINES)}.")
    lacking = {name for name in ("genai", "torch") if getattr(given, name) is None}
    if given.only and (needed := sorted(lacking & set(asked))):
        raise SystemExit(f"--{needed[0]} is needed for that.")
    return [name for name in ALL_PIPELINES if name in asked and name not in lacking]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, default=resources_folder() / "checkpoints" / "starter")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--guidance", type=float, default=2.0)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--precision", choices=("auto", "f32", "bf16", "f16"), default="auto")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", help="names with commas between them; default: everyone that is there")
    parser.add_argument("--limit", type=int, default=1_000_000, help="turns that are taken now")
    parser.add_argument("--genai", metavar="PYTHON")
    parser.add_argument("--torch", metavar="FOLDER", type=Path)
    parser.add_argument("--apart", action=argparse.BooleanOptionalAction, help="one process at a time")
    parser.add_argument("--json", type=Path, required=True, metavar="OUT")
    given = parser.parse_args(arguments)
    checkpoint = given.checkpoint.absolute()
    torch = given.torch.absolute() if given.torch else None
    setting = BenchmarkSetting(
        checkpoint, given.size, given.steps, given.guidance, given.threads, given.precision, torch
    )
    record = TurnLog.opened(given.json, results.command("benchmarks.speed", arguments), setting)
    weights = sum(file.stat().st_size for file in checkpoint.rglob("*.bin"))
    who = _selected_pipelines(given)
    apart = given.apart
    if apart is None:
        apart = len(who) * _WEIGHTS_IN_MEMORY * weights > psutil.virtual_memory().available
    run_turns(record, who, given.rounds, given.limit, {"genai": given.genai or ""}, apart=apart)
    if record.turns:
        record.write()
        show(record.rows())


if __name__ == "__main__":
    main()
