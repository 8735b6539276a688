"""A command of this program run beside the window, so that native code that cannot be interrupted can be ended."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from PySide6.QtCore import QObject, QProcess, QProcessEnvironment, Signal

from sdxl_desktop.core.program import command, environment, folder

_END_MS = 2000


class Child(QObject):
    """One command at a time, with `--json` and `--events`.

    `progressed` gives what it does in words, the fraction of it (None: not known) and the seconds left (None);
    `answered` its answer from JSON; `failed` its own sentence on what went wrong. A child that is stopped says nothing.
    """

    progressed = Signal(str, object, object)
    answered = Signal(object)
    failed = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._process: QProcess | None = None
        self._complaint = ""

    @property
    def running(self) -> bool:
        return self._process is not None

    def start(self, *arguments: str) -> None:
        """Run the command; one that still runs is ended first."""
        self.stop()
        program, *rest = command(*arguments, "--json", "--events")
        process = QProcess(self)
        around = QProcessEnvironment()
        for name, value in environment().items():
            around.insert(name, value)
        process.setProcessEnvironment(around)
        process.setWorkingDirectory(str(folder()))
        process.readyReadStandardError.connect(self._hear)
        process.finished.connect(self._over)
        process.errorOccurred.connect(self._could_not)
        process.setReadChannel(QProcess.ProcessChannel.StandardError)
        self._process, self._complaint = process, ""
        process.start(program, rest)

    def stop(self) -> None:
        """End it now. What it had compiled whole stays; what it was compiling is thrown away when it is next met."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.waitForFinished(_END_MS)
            process.deleteLater()

    def _hear(self) -> None:
        process = self._process
        while process is not None and process.canReadLine():
            self._take(bytes(process.readLine().data()).decode("utf-8", errors="replace").strip())

    def _hear_all(self, process: QProcess) -> None:
        process.setReadChannel(QProcess.ProcessChannel.StandardError)
        for line in bytes(process.readAll().data()).decode("utf-8", errors="replace").splitlines():
            self._take(line.strip())

    def _take(self, line: str) -> None:
        with suppress(ValueError):
            told = json.loads(line)
            if isinstance(told, dict) and "progress" in told:
                self.progressed.emit(str(told["progress"]), told.get("fraction"), told.get("seconds_left"))
                return
        self._complaint = line or self._complaint

    def _over(self, code: int, status: QProcess.ExitStatus) -> None:
        process = self._process
        if process is None:
            return
        self._hear_all(process)
        self._process = None
        process.setReadChannel(QProcess.ProcessChannel.StandardOutput)
        answer = _answer(bytes(process.readAll().data()))
        process.deleteLater()
        if status is QProcess.ExitStatus.NormalExit and code == 0 and answer is not None:
            self.answered.emit(answer)
        else:
            self.failed.emit(self._complaint or "It ended before it was done. The system may have run out of memory.")

    def _could_not(self, problem: QProcess.ProcessError) -> None:
        if problem is QProcess.ProcessError.FailedToStart and self._process is not None:
            words = self._process.errorString()
            self._process.deleteLater()
            self._process = None
            self.failed.emit(f"It could not be started: {words}.")


def _answer(output: bytes) -> dict[str, Any] | None:
    """The last line of standard output as an object."""
    lines = output.decode("utf-8", errors="replace").strip().splitlines()
    with suppress(ValueError):
        answer = json.loads(lines[-1]) if lines else None
        return answer if isinstance(answer, dict) else None
    return None
