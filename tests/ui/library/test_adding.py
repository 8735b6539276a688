"""What is offered before anything starts: the catalogue's cards, the sheet, the token, and what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog
from pytestqt.qtbot import QtBot

from sdxl_desktop.core.errors import CheckpointError
from sdxl_desktop.library.catalogue import Entry, Kind, catalogue
from sdxl_desktop.library.convert.weights import WeightFormat
from sdxl_desktop.library.hub.errors import AccessError, ConnectionLostError
from sdxl_desktop.library.hub.tokens import find_token, keep_token
from sdxl_desktop.ui.library import entry_cards
from sdxl_desktop.ui.library.offer_sheet import OfferSheet
from sdxl_desktop.ui.library.page import LibraryPage
from sdxl_desktop.ui.library.token_field import TokenDialog
from sdxl_desktop.ui.main_window import MainWindow
from tests.memory_keyring import MemoryKeyring, used_keyring
from tests.ui.library.conftest import (
    LEFT,
    MB,
    OpenWindow,
    PretendHands,
    an_offer,
    forecasts,
    press,
    the_page,
    the_sheet,
)

GB = 10**9
FORBIDDEN = AccessError("The hub keeps it back.", why="It wants to know who asks.", next_step="Give a token.")


def ask(page: LibraryPage, qtbot: QtBot, what: str) -> None:
    """Type it and press Enter."""
    qtbot.mouseClick(page.add, LEFT)
    page.adding.edit.clear()
    qtbot.keyClicks(page.adding.edit, what)
    qtbot.keyClick(page.adding.edit, Qt.Key.Key_Return)


def entry(name: str) -> Entry:
    return next(entry for entry in catalogue() if entry.id == name)


# the catalogue


def test_every_known_checkpoint_has_a_card_that_says_what_it_is(page: LibraryPage, qtbot: QtBot) -> None:
    qtbot.mouseClick(page.add, LEFT)
    assert [card.entry.id for card in page.adding.cards] == [
        known.id for known in catalogue() if known.kind is not Kind.SHIPPED
    ]
    said = next(card.text() for card in page.adding.cards if card.entry.id == "ssd-1b")
    for words in ("Half the size of SDXL", "4.5 GB to download", "7.9 GB of memory", "Apache License 2.0"):
        assert words in said


def test_a_card_does_not_claim_what_could_not_be_verified() -> None:
    unsure = [known for known in catalogue() if "download_bytes" in known.unverified]
    assert unsure
    assert not any("download" in entry_cards.facts(known) for known in unsure)
    licences = [known for known in catalogue() if "licence" in known.unverified]
    assert licences
    for known in licences:
        assert "read its licence on its page" in entry_cards.facts(known)


def test_a_card_says_whether_it_fits_this_computer() -> None:
    assert entry_cards.fit(entry("sdxl-base"), 32 * GB).tone == "good"
    little = entry_cards.fit(entry("sdxl-base"), 8 * GB)
    assert little.tone == "bad"
    assert "8.0 GB" in little.words
    assert entry_cards.fit(entry("vae-fp16-fix"), 8 * GB).words == ""


def test_a_card_leads_to_its_sheet(window: MainWindow, page: LibraryPage, hands: PretendHands, qtbot: QtBot) -> None:
    qtbot.mouseClick(page.add, LEFT)
    card = next(card for card in page.adding.cards if card.entry.id == "sdxl-base")
    qtbot.mouseClick(card.get, LEFT)
    sheet = the_sheet(window, qtbot)
    assert hands.asked == ["sdxl-base"]
    assert "OpenRAIL++-M" in sheet.text()
    assert "SDXL base" in sheet.windowTitle()


# the sheet


def test_a_typed_id_is_looked_up_and_nothing_starts_before_it_is_agreed_on(
    window: MainWindow, page: LibraryPage, hands: PretendHands, qtbot: QtBot
) -> None:
    ask(page, qtbot, "someone/tiny-xl")
    sheet = the_sheet(window, qtbot)
    for words in ("https://huggingface.co/someone/tiny-xl", "mit", "30 MB"):
        assert words in sheet.text()
    assert hands.begun == []
    qtbot.keyClick(sheet, Qt.Key.Key_Escape)
    assert hands.begun == []
    assert window.library.verbs.bringing.jobs == ()


def test_the_formats_stand_side_by_side_and_the_suggested_one_is_marked_and_seen(
    window: MainWindow, page: LibraryPage, hands: PretendHands, qtbot: QtBot
) -> None:
    ask(page, qtbot, "someone/tiny-xl")
    sheet = the_sheet(window, qtbot)
    lines = sheet.formats.lines()
    assert len(lines) == 4
    assert [line.endswith("suggested") for line in lines] == [False, False, True, False]
    assert "20 MB on the disk" in lines[0]
    assert "about 2 min" in lines[1]
    assert sheet.formats.button(WeightFormat.INT8).isChecked()
    qtbot.keyClick(sheet.formats.button(WeightFormat.INT8), Qt.Key.Key_Up)
    qtbot.mouseClick(sheet.start, LEFT)
    qtbot.waitUntil(lambda: hands.begun == [("tiny-xl", WeightFormat.FP16)])


def test_where_nothing_is_suggested_the_person_has_to_choose(
    window: MainWindow, page: LibraryPage, hands: PretendHands, qtbot: QtBot
) -> None:
    hands.offers["someone/large"] = an_offer("someone/large", suggested=None)
    ask(page, qtbot, "someone/large")
    sheet = the_sheet(window, qtbot)
    assert not sheet.start.isEnabled()
    qtbot.keyClick(sheet, Qt.Key.Key_Return)
    assert sheet.isVisible()
    qtbot.mouseClick(sheet.formats.button(WeightFormat.INT4), LEFT)
    assert sheet.start.isEnabled()


def test_a_name_that_is_taken_or_cannot_be_is_told_at_once(window: MainWindow, page: LibraryPage, qtbot: QtBot) -> None:
    ask(page, qtbot, "someone/tiny-xl")
    sheet = the_sheet(window, qtbot)
    for name, said in (("mine", "already"), ("a/b", "folder"), ("", "folder")):
        sheet.name.selectAll()
        sheet.name.clear()
        qtbot.keyClicks(sheet.name, name)
        assert not sheet.start.isEnabled(), name
        assert said in sheet.text()
    qtbot.keyClicks(sheet.name, "another")
    assert sheet.start.isEnabled()


def test_too_little_room_on_the_disk_is_told_before_it_starts(
    window: MainWindow, page: LibraryPage, hands: PretendHands, qtbot: QtBot
) -> None:
    hands.offers["someone/huge"] = an_offer("someone/huge", forecasts=forecasts(10**18))
    ask(page, qtbot, "someone/huge")
    sheet = the_sheet(window, qtbot)
    assert "Not enough room on the disk" in sheet.text()
    assert not sheet.start.isEnabled()


def test_what_is_here_already_is_not_counted_again(
    window: MainWindow, page: LibraryPage, hands: PretendHands, qtbot: QtBot
) -> None:
    hands.offers["someone/half"] = an_offer("someone/half", kept_bytes=20 * MB)
    ask(page, qtbot, "someone/half")
    sheet = the_sheet(window, qtbot)
    assert "10 MB more, 20 MB are here already" in sheet.text()
    assert sheet.needed_disk() == 15 * MB  # ten to come, and five that int8 takes


def test_what_need_not_be_imported_says_what_to_do_instead(
    window: MainWindow, page: LibraryPage, hands: PretendHands, qtbot: QtBot
) -> None:
    hands.offers["someone/lora"] = an_offer("someone/lora", forecasts={}, suggested=None, advice="It is a LoRA.")
    ask(page, qtbot, "someone/lora")
    sheet = the_sheet(window, qtbot)
    assert "It is a LoRA." in sheet.text()
    assert not sheet.start.isVisible()


# files and folders


def test_a_file_and_a_folder_can_be_picked(
    window: MainWindow,
    page: LibraryPage,
    hands: PretendHands,
    qtbot: QtBot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file, folder = tmp_path / "a.safetensors", tmp_path / "folder"
    hands.offers = {str(file): an_offer(), str(folder): an_offer()}
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(file), ""))
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    qtbot.mouseClick(page.add, LEFT)
    for words in ("File", "Folder"):
        press(qtbot, page, words)
        the_sheet(window, qtbot).reject()
        qtbot.waitUntil(lambda: not window.findChildren(OfferSheet))
    assert hands.asked == [str(file), str(folder)]


# what can go wrong


def test_what_cannot_be_found_is_told_on_the_page(page: LibraryPage, hands: PretendHands, qtbot: QtBot) -> None:
    hands.offers["nonsense"] = CheckpointError("Nothing is called so.", next_step="Give an id.")
    ask(page, qtbot, "nonsense")
    qtbot.waitUntil(page.adding.problem.isVisible)
    assert "Nothing is called so." in page.adding.problem.accessibleName()
    assert not page.adding.token.isVisible()


def test_a_lost_connection_can_be_tried_again(
    window: MainWindow, page: LibraryPage, hands: PretendHands, qtbot: QtBot
) -> None:
    hands.offers["someone/tiny-xl"] = ConnectionLostError("The hub cannot be reached.")
    ask(page, qtbot, "someone/tiny-xl")
    qtbot.waitUntil(page.adding.problem.isVisible)
    del hands.offers["someone/tiny-xl"]
    press(qtbot, page, "Try again")
    assert the_sheet(window, qtbot).isVisible()


def test_looking_up_can_be_stopped(page: LibraryPage, hands: PretendHands, qtbot: QtBot) -> None:
    hands.answer.clear()
    ask(page, qtbot, "someone/tiny-xl")
    qtbot.waitUntil(page.adding.stop.isVisible)
    press(qtbot, page, "Stop")
    qtbot.waitUntil(lambda: not page.adding.stop.isVisible())
    assert not page.adding.problem.isVisible()


@pytest.fixture
def drawer() -> Iterator[MemoryKeyring]:
    mine = MemoryKeyring()
    with used_keyring(mine):
        yield mine


def test_where_the_hub_wants_to_know_who_asks_a_token_is_kept_and_it_is_asked_again(
    window: MainWindow, page: LibraryPage, hands: PretendHands, drawer: MemoryKeyring, qtbot: QtBot
) -> None:
    hands.offers["someone/gated"] = FORBIDDEN
    ask(page, qtbot, "someone/gated")
    qtbot.waitUntil(page.adding.token.isVisible)
    hands.offers["someone/gated"] = an_offer("someone/gated")
    qtbot.keyClicks(page.adding.token.edit, "hf_secret")
    qtbot.keyClick(page.adding.token.edit, Qt.Key.Key_Return)
    assert the_sheet(window, qtbot).isVisible()
    assert find_token().value == "hf_secret"
    assert page.adding.token.edit.text() == ""


def test_a_token_that_cannot_be_kept_is_told_and_stays_typed(
    page: LibraryPage, hands: PretendHands, drawer: MemoryKeyring, qtbot: QtBot
) -> None:
    hands.offers["someone/gated"] = FORBIDDEN
    ask(page, qtbot, "someone/gated")
    qtbot.waitUntil(page.adding.token.isVisible)
    qtbot.keyClicks(page.adding.token.edit, "not a token!")
    press(qtbot, page, "Keep token")
    qtbot.waitUntil(lambda: "cannot be a token" in page.adding.token.said())
    assert page.adding.token.edit.text() == "not a token!"
    assert drawer.kept == {}


def test_a_gated_repository_says_where_to_accept_its_licence(
    window: MainWindow, page: LibraryPage, hands: PretendHands, drawer: MemoryKeyring, qtbot: QtBot
) -> None:
    hands.offers["someone/gated"] = an_offer("someone/gated", gated=True)
    ask(page, qtbot, "someone/gated")
    sheet = the_sheet(window, qtbot)
    assert sheet.token.isVisible()
    assert sheet.token.page == "https://huggingface.co/someone/gated"
    qtbot.keyClicks(sheet.token.edit, "hf_mine")
    press(qtbot, sheet, "Keep token")
    qtbot.waitUntil(lambda: "kept" in sheet.token.said())
    assert sheet.isVisible()


def test_a_gated_one_that_was_dropped_opens_the_page_for_the_token(
    own: Path, open_window: OpenWindow, hands: PretendHands, drawer: MemoryKeyring, qtbot: QtBot
) -> None:
    hands.offers["someone/gated"] = FORBIDDEN
    window = open_window()
    window.library.verbs.look_up("someone/gated")
    qtbot.waitUntil(lambda: bool(window.findChildren(LibraryPage)) and the_page(window).adding.token.isVisible())


def test_asking_twice_for_the_same_offers_it_once(
    window: MainWindow, page: LibraryPage, hands: PretendHands, qtbot: QtBot
) -> None:
    hands.answer.clear()
    ask(page, qtbot, "someone/tiny-xl")
    qtbot.waitUntil(lambda: len(hands.asked) == 1)
    qtbot.keyClick(page.adding.edit, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: len(hands.asked) == 2)
    qtbot.wait(20)
    assert page.adding.stop.isVisible(), "it is still being looked up"
    hands.answer.set()
    the_sheet(window, qtbot)
    assert sum(sheet.isVisible() for sheet in window.findChildren(OfferSheet)) == 1
    assert not page.adding.stop.isVisible()


def test_a_kept_token_can_be_forgotten(
    page: LibraryPage, hands: PretendHands, drawer: MemoryKeyring, qtbot: QtBot
) -> None:
    keep_token("hf_mine")
    hands.offers["someone/gated"] = FORBIDDEN
    ask(page, qtbot, "someone/gated")
    qtbot.waitUntil(page.adding.token.forget.isVisible)
    press(qtbot, page, "Forget it")
    qtbot.waitUntil(lambda: "was removed" in page.adding.token.said())
    assert drawer.kept == {}
    assert not page.adding.token.forget.isVisible()


def test_a_kept_token_can_be_forgotten_in_the_settings(window: MainWindow, drawer: MemoryKeyring, qtbot: QtBot) -> None:
    keep_token("hf_mine")
    settings = window.open_settings()
    press(qtbot, settings, "Token for the hub")
    (dialog,) = settings.findChildren(TokenDialog)
    qtbot.waitUntil(dialog.field.forget.isVisible)
    press(qtbot, dialog, "Forget it")
    qtbot.waitUntil(lambda: "was removed" in dialog.field.said())
    assert drawer.kept == {}
    settings.reject()
