"""Files of styles: the shipped list, the person's own, and those of AUTOMATIC1111 (CSV) and Fooocus (JSON)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from sdxl_desktop.core.errors import RequestError, SettingsError
from sdxl_desktop.core.file_names import slugify
from sdxl_desktop.core.paths import AppPaths, resources_folder
from sdxl_desktop.core.state_file import read_state, update_state
from sdxl_desktop.core.untrusted_files import UntrustedFileError, read_json, read_limited
from sdxl_desktop.core.untrusted_text import display_text, replace_unencodable
from sdxl_desktop.session.prompt_craft.styles import MAX_NAME, MAX_TEXT, OWN_CATEGORY, Style, StyleSet

MAX_OWN = 5_000
_MAX_BYTES = 8 * 2**20
_SAVE_FAILED = "Your styles could not be saved."


@dataclass(frozen=True, slots=True)
class ImportedStyles:
    """The usable styles of a file, and how many of its entries were skipped because they have no name or no words."""

    styles: tuple[Style, ...]
    skipped: int


class OwnStyles(msgspec.Struct, frozen=True):
    """The content of the file of the person's own styles."""

    styles: tuple[Style, ...] = ()


@dataclass(frozen=True, slots=True)
class StyleStore:
    """The shipped styles and the person's own, of which one with the name of a shipped one takes its place."""

    file: Path
    shipped_folder: Path

    @classmethod
    def of(cls, paths: AppPaths) -> StyleStore:
        return cls(paths.data / "styles.json", resources_folder() / "styles")

    def load(self) -> StyleSet:
        """Return all styles, the shipped ones first. Never raises."""
        own = {style.name: style for style in self.own()}
        shipped = [own.pop(style.name, style) for style in read_shipped(self.shipped_folder)]
        return StyleSet((*shipped, *own.values()))

    def own(self) -> tuple[Style, ...]:
        """Return the person's own styles. Never raises."""
        return read_state(self.file, OwnStyles, OwnStyles()).styles

    def preview(self, style: Style) -> Path | None:
        """Return the shipped picture that shows what `style` does; None if there is none."""
        file = preview_file(self.shipped_folder, style)
        return file if style.category != OWN_CATEGORY and file.is_file() else None

    def save(self, styles: Iterable[Style]) -> None:
        """Add own styles, in place of those of the same names; raises SettingsError."""
        added = {style.name: style for style in styles}

        def change(held: OwnStyles) -> OwnStyles:
            merged = {**{style.name: style for style in held.styles}, **added}
            if len(merged) > MAX_OWN:
                raise SettingsError(
                    "There are too many styles.", why=f"{MAX_OWN} are kept.", next_step="Delete some of your own first."
                )
            return OwnStyles(tuple(merged.values()))

        update_state(self.file, OwnStyles, OwnStyles(), change, _SAVE_FAILED)

    def delete(self, name: str) -> None:
        """Delete an own style; raises SettingsError."""

        def change(held: OwnStyles) -> OwnStyles:
            return OwnStyles(tuple(style for style in held.styles if style.name != name))

        update_state(self.file, OwnStyles, OwnStyles(), change, _SAVE_FAILED)


def preview_file(shipped_folder: Path, style: Style) -> Path:
    """Return where the picture of a shipped style lies, if there is one."""
    return shipped_folder / "previews" / f"{slugify(style.name, 'style')}.webp"


def read_shipped(folder: Path) -> list[Style]:
    """Return the styles in the JSON files of `folder`, in the order of their names; a file that cannot be read is left
    out."""
    found: list[Style] = []
    for file in sorted(folder.glob("*.json")):
        try:
            found += msgspec.json.decode(file.read_bytes(), type=list[Style])
        except (OSError, msgspec.MsgspecError):
            continue
    return found


def read_style_file(file: Path) -> ImportedStyles:
    """Return the styles in a CSV file of AUTOMATIC1111 (name, prompt, negative_prompt) or a JSON file of Fooocus (a
    list of objects with these keys); raises RequestError if it is neither.

    Texts that are too long are cut, names made printable. Of several entries with one name the last is used.
    """
    try:
        rows = _json_rows(file) if file.suffix.lower() == ".json" else _csv_rows(file)
        made = [_style(row, file.stem) for row in rows]
    except UntrustedFileError as problem:
        raise _unusable(file, f"Because {problem}.") from problem
    styles = {style.name: style for style in made if style is not None}
    if not styles:
        raise _unusable(file, "It holds no style with a name and words.")
    if len(styles) > MAX_OWN:
        raise _unusable(file, f"It holds {len(styles)} styles; {MAX_OWN} are read at most.")
    return ImportedStyles(tuple(styles.values()), sum(style is None for style in made))


def _unusable(file: Path, why: str) -> RequestError:
    return RequestError(
        f"{display_text(file.name)} holds no styles that can be imported.",
        why=why,
        next_step="Choose a styles.csv of AUTOMATIC1111 with the columns name, prompt and negative_prompt, or a JSON "
        "file of Fooocus.",
    )


def _json_rows(file: Path) -> list[Mapping[str, Any]]:
    content = read_json(file, _MAX_BYTES)
    if not isinstance(content, list):
        raise UntrustedFileError("it holds no list of styles")
    return [entry if isinstance(entry, dict) else {} for entry in content]


def _csv_rows(file: Path) -> list[Mapping[str, Any]]:
    text = read_limited(file, _MAX_BYTES).decode("utf-8-sig", errors="replace")
    if "\0" in text:
        raise UntrustedFileError("it is no text")
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=False)
    try:
        columns = {(column or "").strip().lower(): column for column in reader.fieldnames or ()}
        if "name" not in columns or not {"prompt", "text"} & columns.keys():
            raise UntrustedFileError("its first line does not name the columns name and prompt")
        names = {"name": "name", "prompt": "prompt" if "prompt" in columns else "text"}
        names["negative_prompt"] = "negative_prompt"
        return [{key: row.get(columns.get(name, "")) for key, name in names.items()} for row in reader]
    except csv.Error as problem:
        raise UntrustedFileError(f"line {reader.line_num} is no CSV") from problem


def _style(row: Mapping[str, Any], file_name: str) -> Style | None:
    """Return the style in an entry of a file; None if it has no name or no words, like the headings in files of
    AUTOMATIC1111."""
    name = display_text(_text(row.get("name")), MAX_NAME - 1)
    prompt, negative = _text(row.get("prompt")), _text(row.get("negative_prompt"))
    if not name or not (prompt or negative):
        return None
    category = display_text(file_name.replace("sdxl_styles_", "").replace("_", " "), 40).strip() or OWN_CATEGORY
    return Style(name=name, prompt=prompt, negative_prompt=negative, category=category.capitalize())


def _text(value: Any) -> str:
    return replace_unencodable(value).strip()[:MAX_TEXT] if isinstance(value, str) else ""
