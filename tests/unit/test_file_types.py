"""The files that register the application with desktops name the types that it opens, and are well-formed."""

from __future__ import annotations

import configparser
import plistlib
import shutil
import subprocess
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import pytest

from sdxl_desktop.formats.weight_variants import SAFETENSORS
from sdxl_desktop.imaging.picture_formats import picture_mime_types
from sdxl_desktop.session.document.manifest import MANIFEST_MEMBER
from sdxl_desktop.session.document.project_content import PROJECT_SUFFIX, Project
from sdxl_desktop.session.document.project_file import save_project

ROOT = Path(__file__).parents[2]
PACKAGING = ROOT / "packaging"
OWN_TYPES = {"application/x-sdxl-desktop-project": PROJECT_SUFFIX, "application/x-safetensors": SAFETENSORS}
MIME_XML = PACKAGING / "sdxl-desktop-mime.xml"
METAINFO = PACKAGING / "sdxl-desktop.metainfo.xml"
DESKTOP_FILE = PACKAGING / "sdxl-desktop.desktop"


@pytest.fixture(scope="module")
def desktop_entry() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(DESKTOP_FILE, encoding="utf-8")
    return parser


def test_the_desktop_entry_names_every_type_that_can_be_opened(desktop_entry: configparser.ConfigParser) -> None:
    entry = desktop_entry["Desktop Entry"]
    assert entry["MimeType"].rstrip(";").split(";") == [*picture_mime_types(), *OWN_TYPES]
    assert entry["Exec"] == "sdxl-desktop %F"
    for action in entry["Actions"].rstrip(";").split(";"):
        assert desktop_entry[f"Desktop Action {action}"]["Exec"] == f"sdxl-desktop --{action}"


def test_the_types_of_our_own_have_their_endings() -> None:
    spec = "{http://www.freedesktop.org/standards/shared-mime-info}"
    root = ElementTree.parse(MIME_XML).getroot()
    found = {each.get("type"): [glob.get("pattern") for glob in each.iter(f"{spec}glob")] for each in root}
    assert found == {kind: [f"*{ending}"] for kind, ending in OWN_TYPES.items()}
    values = [match.get("value") for match in root.iter(f"{spec}match")]
    assert values == ["PK\\003\\004", MANIFEST_MEMBER]


@pytest.mark.skipif(not shutil.which("update-mime-database"), reason="needs shared-mime-info")
def test_the_system_takes_the_types(tmp_path: Path) -> None:
    (tmp_path / "packages").mkdir()
    shutil.copy(MIME_XML, tmp_path / "packages")
    subprocess.run(["update-mime-database", tmp_path], check=True, capture_output=True)
    assert "*.sdxld" in (tmp_path / "globs2").read_text(encoding="utf-8")


def test_a_project_begins_as_its_type_says(tmp_path: Path) -> None:
    save_project(Project(picture_name="a"), tmp_path / f"a{PROJECT_SUFFIX}")
    prefix = (tmp_path / f"a{PROJECT_SUFFIX}").read_bytes()[:64]
    assert prefix.startswith(b"PK\3\4")
    assert prefix[30:].startswith(MANIFEST_MEMBER.encode())


def test_app_stores_are_told_the_same_name_and_types(desktop_entry: configparser.ConfigParser) -> None:
    root = ElementTree.parse(METAINFO).getroot()
    assert root.findtext("name") == desktop_entry["Desktop Entry"]["Name"]
    assert root.findtext("launchable") == DESKTOP_FILE.name
    assert [each.text for each in root.iter("mediatype")] == list(OWN_TYPES)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert root.findtext("project_license") == project["license"]


@pytest.mark.parametrize(
    "command",
    [["desktop-file-validate", DESKTOP_FILE], ["appstreamcli", "validate", "--no-net", METAINFO]],
    ids=lambda command: str(command[0]),
)
def test_the_tools_of_the_desktops_find_no_error(command: list[str]) -> None:
    if not shutil.which(command[0]):
        pytest.skip(f"needs {command[0]}")
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not [line for line in (said.stdout + said.stderr).splitlines() if line.startswith("E:") or "error:" in line]


def test_macos_is_told_the_same_types() -> None:
    with (PACKAGING / "document_types.plist").open("rb") as file:
        content = plistlib.load(file)
    declared = {}
    for each in content["UTExportedTypeDeclarations"] + content["UTImportedTypeDeclarations"]:
        tags = each["UTTypeTagSpecification"]
        declared[each["UTTypeIdentifier"]] = tags["public.mime-type"][0], tags["public.filename-extension"][0]
    assert dict(declared.values()) == {kind: ending.removeprefix(".") for kind, ending in OWN_TYPES.items()}
    opened = {name for each in content["CFBundleDocumentTypes"] for name in each["LSItemContentTypes"]}
    assert opened == {"public.image", *declared}


def test_what_is_installed_for_the_desktop_is_there() -> None:
    content = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    shared = content["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]
    assert {DESKTOP_FILE, MIME_XML, METAINFO} < {ROOT / file for file in shared}
    assert all((ROOT / file).is_file() for file in shared)
