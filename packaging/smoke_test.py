"""Tries the built bundle as a person would, outside the source tree and with an empty home.

`python packaging/smoke_test.py [BUNDLE]`, after `python packaging/build.py`, with what tests need, Xvfb and xdotool.
The bundle is moved into a folder whose name has a space and an accent, started from elsewhere, and gets nothing of
this Python's environment.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import psutil
from PIL import Image, ImageGrab, ImageStat

T = TypeVar("T")
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # the small checkpoints are those of the tests
NAME = "sdxl-desktop"
PROMPT = "a red heart on a blue background"
TIMEOUT_SECONDS = 240.0  # seconds; a cold start reads more than a gigabyte
INHERITED_VARIABLES = ("HOME", "LANG", "PATH", "TMPDIR", "USER")


@dataclass(frozen=True)
class Installation:
    """The bundle in its strange folder, an empty home, and an empty folder to work in."""

    program: Path
    home: Path
    work: Path

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: os.environ[name] for name in INHERITED_VARIABLES if name in os.environ}
        return {**kept, "SDXL_DESKTOP_HOME": str(self.home), **more}

    def run(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """The program in a terminal without a display; `more` is added to its environment."""
        return subprocess.run(
            [str(self.program), *arguments],
            cwd=self.work,
            env=self.environment(**more),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )


@contextmanager
def temporary_installation(bundle: Path) -> Iterator[Installation]:
    with tempfile.TemporaryDirectory(prefix="sdxl désktop smoke ", dir=bundle.parent) as name:
        root = Path(name)
        shutil.copytree(bundle, root / "program", copy_function=os.link, symlinks=True)
        place = Installation(root / "program" / NAME, root / "home", root / "work")
        place.work.mkdir()
        yield place


@contextmanager
def x_server() -> Iterator[str]:
    with tempfile.TemporaryFile("w+") as number:
        server = subprocess.Popen(
            ["Xvfb", "-displayfd", str(number.fileno()), "-screen", "0", "1400x900x24", "-nolisten", "tcp", "-noreset"],
            pass_fds=[number.fileno()],
            stderr=subprocess.DEVNULL,
        )
        try:

            def answer() -> str:
                number.seek(0)
                text = number.read()
                return f":{text.strip()}" if text.endswith("\n") else ""

            yield wait_for("the display", answer)
        finally:
            server.terminate()
            server.wait()


def wait_for(what: str, found: Callable[[], T | None]) -> T:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if answer := found():
            return answer
        time.sleep(0.2)
    raise AssertionError(f"{what} did not come within {TIMEOUT_SECONDS:.0f} s")


def check(true: bool, what: object) -> None:
    if not true:
        raise AssertionError(what)


def is_a_picture(file: Path) -> bool:
    """Whether the file holds a picture of more than one colour."""
    with Image.open(file) as image:
        return has_colours(image)


def has_colours(image: Image.Image) -> bool:
    return max(ImageStat.Stat(image.convert("RGB")).stddev) > 2


def try_prompt(place: Installation) -> None:
    done = place.run("--version")
    check(done.returncode == 0 and done.stdout.startswith("SDXL Desktop "), done)
    done = place.run("devices", "--json")
    check("CPU" in [device["name"] for device in json.loads(done.stdout)["devices"]], done)
    done = place.run()
    check(done.returncode == 1 and "no display" in done.stderr, done)
    done = place.run("generate", PROMPT, "--size", "100x100")
    check(done.returncode == 2 and "Traceback" not in done.stderr, done)


def try_command_line(place: Installation) -> None:
    done = place.run("generate", PROMPT, "-o", "heart.png", "--seed", "1", "--json")
    check(done.returncode == 0, done)
    report = json.loads(done.stdout)
    check(report["images"] == [str(place.work / "heart.png")] and report["seeds"] == [1], report)
    check(report["devices"].get("unet") == "CPU", report)
    check(is_a_picture(place.work / "heart.png"), "the picture has one colour")


def try_prompt_without_display(place: Installation) -> None:
    done = place.run("--prompt", PROMPT)
    check(done.returncode == 0, done)
    check(is_a_picture(Path(done.stdout.strip())), done)


def try_import(place: Installation) -> None:
    """A folder on the disk and one on a hub are converted in processes of the bundle, and draw."""
    from tests.library import small_sdxl
    from tests.unit.library.hub.fake_hub import FakeHub, Repository

    folder = place.work / "diffusers"
    small_sdxl.make_small_pipeline(folder)
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    hub = FakeHub({"someone/small": Repository(files)})
    try:
        for what, name, weights in ((str(folder), "from-disk", "int8"), ("someone/small", "from-hub", "fp16")):
            done = place.run(
                "checkpoints", "import", what, "--name", name, "--weights", weights, "--json", HF_ENDPOINT=hub.url
            )
            check(done.returncode == 0, done)
            done = place.run("generate", PROMPT, "-o", f"{name}.png", "--checkpoint", name, "--steps", "2", "--json")
            check(done.returncode == 0, done)
            check((place.work / f"{name}.png").is_file(), done)
    finally:
        hub.close()


def try_window(place: Installation) -> None:
    with x_server() as display, window_at(place, display) as window:
        started = time.monotonic()
        number = wait_for("the window", lambda: visible_window(display, window))
        print(f"  visible after {time.monotonic() - started:.1f} s")
        process = psutil.Process(window.pid)
        engine = wait_for("the engine process", lambda: engine_of(process))
        check(engine.exe() == str(place.program), engine)
        file = wait_for("the picture", lambda: finished_picture(place.home / "pictures", window))
        check(is_a_picture(file), f"{file} has one colour")
        print(f"  picture after {time.monotonic() - started:.1f} s")
        wait_for("the picture in the window", lambda: has_colours(ImageGrab.grab(xdisplay=display)))
        family = [process, *process.children(recursive=True)]
        environment = place.environment(DISPLAY=display)
        subprocess.run(["xdotool", "windowfocus", "--sync", number], env=environment, check=False)
        subprocess.run(["xdotool", "key", "--clearmodifiers", "ctrl+q"], env=environment, check=True)
        code = window.wait(30)
        check(code == 0, f"the window ended with {code}")
        check_processes_gone(family)


def try_killed_window(place: Installation) -> None:
    with x_server() as display, window_at(place, display) as window:
        wait_for("the window", lambda: visible_window(display, window))
        process = psutil.Process(window.pid)
        wait_for("the engine process", lambda: engine_of(process))
        family = [process, *process.children(recursive=True)]
        window.send_signal(signal.SIGKILL)
        window.wait()
        check_processes_gone(family)


def check_processes_gone(family: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(family, timeout=10)
    check(not alive, f"left behind: {alive}")


@contextmanager
def window_at(place: Installation, display: str) -> Iterator[subprocess.Popen[bytes]]:
    """The program drawing in a window; what it said is shown if anything goes wrong."""
    said = place.work / "window.log"
    with said.open("wb") as log:
        command = [str(place.program), "--prompt", PROMPT]
        window = subprocess.Popen(
            command, cwd=place.work, env=place.environment(DISPLAY=display), stdout=log, stderr=log
        )
    try:
        yield window
    except BaseException:
        print(said.read_text(errors="replace"), file=sys.stderr)
        raise
    finally:
        if window.poll() is None:
            window.kill()
            window.wait()


def visible_window(display: str, window: subprocess.Popen[bytes]) -> str:
    check(window.poll() is None, f"the program ended with {window.poll()}")
    search = ["xdotool", "search", "--onlyvisible", "--pid", str(window.pid), "--name", "SDXL Desktop"]
    found = subprocess.run(search, env={**os.environ, "DISPLAY": display}, capture_output=True, text=True, check=False)
    return found.stdout.split()[0] if found.stdout.strip() else ""


def engine_of(process: psutil.Process) -> psutil.Process | None:
    return next((child for child in process.children() if "--engine-host" in child.cmdline()), None)


def finished_picture(folder: Path, window: subprocess.Popen[bytes]) -> Path | None:
    check(window.poll() is None, f"the program ended with {window.poll()}")
    return next(iter(folder.glob("*.png")), None) if folder.is_dir() else None


CHECKS = (
    try_prompt,
    try_command_line,
    try_prompt_without_display,
    try_import,
    try_window,
    try_killed_window,
)


def main() -> int:
    bundle = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT / "dist" / NAME
    if not (bundle / NAME).is_file():
        print(f"There is no bundle at {bundle}; build it with `python packaging/build.py`.", file=sys.stderr)
        return 2
    with temporary_installation(bundle) as place:
        for attempt in CHECKS:
            started = time.monotonic()
            print(attempt.__name__.replace("_", " "), flush=True)
            attempt(place)
            print(f"  passed in {time.monotonic() - started:.1f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
