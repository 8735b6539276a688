"""Before an import starts: the catalogue's cards, the import dialog, the token, and errors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog
from pytestqt.qtbot import QtBot

from sdxl_desktop.core.errors import CheckpointError
from sdxl_desktop.library.catalogue import CatalogueEntry, CatalogueKind, catalogue
from sdxl_desktop.library.convert.weight_format import WeightFormat
from sdxl_desktop.library.hub.access_token import find_token, store_token
from sdxl_desktop.library.hub.hub_errors import AccessError, ConnectionLostError
from sdxl_desktop.ui.library import catalogue_cards
from sdxl_desktop.ui.library.import_dialog import ImportDialog
from sdxl_desktop.ui.library.library_dialog import LibraryDialog
from sdxl_desktop.ui.library.token_field import TokenDialog
from sdxl_desktop.ui.main_window import MainWindow
from tests.memory_keyring import MemoryKeyring, used_keyring
from tests.ui.library.conftest import (
    LEFT,
    MB,
    FakeLibraryService,
    OpenWindow,
    current_dialog,
    current_import_dialog,
    forecasts,
    make_preview,
    press,
)

pytestmark = pytest.mark.usefixtures("plain_style")

GB = 10**9
FORBIDDEN = AccessError("The hub keeps it back.", why="It wants to know who asks.", next_step="Give a token.")


def resolve_query(page: LibraryDialog, qtbot: QtBot, what: str) -> None:
    """Type the query and press Enter."""
    qtbot.mouseClick(page.add_button, LEFT)
    page.add_panel.query_edit.clear()
    qtbot.keyClicks(page.add_panel.query_edit, what)
    qtbot.keyClick(page.add_panel.query_edit, Qt.Key.Key_Return)


def entry(name: str) -> CatalogueEntry:
    return next(entry for entry in catalogue() if entry.id == name)


# the catalogue


def test_every_known_checkpoint_has_a_card_that_says_what_it_is(page: LibraryDialog, qtbot: QtBot) -> None:
    qtbot.mouseClick(page.add_button, LEFT)
    assert [card.entry.id for card in page.add_panel.cards] == [
        known.id for known in catalogue() if known.kind is not CatalogueKind.SHIPPED
    ]
    message = next(card.text() for card in page.add_panel.cards if card.entry.id == "ssd-1b")
    for words in ("Half the size of SDXL", "4.5 GB to download", "7.9 GB of memory", "Apache License 2.0"):
        assert words in message


def test_a_card_does_not_claim_what_could_not_be_verified() -> None:
    unsure = [known for known in catalogue() if "download_bytes" in known.unverified]
    assert unsure
    assert not any("download" in catalogue_cards.entry_summary(known) for known in unsure)
    licences = [known for known in catalogue() if "licence" in known.unverified]
    assert licences
    for known in licences:
        assert "read its licence on its page" in catalogue_cards.entry_summary(known)


def test_a_card_says_whether_it_fits_this_computer() -> None:
    assert catalogue_cards.memory_fit(entry("sdxl-base"), 32 * GB).tone == "good"
    little = catalogue_cards.memory_fit(entry("sdxl-base"), 8 * GB)
    assert little.tone == "bad"
    assert "8.0 GB" in little.text
    assert catalogue_cards.memory_fit(entry("vae-fp16-fix"), 8 * GB).text == ""


def test_a_card_leads_to_its_dialog(
    window: MainWindow, page: LibraryDialog, library_service: FakeLibraryService, qtbot: QtBot
) -> None:
    qtbot.mouseClick(page.add_button, LEFT)
    card = next(card for card in page.add_panel.cards if card.entry.id == "sdxl-base")
    qtbot.mouseClick(card.get_button, LEFT)
    import_dialog = current_import_dialog(window, qtbot)
    assert library_service.queries == ["sdxl-base"]
    assert "OpenRAIL++-M" in import_dialog.text()
    assert "SDXL base" in import_dialog.windowTitle()


# the import dialog


def test_a_typed_id_is_looked_up_and_nothing_starts_before_it_is_agreed_on(
    window: MainWindow, page: LibraryDialog, library_service: FakeLibraryService, qtbot: QtBot
) -> None:
    resolve_query(page, qtbot, "someone/tiny-xl")
    import_dialog = current_import_dialog(window, qtbot)
    for words in ("https://huggingface.co/someone/tiny-xl", "mit", "30 MB"):
        assert words in import_dialog.text()
    assert library_service.started_imports == []
    qtbot.keyClick(import_dialog, Qt.Key.Key_Escape)
    assert library_service.started_imports == []
    assert window.library_controller.actions.jobs.jobs == ()


def test_the_formats_stand_side_by_side_and_the_suggested_one_is_marked_and_seen(
    window: MainWindow, page: LibraryDialog, library_service: FakeLibraryService, qtbot: QtBot
) -> None:
    resolve_query(page, qtbot, "someone/tiny-xl")
    import_dialog = current_import_dialog(window, qtbot)
    lines = import_dialog.format_table.row_texts()
    assert len(lines) == 4
    assert [line.endswith("suggested") for line in lines] == [False, False, True, False]
    assert "20 MB on the disk" in lines[0]
    assert "about 2 min" in lines[1]
    assert import_dialog.format_table.button(WeightFormat.INT8).isChecked()
    qtbot.keyClick(import_dialog.format_table.button(WeightFormat.INT8), Qt.Key.Key_Up)
    qtbot.mouseClick(import_dialog.start_button, LEFT)
    qtbot.waitUntil(lambda: library_service.started_imports == [("tiny-xl", WeightFormat.FP16)])


def test_where_nothing_is_suggested_the_user_has_to_choose(
    window: MainWindow, page: LibraryDialog, library_service: FakeLibraryService, qtbot: QtBot
) -> None:
    library_service.previews["someone/large"] = make_preview("someone/large", suggested_format=None)
    resolve_query(page, qtbot, "someone/large")
    import_dialog = current_import_dialog(window, qtbot)
    assert not import_dialog.start_button.isEnabled()
    qtbot.keyClick(import_dialog, Qt.Key.Key_Return)
    assert import_dialog.isVisible()
    qtbot.mouseClick(import_dialog.format_table.button(WeightFormat.INT4), LEFT)
    assert import_dialog.start_button.isEnabled()


def test_a_name_that_is_taken_or_cannot_be_is_reported_at_once(
    window: MainWindow, page: LibraryDialog, qtbot: QtBot
) -> None:
    resolve_query(page, qtbot, "someone/tiny-xl")
    import_dialog = current_import_dialog(window, qtbot)
    for name, message in (("mine", "already"), ("a/b", "folder"), ("", "folder")):
        import_dialog.name_edit.selectAll()
        import_dialog.name_edit.clear()
        qtbot.keyClicks(import_dialog.name_edit, name)
        assert not import_dialog.start_button.isEnabled(), name
        assert message in import_dialog.text()
    qtbot.keyClicks(import_dialog.name_edit, "another")
    assert import_dialog.start_button.isEnabled()


def test_too_little_room_on_the_disk_is_reported_before_it_starts(
    window: MainWindow, page: LibraryDialog, library_service: FakeLibraryService, qtbot: QtBot
) -> None:
    library_service.previews["someone/huge"] = make_preview("someone/huge", estimates=forecasts(10**18))
    resolve_query(page, qtbot, "someone/huge")
    import_dialog = current_import_dialog(window, qtbot)
    assert "Not enough room on the disk" in import_dialog.text()
    assert not import_dialog.start_button.isEnabled()


def test_what_is_here_already_is_not_counted_again(
    window: MainWindow, page: LibraryDialog, library_service: FakeLibraryService, qtbot: QtBot
) -> None:
    library_service.previews["someone/half"] = make_preview("someone/half", downloaded_bytes=20 * MB)
    resolve_query(page, qtbot, "someone/half")
    import_dialog = current_import_dialog(window, qtbot)
    assert "10 MB more, 20 MB are here already" in import_dialog.text()
    assert import_dialog.required_disk_bytes() == 15 * MB  # ten to download, and five for the int8 output


def test_what_need_not_be_imported_says_what_to_do_instead(
    window: MainWindow, page: LibraryDialog, library_service: FakeLibraryService, qtbot: QtBot
) -> None:
    library_service.previews["someone/lora"] = make_preview(
        "someone/lora", estimates={}, suggested_format=None, advice="It is a LoRA."
    )
    resolve_query(page, qtbot, "someone/lora")
    import_dialog = current_import_dialog(window, qtbot)
    assert "It is a LoRA." in import_dialog.text()
    assert not import_dialog.start_button.isVisible()


# files and folders


def test_a_file_and_a_folder_can_be_picked(
    window: MainWindow,
    page: LibraryDialog,
    library_service: FakeLibraryService,
    qtbot: QtBot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file, folder = tmp_path / "a.safetensors", tmp_path / "folder"
    library_service.previews = {str(file): make_preview(), str(folder): make_preview()}
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(file), ""))
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    qtbot.mouseClick(page.add_button, LEFT)
    for words in ("File", "Folder"):
        press(qtbot, page, words)
        current_import_dialog(window, qtbot).reject()
        qtbot.waitUntil(lambda: not window.findChildren(ImportDialog))
    assert library_service.queries == [str(file), str(folder)]


# errors


def test_what_cannot_be_found_is_reported_on_the_page(
    page: LibraryDialog, library_service: FakeLibraryService, qtbot: QtBot
) -> None:
    library_service.previews["nonsense"] = CheckpointError("Nothing is called so.", next_step="Give an id.")
    resolve_query(page, qtbot, "nonsense")
    qtbot.waitUntil(page.add_panel.error_notice.isVisible)
    assert "Nothing is called so." in page.add_panel.error_notice.accessibleName()
    assert not page.add_panel.token_field.isVisible()


def test_a_lost_connection_can_be_tried_again(
    window: MainWindow, page: LibraryDialog, library_service: FakeLibraryService, qtbot: QtBot
) -> None:
    library_service.previews["someone/tiny-xl"] = ConnectionLostError("The hub cannot be reached.")
    resolve_query(page, qtbot, "someone/tiny-xl")
    qtbot.waitUntil(page.add_panel.error_notice.isVisible)
    del library_service.previews["someone/tiny-xl"]
    press(qtbot, page, "Try again")
    assert current_import_dialog(window, qtbot).isVisible()


def test_looking_up_can_be_stopped(page: LibraryDialog, library_service: FakeLibraryService, qtbot: QtBot) -> None:
    library_service.may_resolve.clear()
    resolve_query(page, qtbot, "someone/tiny-xl")
    qtbot.waitUntil(page.add_panel.stop_button.isVisible)
    press(qtbot, page, "Stop")
    qtbot.waitUntil(lambda: not page.add_panel.stop_button.isVisible())
    assert not page.add_panel.error_notice.isVisible()


@pytest.fixture
def memory_keyring() -> Iterator[MemoryKeyring]:
    mine = MemoryKeyring()
    with used_keyring(mine):
        yield mine


def test_where_the_hub_wants_to_know_who_asks_a_token_is_kept_and_it_is_asked_again(
    window: MainWindow,
    page: LibraryDialog,
    library_service: FakeLibraryService,
    memory_keyring: MemoryKeyring,
    qtbot: QtBot,
) -> None:
    library_service.previews["someone/gated"] = FORBIDDEN
    resolve_query(page, qtbot, "someone/gated")
    qtbot.waitUntil(page.add_panel.token_field.isVisible)
    library_service.previews["someone/gated"] = make_preview("someone/gated")
    qtbot.keyClicks(page.add_panel.token_field.token_edit, "hf_secret")
    qtbot.keyClick(page.add_panel.token_field.token_edit, Qt.Key.Key_Return)
    assert current_import_dialog(window, qtbot).isVisible()
    assert find_token().value == "hf_secret"
    assert page.add_panel.token_field.token_edit.text() == ""


def test_a_token_that_cannot_be_kept_is_reported_and_stays_typed(
    page: LibraryDialog, library_service: FakeLibraryService, memory_keyring: MemoryKeyring, qtbot: QtBot
) -> None:
    library_service.previews["someone/gated"] = FORBIDDEN
    resolve_query(page, qtbot, "someone/gated")
    qtbot.waitUntil(page.add_panel.token_field.isVisible)
    qtbot.keyClicks(page.add_panel.token_field.token_edit, "not a token!")
    press(qtbot, page, "Keep token")
    qtbot.waitUntil(lambda: "cannot be a token" in page.add_panel.token_field.status_text())
    assert page.add_panel.token_field.token_edit.text() == "not a token!"
    assert memory_keyring.kept == {}


def test_a_gated_repository_says_where_to_accept_its_licence(
    window: MainWindow,
    page: LibraryDialog,
    library_service: FakeLibraryService,
    memory_keyring: MemoryKeyring,
    qtbot: QtBot,
) -> None:
    library_service.previews["someone/gated"] = make_preview("someone/gated", gated=True)
    resolve_query(page, qtbot, "someone/gated")
    import_dialog = current_import_dialog(window, qtbot)
    assert import_dialog.token_field.isVisible()
    assert import_dialog.token_field.page_url == "https://huggingface.co/someone/gated"
    qtbot.keyClicks(import_dialog.token_field.token_edit, "hf_mine")
    press(qtbot, import_dialog, "Keep token")
    qtbot.waitUntil(lambda: "kept" in import_dialog.token_field.status_text())
    assert import_dialog.isVisible()


def test_a_gated_one_that_was_dropped_opens_the_page_for_the_token(
    own: Path, open_window: OpenWindow, library_service: FakeLibraryService, memory_keyring: MemoryKeyring, qtbot: QtBot
) -> None:
    library_service.previews["someone/gated"] = FORBIDDEN
    window = open_window()
    window.library_controller.actions.resolve("someone/gated")
    qtbot.waitUntil(
        lambda: bool(window.findChildren(LibraryDialog)) and current_dialog(window).add_panel.token_field.isVisible()
    )


def test_asking_twice_for_the_same_offers_it_once(
    window: MainWindow, page: LibraryDialog, library_service: FakeLibraryService, qtbot: QtBot
) -> None:
    library_service.may_resolve.clear()
    resolve_query(page, qtbot, "someone/tiny-xl")
    qtbot.waitUntil(lambda: len(library_service.queries) == 1)
    qtbot.keyClick(page.add_panel.query_edit, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: len(library_service.queries) == 2)
    qtbot.wait(20)
    assert page.add_panel.stop_button.isVisible(), "it is still being looked up"
    library_service.may_resolve.set()
    current_import_dialog(window, qtbot)
    assert sum(import_dialog.isVisible() for import_dialog in window.findChildren(ImportDialog)) == 1
    assert not page.add_panel.stop_button.isVisible()


def test_a_kept_token_can_be_forgotten(
    page: LibraryDialog, library_service: FakeLibraryService, memory_keyring: MemoryKeyring, qtbot: QtBot
) -> None:
    store_token("hf_mine")
    library_service.previews["someone/gated"] = FORBIDDEN
    resolve_query(page, qtbot, "someone/gated")
    qtbot.waitUntil(page.add_panel.token_field.forget_button.isVisible)
    press(qtbot, page, "Forget it")
    qtbot.waitUntil(lambda: "was removed" in page.add_panel.token_field.status_text())
    assert memory_keyring.kept == {}
    assert not page.add_panel.token_field.forget_button.isVisible()


def test_a_kept_token_can_be_forgotten_in_the_settings(
    window: MainWindow, memory_keyring: MemoryKeyring, qtbot: QtBot
) -> None:
    store_token("hf_mine")
    settings = window.open_settings()
    press(qtbot, settings, "Token for the hub")
    (dialog,) = settings.findChildren(TokenDialog)
    qtbot.waitUntil(dialog.token_field.forget_button.isVisible)
    press(qtbot, dialog, "Forget it")
    qtbot.waitUntil(lambda: "was removed" in dialog.token_field.status_text())
    assert memory_keyring.kept == {}
    settings.reject()
