"""Nothing leaves the machine or is written outside the application's folders by any verb that needs no network.

Each verb runs in a process of its own, as a person would run it: without `CI` or a switch of the libraries in its
environment, in an empty home. `watch/sitecustomize.py` writes down what it and its children do.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest

from sdxl_desktop.core import telemetry
from sdxl_desktop.core.paths import resources_folder

ROOT = Path(__file__).parents[2]
WATCH = Path(__file__).parent / "watch"
STARTER = resources_folder() / "checkpoints" / "starter"
PROGRAM = ("-m", "sdxl_desktop")
SWITCHES = {
    *telemetry.OPT_OUT_VARIABLES,
    "DISABLE_TELEMETRY",
    "HF_HUB_OFFLINE",
    "CI",
    "TF_BUILD",
    "JENKINS_URL",
    "TORCHINDUCTOR_CACHE_DIR",
}


@dataclass
class UserAccount:
    """An account on a computer: an empty home, a folder to work in, and all that the application writes."""

    root: Path

    def __post_init__(self) -> None:
        for name in ("home", "work", "tmp", "app"):
            (self.root / name).mkdir()

    @property
    def work(self) -> Path:
        return self.root / "work"

    def run(self, *arguments: str) -> str:
        """Run Python with `arguments`, and return the violations: what was looked up, opened or written."""
        report = self.root / "report"
        report.unlink(missing_ok=True)
        allowed = [f"{self.root / name}{os.sep}" for name in ("app", "tmp", "work")]
        own = {
            "HOME": str(self.root / "home"),
            "SDXL_DESKTOP_HOME": str(self.root / "app"),
            "TMPDIR": str(self.root / "tmp"),
            "PYTHONPATH": os.pathsep.join([str(WATCH), str(ROOT)]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "QT_QPA_PLATFORM": "offscreen",
            "WATCH_REPORT": str(report),
            "WATCH_ALLOWED": os.pathsep.join([*allowed, "/dev/", "/proc/"]),
        }
        around = {
            name: value for name, value in os.environ.items() if name not in SWITCHES and not name.startswith("XDG_")
        }
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.work,
            env={**around, **own},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=250,
            check=False,
        )
        message = "" if done.returncode == 0 else f"exit code {done.returncode}\n{done.stdout[-2000:]}\n"
        message += report.read_text() if report.exists() else ""
        return message + "".join(f"wrote {file}\n" for file in (self.root / "home").rglob("*") if file.is_file())


@pytest.fixture
def user(tmp_path: Path) -> UserAccount:
    return UserAccount(tmp_path)


@pytest.fixture(scope="module")
def diffusers_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small checkpoint as diffusers saves it."""
    from tests.library import small_sdxl

    folder = tmp_path_factory.mktemp("small") / "torch"
    small_sdxl.make_small_pipeline(folder)
    return folder


def test_the_watch_sees_what_it_is_for(user: UserAccount) -> None:
    """An unwatched process would pass every test here."""
    code = "import socket, pathlib\ntry: socket.getaddrinfo('localhost', 80)\nexcept OSError: pass\n"
    code += "socket.socket().close()\n(pathlib.Path.home() / 'x').touch()"
    seen = user.run("-c", code)
    assert "getaddrinfo localhost" in seen
    assert "socket.__new__" in seen
    assert f"wrote {user.root / 'home' / 'x'}" in seen


@pytest.mark.parametrize("arguments", [["devices"], ["checkpoints", "list"], ["cache", "prune"]], ids=" ".join)
def test_short_commands(user: UserAccount, arguments: list[str]) -> None:
    assert user.run(*PROGRAM, *arguments) == ""


def test_what_would_report(user: UserAccount) -> None:
    """OpenVINO would report each import of it and each conversion, NNCF each use, huggingface_hub what it is given."""
    script = textwrap.dedent("""
        import sdxl_desktop
        import openvino as ov, torch
        ov.convert_model(torch.nn.Linear(2, 2), example_input=torch.zeros(1, 2))
        import nncf.telemetry
        nncf.telemetry.telemetry.send_event("a", "b", "c")
        from huggingface_hub.utils import send_telemetry
        send_telemetry("a")
    """)
    assert user.run("-c", script) == ""


@pytest.mark.slow
def test_importing_and_drawing_with_a_vae_that_is_converted(user: UserAccount, diffusers_folder: Path) -> None:
    """OpenVINO's converter would report each conversion, and each kind of operation in it; NNCF what it compresses."""
    shutil.copytree(diffusers_folder, user.work / "small")
    arguments = ["checkpoints", "import", "small", "--name", "mine", "--weights", "int8"]  # a path of the work folder
    assert user.run(*PROGRAM, *arguments) == ""
    assert user.run(*PROGRAM, "checkpoints", "verify", "mine") == ""
    drawing = ["a leaf", "--checkpoint", "mine", "--vae", "small/vae", "--steps", "1", "--size", "64x64"]
    assert user.run(*PROGRAM, "generate", *drawing, "-o", "leaf.png") == ""
    assert (user.work / "leaf.png").is_file()


def test_the_windows_engine(user: UserAccount) -> None:
    script = textwrap.dedent(f"""
        import threading
        from pathlib import Path
        from sdxl_desktop.core.events import RunFinished
        from sdxl_desktop.core.geometry import Size
        from sdxl_desktop.core.paths import AppPaths
        from sdxl_desktop.core.request import GenerationRequest, Prompts, Sampling
        from sdxl_desktop.engine.process.process_engine import ProcessEngine
        engine, told = ProcessEngine(AppPaths.from_environment()), []
        engine.devices()
        sampling = Sampling(size=Size(64, 64), steps=1)
        request = GenerationRequest(checkpoint=Path({str(STARTER)!r}), prompts=Prompts(prompt="x"), sampling=sampling)
        engine.generate(request, told.append, threading.Event())
        engine.close()
        assert isinstance(told[-1], RunFinished), told[-1]
    """)
    assert user.run("-c", script) == ""


@pytest.mark.slow
def test_quantizing_comparing_and_measuring(user: UserAccount, diffusers_folder: Path) -> None:
    shutil.copytree(diffusers_folder, user.work / "small")
    quick = ["--steps", "2", "--size", "64x64"]
    for arguments in (
        ["checkpoints", "import", "small", "--name", "mine", "--weights", "fp32"],
        ["checkpoints", "quantize", "mine", "--method", "int8", "--name", "int8"],
        ["checkpoints", "quantize", "mine", "--method", "hybrid", "--name", "hybrid", "--samples", "4", *quick],
        ["checkpoints", "compare", "mine", "int8", *quick, "-o", "sheets"],
        ["bench", "--checkpoint", "mine", *quick],
        ["bench", "--checkpoint", "mine", "--devices", "--size", "64x64"],
        ["cache", "prepare", "mine"],
    ):
        assert user.run(*PROGRAM, *arguments) == "", arguments
