"""File names keep what a word is written with, and fit every file system."""

from __future__ import annotations

import unicodedata

import pytest

from sdxl_desktop.core.file_names import MAX_BYTES, slugify


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("नमस्ते लोमड़ी", unicodedata.normalize("NFC", "नमस्ते-लोमड़ी")),
        ("cafe\u0301 mu\u0308ller", "café-müller"),
        ("สวัสดี", "สวัสดี"),
        ("تمرینِ می\u200cخواهم", "تمرینِ-می\u200cخواهم"),
        ("A Red, red FOX!  (masterpiece:1.2)", "a-red-red-fox-masterpiece-1-2"),
        ("❤️ fox 🦊", "fox"),
        ("../../etc/passwd\x00", "etc-passwd"),
        ('con: a|b?*"<>', "con-a-b"),
        ("\u0301\u200d ", "picture"),
        ("", "picture"),
    ],
)
def test_words_of_every_script_become_a_name(words: str, name: str) -> None:
    assert slugify(words, "picture") == name


@pytest.mark.parametrize("letter", ["a", "ü", "कि", "ड़\u093c", "🦊x", "漢", "e\u0301\u0323\u0302"])
def test_a_name_is_bounded_in_bytes_and_ends_between_letters(letter: str) -> None:
    whole = slugify(letter * 300, "picture")
    assert 0 < len(whole.encode()) <= MAX_BYTES
    assert unicodedata.normalize("NFC", letter * 300).replace("🦊", "-").strip("-").startswith(whole)
    rest = unicodedata.normalize("NFC", letter * 300).replace("🦊", "-").strip("-")[len(whole) :]
    assert not unicodedata.category(rest[0]).startswith("M"), "no mark was cut off its letter"
