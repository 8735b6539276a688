"""Takes the README's screenshots of the real window with the real engine.

    python -m tools.screenshot [--theme dark] [--prompt TEXT ...] [--seed N] [--output docs/screenshot.png]

Needs no display: it uses Qt's offscreen platform unless QT_QPA_PLATFORM is set. The user's settings, pictures and
caches are not touched.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SIZE = (1280, 800)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "screenshot.png")
    parser.add_argument("--theme", choices=("light", "dark"), default="dark")
    parser.add_argument("--prompt", action="append", help="drawn in turn; the last one is on the canvas")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scale", default="1", help="device pixels a point, as on a high-density display")
    return parser.parse_args()


def main() -> int:
    wanted = arguments()
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    os.environ["QT_SCALE_FACTOR"] = wanted.scale
    with tempfile.TemporaryDirectory(prefix="sdxl-desktop-screenshot-") as home:
        os.environ["SDXL_DESKTOP_HOME"] = home
        return take_screenshot(wanted)


def take_screenshot(wanted: argparse.Namespace) -> int:
    from PySide6.QtCore import QTimer
    from qasync import QEventLoop

    from sdxl_desktop.bridge.background import AsyncioBackgroundRunner
    from sdxl_desktop.core.paths import AppPaths
    from sdxl_desktop.core.settings import Preferences, Settings
    from sdxl_desktop.core.workspace_value import WorkspaceValue
    from sdxl_desktop.engine.process.process_engine import ProcessEngine
    from sdxl_desktop.session.settings_store import SettingsStore
    from sdxl_desktop.ui.app import build_window, create_application
    from sdxl_desktop.ui.empty_state import EXAMPLES

    paths = AppPaths.from_environment()
    settings = Settings(preferences=Preferences(theme=wanted.theme), workspace=WorkspaceValue(seed_locked=True))
    SettingsStore(paths.settings_file).save(settings)
    app = create_application()
    loop = QEventLoop(app)
    asyncio.set_event_loop(loop)
    engine = ProcessEngine(paths)
    window = build_window(app, paths, engine, AsyncioBackgroundRunner(loop), memory=engine.memory_bytes)
    window.resize(*SIZE)
    window.show()
    waiting = list(wanted.prompt or reversed(EXAMPLES))
    problems: list[str] = []

    def draw_next() -> None:
        session = window.session
        if session.error is not None:
            problems.append(str(session.error))
            loop.stop()
        elif session.run is None and window.parameters_panel.checkpoint() is not None:
            if not waiting:
                window.controller.dismiss()
                QTimer.singleShot(1500, window, shoot)  # let the memory display update
                timer.stop()
                return
            workspace = window.parameters_panel.value()
            assert workspace.sampling is not None
            window.parameters_panel.set_value(
                replace(workspace, sampling=replace(workspace.sampling, seed=wanted.seed))
            )
            window.parameters_panel.set_prompt(waiting.pop(0))
            window.controller.generate()

    def shoot() -> None:
        wanted.output.parent.mkdir(parents=True, exist_ok=True)
        window.grab().save(str(wanted.output))
        loop.stop()

    timer = QTimer(window, interval=100)
    timer.timeout.connect(draw_next)
    window.start()
    timer.start()
    with loop:
        loop.run_forever()
        window.close()
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
