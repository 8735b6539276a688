r"""Parses a prompt: emphasis, breaks and escapes, and locates problems.

| written | means |
| --- | --- |
| `(word)` | 1.1 times the weight; brackets multiply, so `((word))` is 1.21 |
| `[word]` | the weight divided by 1.1 |
| `(word:1.3)` | 1.3 times the weight; a number from 0 to 10 |
| `BREAK` | the following text starts a new chunk of tokens |
| `\(` `\)` `\[` `\]` `\\` | the character itself |

This is the syntax of AUTOMATIC1111's web UI (its wiki, "Attention/emphasis"), and ComfyUI's where both agree. They
differ, or fail, where a prompt is malformed. Here:

- A bracket without a partner is a plain character, with a warning: `:)` and `a (small cat` are generated. (The
  web UI emphasises everything after an open bracket, which is rarely intended; ComfyUI reads it like here.)
- A malformed number, `(cat:1.2.3)` or `(cat:1,2)`, or one out of range, is an error.
- `(note: this)` has no number, so it is text in plain emphasis, as in both programs.
- Unsupported syntax of other programs, `[cat:dog:0.5]`, `<hypernet:…>`, `(word)1.2`, is read as text, with a warning.
- Variants and wildcards, `{a|b}` and `__name__`, are expanded before (see `prompt_template`), and tags of LoRAs,
  `<lora:…>`, taken out (see `lora_tags`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum, StrEnum, auto
from functools import lru_cache

from sdxl_desktop.core.errors import RequestError

EMPHASIS_FACTOR = 1.1
"""The factor of an unnumbered pair of brackets."""
MIN_WEIGHT, MAX_WEIGHT = 0.0, 10.0

_LEXEME = re.compile(
    r"(?P<escape>\\[()\[\]\\])|(?P<bracket>[()\[\]])|(?P<break>\bBREAK\b)|(?P<text>(?:(?!\bBREAK\b)[^\\()\[\]])+|\\)"
)
_NUMBER = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)\s*")
_MEANT_AS_NUMBER = re.compile(r"[\s\d.,+-]*\d[\s\d.,+-]*")
_STARTS_AS_NUMBER = re.compile(r"\s*[+-]?\.?\d")
_SCHEDULED = re.compile(r"[\s\d.]*\d[\s\d.]*")
_TRAILING_WEIGHT = re.compile(r"(?:\d+(?:\.\d+)?|\++|-+)(?![\w.])")
_HYPERNETWORK = re.compile(r"<hypernet:[^<>]*>", re.IGNORECASE)
_NAMED_EMBEDDING = re.compile(r"\bembedding:[^\s,()\[\]]+", re.IGNORECASE)
_UNSUPPORTED_SYNTAX = (
    (_HYPERNETWORK, "Hypernetworks are not known here; this is read as text.", "Use a LoRA instead."),
    (
        _NAMED_EMBEDDING,
        "Embeddings are words of their own here; this is read as text.",
        "Add the file among the embeddings, and write its word.",
    ),
)
"""Pattern, message, and what to write instead."""
_EXCERPT = 16
_MAX_DEPTH = 100


class Severity(StrEnum):
    """A prompt with a WARNING is still generated; one with an ERROR is not."""

    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class PromptProblem:
    """A problem in the characters `start` to `end` (exclusive) of a prompt, and what to write instead."""

    start: int
    end: int
    message: str
    severity: Severity
    next_step: str = ""

    def __str__(self) -> str:
        return f"{self.message} {self.next_step}".rstrip()


@dataclass(frozen=True, slots=True)
class PromptFragment:
    """Text of one weight, escapes resolved, read from the characters `start` to `end` (exclusive).

    `section` counts the preceding BREAKs that separate anything.
    """

    text: str
    weight: float
    start: int
    end: int
    section: int


@dataclass(frozen=True, slots=True)
class EmphasisGroup:
    """A pair of brackets from `start` to `end` (exclusive) around the content up to `content_end`.

    `factor` is its multiplier; `content_end` to `end` holds the weight, if one is written, and the bracket.
    """

    start: int
    end: int
    content_end: int
    factor: float


@dataclass(frozen=True, slots=True)
class ParsedPrompt:
    """The elements of a prompt, positions in characters.

    `breaks` are spans, `escapes` the positions of escaping backslashes.
    """

    fragments: tuple[PromptFragment, ...]
    emphases: tuple[EmphasisGroup, ...]
    breaks: tuple[tuple[int, int], ...]
    escapes: tuple[int, ...]
    unmatched_brackets: tuple[int, ...]
    problems: tuple[PromptProblem, ...]


def parse_fragments(text: str) -> tuple[PromptFragment, ...]:
    """Return the weighted fragments of a prompt in order. Raises RequestError with the position if it has an error."""
    reading = parse_prompt(text)
    for problem in reading.problems:
        if problem.severity is Severity.ERROR:
            raise RequestError(
                problem.message,
                why=f"It is at character {problem.start + 1} of the prompt: {_excerpt(text, problem)}",
                next_step=problem.next_step,
            )
    return reading.fragments


def find_problems(text: str) -> tuple[PromptProblem, ...]:
    """Return the problems of a prompt, ordered by position."""
    return parse_prompt(text).problems


@lru_cache(maxsize=8)
def parse_prompt(text: str) -> ParsedPrompt:
    """Parse a prompt; never raises, and runs in time linear in the prompt's length."""
    reader = _PromptParser(text)
    reader.pair_brackets()
    reader.assign_weights()
    reader.find_unsupported_syntax()
    fragments = tuple(reader.fragments())
    return ParsedPrompt(
        fragments=fragments,
        emphases=tuple(sorted(reader.emphases, key=lambda emphasis: emphasis.start)),
        breaks=tuple(reader.breaks),
        escapes=tuple(lexeme.start for lexeme in reader.lexemes if lexeme.kind is _LexemeKind.ESCAPE),
        unmatched_brackets=tuple(sorted(reader.unmatched_brackets)),
        problems=tuple(sorted(reader.problems, key=lambda problem: (problem.start, problem.end))),
    )


def _excerpt(text: str, problem: PromptProblem) -> str:
    before, after = text[: problem.start][-_EXCERPT:], text[problem.end :][:_EXCERPT]
    return f"…{before}{text[problem.start : problem.end]}{after}…".replace("\n", " ")


class _LexemeKind(Enum):
    ESCAPE = auto()
    OPEN = auto()
    CLOSE = auto()
    BREAK = auto()
    TEXT = auto()


@dataclass(slots=True)
class _Lexeme:
    kind: _LexemeKind
    start: int
    end: int


@dataclass(slots=True)
class _WeightedPiece:
    text: str
    weight: float
    start: int
    end: int
    section: int


@dataclass
class _PromptParser:
    """Makes two passes over the lexemes: pair the brackets and read their weights, then weight the text."""

    text: str
    lexemes: list[_Lexeme] = field(default_factory=list)
    emphases: list[EmphasisGroup] = field(default_factory=list)
    unmatched_brackets: set[int] = field(default_factory=set)
    breaks: list[tuple[int, int]] = field(default_factory=list)
    problems: list[PromptProblem] = field(default_factory=list)
    _pieces: list[_WeightedPiece] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lexemes = [_lexeme(match) for match in _LEXEME.finditer(self.text)]

    def _report(self, severity: Severity, start: int, end: int, message: str, next_step: str) -> None:
        self.problems.append(PromptProblem(start, end, message, severity, next_step))

    # first pass: brackets

    def pair_brackets(self) -> None:
        """Find the partner of each bracket. A closing bracket skips open ones of the other shape."""
        waiting: list[int] = []
        waiting_for = {"(": 0, "[": 0}
        for index, lexeme in enumerate(self.lexemes):
            if lexeme.kind is _LexemeKind.OPEN:
                waiting.append(index)
                waiting_for[self.text[lexeme.start]] += 1
            elif lexeme.kind is _LexemeKind.CLOSE:
                opening = "(" if self.text[lexeme.start] == ")" else "["
                if not waiting_for[opening]:
                    self._report_unmatched(lexeme.start)
                    continue
                while self.text[(start := self.lexemes[waiting.pop()].start)] != opening:
                    waiting_for[self.text[start]] -= 1
                    self._report_unmatched(start)
                waiting_for[opening] -= 1
                self._pair(start, index)
        for index in waiting:
            self._report_unmatched(self.lexemes[index].start)

    def _report_unmatched(self, position: int) -> None:
        bracket = self.text[position]
        self.unmatched_brackets.add(position)
        self._report(
            Severity.WARNING,
            position,
            position + 1,
            f"This {bracket} is never {'closed' if bracket in '([' else 'opened'}, so it is read as a character.",
            f"Write \\{bracket} to say that you mean the character.",
        )

    def _pair(self, start: int, close_index: int) -> None:
        close = self.lexemes[close_index].start
        last = self.lexemes[close_index - 1]
        colon = self.text.rfind(":", last.start, last.end) if last.kind is _LexemeKind.TEXT else -1
        if self.text[start] == "[":
            self._hint_at_schedules(start, close, colon)
            self.emphases.append(EmphasisGroup(start, close + 1, close, 1 / EMPHASIS_FACTOR))
            return
        weight = self._weight(colon, close) if colon >= 0 else None
        content_end = close if weight is None else colon
        self.emphases.append(
            EmphasisGroup(start, close + 1, content_end, EMPHASIS_FACTOR if weight is None else weight)
        )
        if trailing := _TRAILING_WEIGHT.match(self.text, close + 1):
            self._report(
                Severity.WARNING,
                *trailing.span(),
                "A weight after the bracket is read as text.",
                "Write it inside, as in (word:1.2).",
            )

    def _weight(self, colon: int, close: int) -> float | None:
        """Parse the text between `colon` and the bracket at `close`: 1 for a malformed number, None for text."""
        written = self.text[colon + 1 : close]
        if _NUMBER.fullmatch(written):
            weight = float(written)
            if MIN_WEIGHT <= weight <= MAX_WEIGHT:
                return weight
            problem = f"The weight {written.strip()} is not between {MIN_WEIGHT:g} and {MAX_WEIGHT:g}."
        elif _MEANT_AS_NUMBER.fullmatch(written):
            problem = f"The weight {written.strip()} is not a number."
        else:
            self._hint_at_weight(written, colon, close)
            return None
        self._report(
            Severity.ERROR,
            colon + 1,
            close,
            problem,
            "Write it as in (word:1.2), or write \\( and \\) if these brackets and what is in them are text.",
        )
        return 1.0

    def _hint_at_weight(self, written: str, colon: int, close: int) -> None:
        if not written.strip() or _STARTS_AS_NUMBER.match(written):
            what = f"{written.strip()} is not a weight" if written.strip() else "No weight follows this colon"
            self._report(
                Severity.WARNING, colon, close, f"{what}, so it is read as text.", "Weights look like this: (word:1.2)."
            )

    # syntax of other programs

    def _hint_at_schedules(self, start: int, close: int, colon: int) -> None:
        scheduled = colon >= 0 and _SCHEDULED.fullmatch(self.text, colon + 1, close)
        if scheduled or self.text.find("|", start, close) >= 0:
            self._report(
                Severity.WARNING,
                start,
                close + 1,
                "Prompts that change from step to step are not known here; this is read as text.",
                "To give a weight, use round brackets: (word:0.8).",
            )

    def find_unsupported_syntax(self) -> None:
        for pattern, message, next_step in _UNSUPPORTED_SYNTAX:
            for match in pattern.finditer(self.text):
                self._report(Severity.WARNING, *match.span(), message, next_step)

    # second pass: text and its weights

    def assign_weights(self) -> None:
        """Give each run of text the product of the brackets around it.

        Unnumbered brackets are counted rather than multiplied, so that `([word])` weighs exactly 1.
        """
        opens = {emphasis.start: emphasis for emphasis in self.emphases}
        closes = {emphasis.end - 1: emphasis for emphasis in self.emphases}
        around: list[tuple[int, float]] = [(0, 1.0)]
        section, written_in_section, text_ends = 0, False, {emphasis.content_end for emphasis in self.emphases}
        for lexeme in self.lexemes:
            if lexeme.start in opens:
                around.append(_apply_emphasis(around[-1], opens[lexeme.start]))
            elif lexeme.start in closes:
                around.pop()
            elif lexeme.kind is _LexemeKind.BREAK:
                self._break(lexeme, useful=written_in_section)
                section, written_in_section = section + written_in_section, False
            else:
                end = self._end_of_words(lexeme, text_ends)
                start = lexeme.start + (lexeme.kind is _LexemeKind.ESCAPE)
                words = self.text[start:end]
                written_in_section = written_in_section or bool(words.strip())
                self._pieces.append(_WeightedPiece(words, _product(*around[-1]), lexeme.start, end, section))

    def _break(self, lexeme: _Lexeme, *, useful: bool) -> None:
        self.breaks.append((lexeme.start, lexeme.end))
        if not useful:
            self._report(
                Severity.WARNING,
                lexeme.start,
                lexeme.end,
                "There is nothing before this BREAK, so it does nothing.",
                "Take it out, or write words before it.",
            )

    def _end_of_words(self, lexeme: _Lexeme, text_ends: set[int]) -> int:
        """Return the end of a lexeme, or the colon before the weight at its end."""
        colon = self.text.rfind(":", lexeme.start, lexeme.end)
        return colon if colon in text_ends else lexeme.end

    def fragments(self) -> list[PromptFragment]:
        """Join neighbours of equal weight, so that markup without effect changes no token."""
        joined: list[_WeightedPiece] = []
        for piece in self._pieces:
            last = joined[-1] if joined else None
            if last is not None and last.weight == piece.weight and last.section == piece.section:
                joined[-1] = _WeightedPiece(last.text + piece.text, last.weight, last.start, piece.end, last.section)
            else:
                joined.append(piece)
        made = [PromptFragment(p.text, p.weight, p.start, p.end, p.section) for p in joined if p.text.strip()]
        for fragment in made:
            if not fragment.weight <= MAX_WEIGHT:
                self._report(
                    Severity.ERROR,
                    fragment.start,
                    fragment.end,
                    f"These words weigh more than {MAX_WEIGHT:g}.",
                    "Brackets inside brackets multiply: use fewer or lighter ones.",
                )
        return made


def _lexeme(match: re.Match[str]) -> _Lexeme:
    kinds = {"escape": _LexemeKind.ESCAPE, "break": _LexemeKind.BREAK, "text": _LexemeKind.TEXT}
    name = match.lastgroup or "text"
    kind = kinds.get(name) or (_LexemeKind.OPEN if match.group() in "([" else _LexemeKind.CLOSE)
    return _Lexeme(kind, match.start(), match.end())


def _apply_emphasis(outside: tuple[int, float], emphasis: EmphasisGroup) -> tuple[int, float]:
    levels, product = outside
    if emphasis.content_end < emphasis.end - 1:  # a weight is written
        return levels, product * emphasis.factor
    return levels + (1 if emphasis.factor > 1 else -1), product


def _product(levels: int, product: float) -> float:
    return float(product * EMPHASIS_FACTOR ** max(-_MAX_DEPTH, min(levels, _MAX_DEPTH)))
