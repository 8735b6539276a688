"""Highlights prompt syntax: emphasis, breaks, embeddings, variants, and errors."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from enum import IntEnum, auto
from typing import NamedTuple, Protocol

from PySide6.QtGui import QColor, QFont, QPalette, QSyntaxHighlighter, QTextCharFormat
from PySide6.QtWidgets import QPlainTextEdit

from sdxl_desktop.core.lora_tags import LoraTag, TagUse, find_tags, parse_typed_prompt
from sdxl_desktop.core.prompt_chunks import split_at_tokens
from sdxl_desktop.core.prompt_grammar import ParsedPrompt, PromptProblem, Severity
from sdxl_desktop.core.prompt_template import parse_template
from sdxl_desktop.core.untrusted_text import display_text

_MIN_TINT, _MAX_TINT = 0.10, 0.42
_MAX_TINT_WEIGHT = 2.0
_MAX_FADE_WEIGHT = 0.5


class Utf16Positions:
    """Maps between Python's characters and Qt's UTF-16 code units; an emoji has two."""

    def __init__(self, text: str) -> None:
        self._utf16_offsets: list[int] | None = None
        self._length = len(text)
        if any(letter > "\uffff" for letter in text):
            self._utf16_offsets = [0]
            for letter in text:
                self._utf16_offsets.append(self._utf16_offsets[-1] + (2 if letter > "\uffff" else 1))

    def to_qt(self, position: int) -> int:
        return position if self._utf16_offsets is None else self._utf16_offsets[position]

    def from_qt(self, position: int) -> int:
        """Return the character that a code unit belongs to."""
        if self._utf16_offsets is None:
            return min(position, self._length)
        low, high = 0, self._length
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self._utf16_offsets[middle] <= position else (low, middle - 1)
        return low


class VariantExamples(Protocol):
    """Says what the variants and wildcards of a prompt become."""

    def example(self, text: str) -> str:
        """Return a sentence with examples of what `text`, a variant or wildcard, becomes."""

    def problems(self, text: str) -> tuple[PromptProblem, ...]:
        """Return the problems of the wildcards in a prompt."""


class _StyleKind(IntEnum):
    """Styles of characters; a later one is applied over an earlier one."""

    WORDS = auto()
    EMBEDDING = auto()
    VARIANT = auto()
    MARKUP = auto()
    BREAK = auto()
    WARNING = auto()
    ERROR = auto()


class _Style(NamedTuple):
    kind: _StyleKind
    weight: float = 1.0


class _StyledRange(NamedTuple):
    """The range `start` to `end` (exclusive), in Qt's units, with the same styles."""

    start: int
    end: int
    styles: tuple[_Style, ...]


class PromptHighlighter(QSyntaxHighlighter):
    """Highlights the prompt in an edit. Problems can be queried by position."""

    def __init__(self, edit: QPlainTextEdit) -> None:
        super().__init__(edit)
        self._palette = edit.palette()
        self._formats: dict[tuple[_Style, ...], QTextCharFormat] = {}
        self._tokens: tuple[str, ...] = ()
        self._tag_use = TagUse.LOAD
        self._knows_lora: Callable[[str], bool] = lambda name: True
        self._tag_spans: tuple[tuple[int, int], ...] = ()
        self._variants: VariantExamples | None = None
        self._variant_spans: tuple[tuple[int, int], ...] = ()
        self._problems: tuple[PromptProblem, ...] = ()
        self._is_up_to_date = True
        self._parsed: ParsedPrompt | None = None
        self._positions = Utf16Positions("")
        self._ranges: list[_StyledRange] = []
        edit.document().contentsChange.connect(self._invalidate)  # before the highlighter's own slot
        self.setDocument(edit.document())
        edit.document().contentsChanged.connect(self._rehighlight_after_change)

    def set_palette(self, palette: QPalette) -> None:
        """Take the colours from this palette."""
        if palette != self._palette:
            self._palette = palette
            self._formats.clear()
            self.rehighlight()

    def set_tags(self, use: TagUse, knows_lora: Callable[[str], bool] = lambda name: True) -> None:
        """Set what becomes of LoRA tags, and which names the library knows; highlights the prompt again."""
        self._tag_use, self._knows_lora = use, knows_lora
        self._parsed = None
        self.rehighlight()

    def set_embeddings(self, tokens: Iterable[str]) -> None:
        """Highlight these words as embeddings."""
        if tuple(tokens) != self._tokens:
            self._tokens = tuple(tokens)
            self._parsed = None
            self.rehighlight()

    def set_variants(self, variants: VariantExamples | None) -> None:
        """Highlight variants and wildcards, whose wildcards may have changed; None: they are text."""
        self._variants = variants
        self._parsed = None
        self.rehighlight()

    @property
    def problems(self) -> tuple[PromptProblem, ...]:
        """The problems, with positions in Python's characters."""
        self._current_parse()
        return self._problems

    def tooltip_at(self, position: int) -> str:
        """Return the problem at a Qt position, an error before a warning, else examples of the variant there; "" if
        there is neither."""
        problems = self.problems
        at = self._positions.from_qt(position)
        there = [problem for problem in problems if problem.start <= at < problem.end]
        if there:
            return str(min(there, key=lambda problem: problem.severity is not Severity.ERROR))
        text = self.document().toPlainText()
        spans = (text[start:end] for start, end in self._variant_spans if start <= at < end)
        return next((self._variants.example(span) for span in spans if self._variants is not None), "")

    def highlightBlock(self, text: str) -> None:
        self._current_parse()
        first = self.currentBlock().position()
        last = first + self.currentBlock().length() - 1
        for at in range(bisect_right(self._ranges, first, key=lambda run: run.end), len(self._ranges)):
            start, end, styles = self._ranges[at]
            if start >= last:
                break
            start, end = max(start, first), min(end, last)
            self.setFormat(start - first, end - start, self._merged_format(styles))

    def _current_parse(self) -> ParsedPrompt:
        """Parse the current text. The whole prompt is parsed, since brackets span lines."""
        return self._parsed or self._reparse()

    def _reparse(self) -> ParsedPrompt:
        text = self.document().toPlainText()
        reading = parse_typed_prompt(text, self._tag_use)
        tags = find_tags(text) if self._tag_use is TagUse.LOAD else ()
        variants = parse_template(text) if self._variants is not None else None
        spans = variants.spans if variants is not None else ()
        unknown = (_unknown_lora(tag) for tag in tags if tag.name and not self._knows_lora(tag.name))
        of_tags = {tag.start for tag in tags if any(start < tag.end and tag.start < end for start, end in spans)}
        problems = (one for one in (*reading.problems, *unknown) if one.start not in of_tags)
        reading = self._parsed = replace(reading, problems=tuple(problems))
        self._positions = Utf16Positions(text)
        self._tag_spans = tuple((tag.start, tag.end) for tag in tags)
        self._problems, self._variant_spans = reading.problems, spans
        if self._variants is not None and variants is not None:
            found = (*reading.problems, *variants.problems, *self._variants.problems(text))
            self._problems = tuple(sorted(found, key=lambda problem: (problem.start, problem.end)))
        self._ranges = _flatten_spans(self._styled_spans(text, reading), self._positions)
        return reading

    def _styled_spans(self, text: str, reading: ParsedPrompt) -> Iterator[tuple[int, int, _Style]]:
        """Yield (start, end, style) in Python's characters; spans may overlap."""
        yield from _grammar_spans(text, reading, self._tokens)
        for start, end in self._variant_spans:
            yield start, end, _Style(_StyleKind.VARIANT)
        for start, end in self._tag_spans:
            yield start, end, _Style(_StyleKind.EMBEDDING)
        for problem in self._problems:
            look = _StyleKind.ERROR if problem.severity is Severity.ERROR else _StyleKind.WARNING
            yield problem.start, problem.end, _Style(look)

    def _invalidate(self) -> None:
        self._parsed = None
        self._is_up_to_date = False

    def _rehighlight_after_change(self) -> None:
        """Also rehighlight the other lines, which a changed bracket may affect.

        Qt emits `contentsChanged` for the highlighting itself, hence the flag.
        """
        if not self._is_up_to_date:
            self._is_up_to_date = True
            if self.document().blockCount() > 1:
                self.rehighlight()

    def _merged_format(self, styles: tuple[_Style, ...]) -> QTextCharFormat:
        if styles not in self._formats:
            made = QTextCharFormat()
            for style in styles:
                made.merge(self._format(style))
            self._formats[styles] = made
        return self._formats[styles]

    def _format(self, style: _Style) -> QTextCharFormat:
        made, colour = QTextCharFormat(), self._palette.color
        match style.kind:
            case _StyleKind.WORDS if style.weight > 1:
                made.setFontWeight(QFont.Weight.DemiBold)
                made.setBackground(
                    _blend_colours(colour(_ROLE.Base), colour(_ROLE.Highlight), tint_strength(style.weight))
                )
            case _StyleKind.WORDS:
                made.setForeground(
                    _blend_colours(colour(_ROLE.Text), colour(_ROLE.PlaceholderText), fade_strength(style.weight))
                )
                made.setFontItalic(True)
            case _StyleKind.VARIANT:
                made.setForeground(colour(_ROLE.Link))
                made.setBackground(colour(_ROLE.AlternateBase))
            case _StyleKind.MARKUP:
                made.setForeground(colour(_ROLE.PlaceholderText))
                made.setBackground(colour(_ROLE.Base))
                made.setFontWeight(QFont.Weight.Normal)
            case _StyleKind.BREAK:
                made.setForeground(colour(_ROLE.Link))
                made.setFontWeight(QFont.Weight.DemiBold)
                made.setFontLetterSpacing(110)
            case _StyleKind.EMBEDDING:
                if style.weight <= 1:  # on a tint the default colour is easier to read
                    made.setForeground(colour(_ROLE.Link))
                made.setUnderlineStyle(QTextCharFormat.UnderlineStyle.SingleUnderline)
                made.setUnderlineColor(colour(_ROLE.Link))
            case _StyleKind.WARNING | _StyleKind.ERROR as look:
                is_error = look is _StyleKind.ERROR
                made.setForeground(colour(_ROLE.BrightText if is_error else _ROLE.Text))
                made.setBackground(colour(_ROLE.Base if is_error else _ROLE.AlternateBase))
                made.setUnderlineStyle(QTextCharFormat.UnderlineStyle.WaveUnderline)
                made.setUnderlineColor(colour(_ROLE.BrightText if is_error else _ROLE.PlaceholderText))
        return made


def _unknown_lora(tag: LoraTag) -> PromptProblem:
    message = f"No LoRA of your library is called {display_text(tag.name, 80)!r}."
    return PromptProblem(tag.start, tag.end, message, Severity.WARNING, "Correct the name, or add the file.")


_ROLE = QPalette.ColorRole


def tint_strength(weight: float) -> float:
    """Return the accent's strength under words of a weight above 1, from 0 to 1: the maximum at 2 and above."""
    part = min(1.0, (weight - 1) / (_MAX_TINT_WEIGHT - 1))
    return _MIN_TINT + (_MAX_TINT - _MIN_TINT) * part


def fade_strength(weight: float) -> float:
    """Return how far words of a weight below 1 fade towards the palest readable colour."""
    return min(1.0, 0.4 + 0.6 * (1 - weight) / (1 - _MAX_FADE_WEIGHT))


def _grammar_spans(text: str, reading: ParsedPrompt, tokens: tuple[str, ...]) -> Iterator[tuple[int, int, _Style]]:
    """Yield (start, end, style) in Python's characters; spans may overlap."""
    for fragment in reading.fragments:
        if fragment.weight != 1:
            yield fragment.start, fragment.end, _Style(_StyleKind.WORDS, fragment.weight)
        for words in split_at_tokens(text[fragment.start : fragment.end], tokens):
            if words.token:
                style = _Style(_StyleKind.EMBEDDING, fragment.weight)
                yield fragment.start + words.start, fragment.start + words.end, style
    for emphasis in reading.emphases:
        yield emphasis.start, emphasis.start + 1, _Style(_StyleKind.MARKUP)
        yield emphasis.content_end, emphasis.end, _Style(_StyleKind.MARKUP)
    for at in reading.escapes:
        yield at, at + 1, _Style(_StyleKind.MARKUP)
    for start, end in reading.breaks:
        yield start, end, _Style(_StyleKind.BREAK)


def _flatten_spans(spans: Iterable[tuple[int, int, _Style]], positions: Utf16Positions) -> list[_StyledRange]:
    """Split overlapping spans into consecutive ranges."""
    changes = [change for start, end, style in spans if start < end for change in ((start, style, 1), (end, style, -1))]
    changes.sort(key=lambda change: change[0])
    runs: list[_StyledRange] = []
    present: Counter[_Style] = Counter()
    before = 0
    for place, style, step in changes:
        if place > before and present:
            runs.append(_StyledRange(positions.to_qt(before), positions.to_qt(place), tuple(sorted(present))))
        present[style] += step
        if not present[style]:
            del present[style]
        before = place
    return runs


def _blend_colours(one: QColor, other: QColor, part: float) -> QColor:
    """Mix `part` of `other` into `one`."""
    pairs = ((one.red(), other.red()), (one.green(), other.green()), (one.blue(), other.blue()))
    return QColor(*(round(a + (b - a) * part) for a, b in pairs))
