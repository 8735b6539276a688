"""`checkpoints` lists, shows, verifies, removes and imports, with output as text and JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.helpers import FakeEntryPoints, own_checkpoint, run_command
from tests.unit.library.fake_safetensors import write_sparse_file
from tests.unit.library.hub.conftest import in_this_process, sdxl_files  # noqa: F401
from tests.unit.library.hub.fake_hub import FakeHub, Repository


@pytest.fixture
def mine(home: Path) -> Path:
    """A checkpoint whose graphs are empty but whole."""
    folder = own_checkpoint(home)
    for graph in folder.glob("*/openvino_model.xml"):
        graph.write_text("<net></net>")
    return folder


def test_list(fake_entry_points: FakeEntryPoints, mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(fake_entry_points, "checkpoints", "list") == 0
    assert "mine" in capsys.readouterr().out
    assert run_command(fake_entry_points, "checkpoints", "list", "--json") == 0
    reported = json.loads(capsys.readouterr().out)["checkpoints"]
    assert (reported[0]["name"], reported[0]["own"]) == ("mine", True)
    assert any(about["name"] == "starter" and not about["own"] for about in reported)


def test_show(fake_entry_points: FakeEntryPoints, mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(fake_entry_points, "checkpoints", "show", "mine", "--json") == 0
    about = json.loads(capsys.readouterr().out)
    assert about["folder"] == str(mine)
    assert (about["steps"], about["scheduler"]) == (3, "heun")
    assert run_command(fake_entry_points, "checkpoints", "show", "mine") == 0
    assert "heun" in capsys.readouterr().out
    assert run_command(fake_entry_points, "checkpoints", "show", "yours") == 2
    assert "no checkpoint called 'yours'" in capsys.readouterr().err


def test_verify(fake_entry_points: FakeEntryPoints, mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(fake_entry_points, "checkpoints", "verify", "mine") == 0
    assert "All is well" in capsys.readouterr().out
    (mine / "unet" / "openvino_model.xml").write_text('<net><data offset="0" size="100"/></net>')
    assert run_command(fake_entry_points, "checkpoints", "verify", "mine", "--json") == 1
    reported = json.loads(capsys.readouterr().out)
    assert not reported["whole"]
    assert "0 bytes of 100" in reported["problems"][0]


def test_remove(fake_entry_points: FakeEntryPoints, mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(fake_entry_points, "checkpoints", "remove", "mine") == 2, "nobody there to be asked"
    assert "--yes" in capsys.readouterr().err
    assert mine.is_dir()
    assert run_command(fake_entry_points, "checkpoints", "remove", "mine", "--yes") == 0
    assert list(mine.parent.iterdir()) == []
    assert run_command(fake_entry_points, "checkpoints", "remove", "starter", "--yes") == 2
    assert "not in your own library" in capsys.readouterr().err


def test_import_needs_a_format_and_says_what_is_coming(
    fake_entry_points: FakeEntryPoints, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from sdxl_desktop.formats.families import Family
    from tests.unit.library.fake_safetensors import original_shapes

    file = write_sparse_file(tmp_path / "vega.safetensors", original_shapes(Family.VEGA))
    assert run_command(fake_entry_points, "checkpoints", "import", str(file)) == 2
    message = capsys.readouterr().err
    assert "Segmind-Vega" in message
    assert "fp32, fp16, int8, int4" in message
    assert not (home / "data").exists(), "nothing was begun"


def test_import_refuses_with_a_sentence(
    fake_entry_points: FakeEntryPoints, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_sparse_file(tmp_path / "lora.safetensors", {"unet.mid_block.to_q.lora_A.weight": (4, 4)})
    assert run_command(fake_entry_points, "checkpoints", "import", str(file), "--weights", "int8") == 2
    assert "--lora" in capsys.readouterr().err
    assert run_command(fake_entry_points, "checkpoints", "import", str(tmp_path / "none"), "--weights", "int8") == 2
    assert "There is nothing at" in capsys.readouterr().err


def test_an_openvino_folder_is_imported_and_reported_in_json(
    fake_entry_points: FakeEntryPoints, mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("tokenizer", "tokenizer_2"):
        (mine / name).mkdir()
    for name in ("text_encoder", "text_encoder_2"):
        (mine / name / "config.json").write_text("{}")
    assert run_command(fake_entry_points, "checkpoints", "import", str(mine), "--name", "second", "--json") == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert events[0]["event"] == "plan"
    assert events[-1]["event"] == "imported"
    assert events[-1]["checkpoint"]["name"] == "second"
    assert {event["event"] for event in events[1:-1]} == {"progress"}
    assert run_command(fake_entry_points, "checkpoints", "verify", "second", "--json") == 0
    assert json.loads(capsys.readouterr().out)["by_hash"]


def test_one_that_vanished_is_listed_as_missing_until_it_is_removed(
    fake_entry_points: FakeEntryPoints, mine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(fake_entry_points, "checkpoints", "list") == 0
    mine.rename(tmp_path / "elsewhere")
    capsys.readouterr()
    assert run_command(fake_entry_points, "checkpoints", "list", "--json") == 0
    assert [about["name"] for about in json.loads(capsys.readouterr().out)["missing"]] == ["mine"]
    assert run_command(fake_entry_points, "checkpoints", "list") == 0
    assert "missing" in capsys.readouterr().out
    assert run_command(fake_entry_points, "checkpoints", "show", "mine") == 2
    assert "is missing" in capsys.readouterr().err
    assert run_command(fake_entry_points, "checkpoints", "remove", "mine") == 0
    assert run_command(fake_entry_points, "checkpoints", "list") == 0
    assert "missing" not in capsys.readouterr().out.splitlines()[-1]


@pytest.mark.usefixtures("in_this_process")
def test_an_id_of_the_hub_is_downloaded_and_imported(
    fake_entry_points: FakeEntryPoints, mine: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = FakeHub(
        {
            "someone/ready": Repository(
                {file.relative_to(mine).as_posix(): file.read_bytes() for file in mine.rglob("*") if file.is_file()}
            ),
            "someone/plain": Repository(sdxl_files(), {"license": "mit"}),
        }
    )
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    try:
        assert (
            run_command(fake_entry_points, "checkpoints", "import", "someone/ready", "--name", "second", "--json") == 0
        )
        events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert (events[0]["event"], events[0]["kind"]) == ("plan", "checkpoint")
        assert events[-1]["checkpoint"]["name"] == "second"
        assert run_command(fake_entry_points, "checkpoints", "import", "someone/plain") == 2
        message = capsys.readouterr().err
        assert "mit" in message
        assert "int8:" in message, "what each format takes"
        assert "fp32, fp16, int8, int4" in message
        assert run_command(fake_entry_points, "checkpoints", "import", "someone/nothing", "--weights", "int8") == 2
        assert "someone/nothing" in capsys.readouterr().err
    finally:
        hub.close()
