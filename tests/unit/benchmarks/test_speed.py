"""The speed benchmark resumes where it was stopped, and compares round by round."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import quality, speed
from benchmarks.speed import BenchmarkSetting, PipelineProcess, TurnLog

SETTING = BenchmarkSetting(Path("checkpoints/starter"), 64, 30, 3.0)


def picture(level: int) -> Any:
    return np.full((8, 8, 3), level, np.uint8)


def record(folder: Path, setting: BenchmarkSetting = SETTING) -> TurnLog:
    return TurnLog.opened(folder / "out.json", "command", setting)


def filled(folder: Path) -> TurnLog:
    """Two rounds in the second of which the machine is three times slower for both."""
    made = record(folder)
    for number, slow in enumerate((1.0, 3.0)):
        ours = {"who": "fast", "round": number, "seconds": 0.25 * slow, "denoise": 0.2, "telling": 0.001}
        made.add(ours, picture(100 + number))
        made.add({"who": "optimum", "round": number, "seconds": 1.0 * slow}, picture(100))
    return made


def test_ratios_are_of_the_same_round_and_pictures_are_compared(tmp_path: Path) -> None:
    ours, peer = filled(tmp_path).rows()
    assert ours["ratio"] == 0.25
    assert ours["largest difference"] == 1
    assert ours["telling"] == pytest.approx(0.005)
    assert (peer["ratio"], peer["seconds"]) == (1.0, 2.0)
    assert "largest difference" not in peer


def test_a_stopped_run_continues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(tmp_path)
    asked: list[tuple[str, str]] = []

    class FakePipeline:
        def __init__(self, who: str, *_: object) -> None:
            self.who = who

        def __enter__(self) -> FakePipeline:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def generate(self, prompt: str, seed: int, to: Path) -> dict[str, Any]:
            asked.append((self.who, prompt))
            np.save(to, picture(100))
            return {"seconds": 1.0, "denoise": 1.0, "telling": 0.0}

    monkeypatch.setattr(speed, "PipelineProcess", FakePipeline)
    for apart in (False, True):
        speed.run_turns(record(tmp_path), ["fast", "optimum"], 4, 2, {}, apart=apart)
    third, fourth = speed.prompts(4)[2:]
    assert asked == [("fast", third), ("optimum", third), ("optimum", fourth), ("fast", fourth)]
    assert [row["rounds"] for row in record(tmp_path).rows()] == [4, 4]


def test_another_setting_is_not_mixed_in(tmp_path: Path) -> None:
    filled(tmp_path)
    with pytest.raises(SystemExit, match="another setting"):
        record(tmp_path, BenchmarkSetting(Path("checkpoints/starter"), 64, 20, 3.0))


def test_who_cannot_draw_here_is_left_out_unless_asked_for(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="--genai"):
        speed.main(["--only", "genai", "--json", str(tmp_path / "x.json")])
    with pytest.raises(SystemExit, match="no dalle"):
        speed.main(["--only", "dalle", "--json", str(tmp_path / "x.json")])


def test_a_peer_that_ends_says_why(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'no such library' >&2\nexit 3\n")
    python.chmod(0o755)
    with pytest.raises(RuntimeError, match="no such library"):
        PipelineProcess("genai", SETTING, tmp_path, str(python))


def test_every_prompt_is_another() -> None:
    assert len(set(speed.prompts(300))) == 300


def test_equal_pictures_are_alike_and_noise_makes_them_less_so() -> None:
    numbers = np.random.default_rng(0)
    one = numbers.uniform(0, 255, (32, 32, 3))
    less, more = (one + numbers.normal(0, scale, one.shape) for scale in (5, 50))
    assert quality.similarity(one, one) == pytest.approx(1)
    assert 1 > quality.similarity(one, less) > quality.similarity(one, more) > 0
    assert quality.psnr(one - one) == 99
    assert quality.psnr(np.full((2, 2), 255.0)) == 0
