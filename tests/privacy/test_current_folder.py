"""The folder that the program is started in, which may be one of downloads, is no place for its Python modules."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from sdxl_desktop.core import child_program
from sdxl_desktop.core.paths import resources_folder

ROOT = Path(__file__).parents[2]
STARTER = resources_folder() / "checkpoints" / "starter"
PLANTED = [
    "PIL",
    "PySide6",
    "click",
    "diffusers",
    "filelock",
    "httpx",
    "huggingface_hub",
    "json",
    "logging",
    "msgspec",
    "numpy",
    "openvino",
    "optimum",
    "pickle",
    "platformdirs",
    "psutil",
    "queue",
    "rich",
    "safetensors",
    "signal",
    "socket",
    "struct",
    "subprocess",
    "tempfile",
    "torch",
    "transformers",
    "typer",
]


@pytest.fixture
def downloads(tmp_path: Path) -> Path:
    """A folder full of Python modules that say that they were run, and fail."""
    folder = tmp_path / "Downloads"
    folder.mkdir()
    for name in PLANTED:
        (folder / f"{name}.py").write_text(
            f"import sys; open({str(tmp_path / 'ran')!r}, 'a').write(f'{name} by {{sys.argv}}\\n'); raise ImportError"
        )
    return folder


def start_in(folder: Path, *command: str, python_path: str = str(ROOT)) -> tuple[int, str]:
    """The exit code of a command started there, and which planted modules were run."""
    around = {**os.environ, "PYTHONPATH": python_path, "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(command, cwd=folder, env=around, capture_output=True, timeout=100, check=False)
    ran = folder.parent / "ran"
    return done.returncode, ran.read_text() if ran.exists() else done.stderr.decode() if done.returncode else ""


@pytest.mark.parametrize(
    "python_path",
    [
        pytest.param(str(ROOT), id="", marks=pytest.mark.slow),
        pytest.param(f"{os.pathsep}{ROOT}", id=":", marks=pytest.mark.slow),
        pytest.param(f"{ROOT}{os.pathsep}.", id="."),
    ],
)
def test_a_command_that_needs_a_child(downloads: Path, python_path: str) -> None:
    planted = [name for name in PLANTED if name not in sys.stdlib_module_names or python_path == str(ROOT)]
    for name in {*PLANTED} - {*planted}:  # Python itself needs them before the program begins
        (downloads / f"{name}.py").unlink()
    script = "import sys; sys.path[:0] = []; from sdxl_desktop.__main__ import main; sys.exit(main())"
    safe = [sys.executable, "-P", "-c", script]  # as the installed command does: without the current folder
    assert start_in(
        downloads, *safe, "checkpoints", "import", str(STARTER), "--name", "x", python_path=python_path
    ) == (
        0,
        "",
    )


def test_python_m(downloads: Path) -> None:
    for name in sys.stdlib_module_names:  # what Python itself loads to find a module is found before the program begins
        (downloads / f"{name}.py").unlink(missing_ok=True)
    assert start_in(downloads, sys.executable, "-m", "sdxl_desktop", "devices") == (0, "")


def test_every_child_that_the_program_starts(downloads: Path) -> None:
    script = textwrap.dedent("""
        import os, subprocess
        from sdxl_desktop.core import child_program
        from sdxl_desktop.core.paths import AppPaths
        from sdxl_desktop.engine.process.process_engine import ProcessEngine
        from sdxl_desktop.cli.display_check import why_no_window
        os.environ["SDXL_DESKTOP_HOME"] = "a relative home"
        engine = ProcessEngine(AppPaths.from_environment())
        assert engine.devices()
        engine.close()
        assert why_no_window(child_program.child_command(child_program.PROBE_DISPLAY), {"WAYLAND_DISPLAY": "x"}) == ""
        assert os.path.isdir("a relative home/logs")
    """)
    assert start_in(downloads, sys.executable, "-P", "-c", script) == (0, "")


def test_a_child_works_in_a_folder_of_the_application(home: Path) -> None:
    assert child_program.child_working_folder().is_relative_to(home.resolve())
    assert child_program.child_working_folder().is_dir()
    assert not list(child_program.child_working_folder().iterdir())


def test_a_child_gets_no_relative_paths(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", "here", ".", str(tmp_path / "there")]))
    monkeypatch.setenv("SDXL_DESKTOP_HOME", "portable")
    around = child_program.child_environment()
    assert around["PYTHONPATH"].split(os.pathsep) == [str(ROOT), str(tmp_path / "there")]
    assert around["SDXL_DESKTOP_HOME"] == str(tmp_path / "portable")
