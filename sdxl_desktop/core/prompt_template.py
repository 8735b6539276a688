r"""Parses the variants and wildcards of a prompt.

| written | means |
| --- | --- |
| `{red\|blue}` | one of them |
| `{3::red\|blue}` | red three times as often as blue |
| `{2$$a\|b\|c}` `{1-2$$a\|b\|c}` `{2$$ and $$a\|b\|c}` | two (one or two) of them: "a,b" or "a and b" |
| `{@a\|b}` | the next one with each seed |
| `__colour__` `__animals/*__` | a line of the wildcard file of that name, of any that matches |
| `\{` `\}` `\_` | the character itself |

This is the syntax of the library `dynamicprompts`, which the extensions of AUTOMATIC1111's web UI use. The library does
not fit here: it refuses `50% off` and a lone `{`, and drops what follows `#`. Its variables and comments are not
supported. A brace without a partner is a plain character, with a warning, as brackets are (see `prompt_grammar`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from sdxl_desktop.core.prompt_grammar import PromptProblem, Severity

MAX_DEPTH = 24
"""Maximum braces within braces."""
MAX_PICKED = 100
"""Maximum number of options that one pair of braces may pick."""
_MAX_CACHED_LENGTH = 4096

_WILDCARD_NAME = r"(?:[^\W_]|\*)(?:[\w./* +&'!=()-]{0,100}?(?:[^\W_]|[*)]))??"
_LEXEME = re.compile(
    rf"(?P<escape>\\[\s\S])|(?P<brace>[{{}}|])|(?P<wildcard>__[~!@]?(?P<name>{_WILDCARD_NAME})__)"
    r"|(?P<text>[^\\{}|_]+|[\\_])"
)
_ESCAPED = frozenset("{}|_")
_METHOD = re.compile(r"\s*([~!@])")
_BOUNDS = re.compile(r"\s*(?:(?P<low>\d{1,4})?(?P<hyphen>-)?(?P<high>\d{1,4})?)\$\$(?:(?P<separator>[^${}]*)\$\$)?")
_WEIGHT = re.compile(r"\s*(\d{1,9}(?:\.\d{0,9})?|\.\d{1,9})::")
_BLANKS = re.compile(r"\s*")
_MARKUP = re.compile(r"[{}]|_{2,}")
_VARIABLE = re.compile(r"\$\{")


class PickMethod(StrEnum):
    """How an option is picked: at random, every one in combinations, or the next one with each seed."""

    RANDOM = "~"
    ALL = "!"
    CYCLE = "@"


@dataclass(frozen=True, slots=True)
class Literal:
    """Text, escapes resolved."""

    text: str


@dataclass(frozen=True, slots=True)
class Wildcard:
    """A value of the wildcard `name`, which may hold `*`; written at `start` to `end` (exclusive)."""

    name: str
    method: PickMethod
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class WeightedOption:
    """One option of a choice, and how often it is picked in relation to the others."""

    weight: float
    content: Sequence


@dataclass(frozen=True, slots=True)
class Choice:
    """`low` to `high` of the options, each once, joined by `separator`; written at `start` to `end` (exclusive)."""

    options: tuple[WeightedOption, ...]
    low: int
    high: int
    separator: str
    method: PickMethod
    start: int
    end: int


Node = Literal | Wildcard | Choice


@dataclass(frozen=True, slots=True)
class Sequence:
    """Nodes that follow one another."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class PromptTemplate:
    """A parsed prompt. `spans` are the outermost variants and wildcards, as (start, end), in order."""

    content: Sequence
    spans: tuple[tuple[int, int], ...]
    problems: tuple[PromptProblem, ...]

    @property
    def is_varied(self) -> bool:
        """Whether the prompt holds variants or wildcards."""
        return bool(self.spans)

    @property
    def wildcards(self) -> tuple[Wildcard, ...]:
        """All wildcards, in order, those in variants included."""
        return tuple(_wildcards(self.content))


def parse_template(text: str) -> PromptTemplate:
    """Parse a prompt; never raises, and runs in time linear in its length."""
    return _cached(text) if len(text) <= _MAX_CACHED_LENGTH else _Parser(text).parse()


@lru_cache(maxsize=2048)
def _cached(text: str) -> PromptTemplate:
    return _Parser(text).parse()


def is_literal(text: str) -> bool:
    """Whether expanding `text` gives `text` itself."""
    return parse_template(text).content.nodes in ((), (Literal(text),))


def escape_template(text: str) -> str:
    r"""Return a template whose only expansion is `text`; `text` itself where there is none, as for `\{`."""
    if is_literal(text):
        return text
    escaped = _MARKUP.sub(lambda found: "".join(f"\\{character}" for character in found[0]), text)
    return escaped if parse_template(escaped).content.nodes == (Literal(text),) else text


class WildcardValue(NamedTuple):
    """One value of a wildcard, itself a template, and how often it is picked in relation to the others."""

    weight: float
    text: str

    @classmethod
    def parse(cls, line: str) -> WildcardValue:
        """Return the value written as `line`, such as "red" or "3::red"."""
        weight = _WEIGHT.match(line)
        return cls(float(weight[1]), line[weight.end() :]) if weight else cls(1.0, line)


def _wildcards(content: Sequence) -> Iterator[Wildcard]:
    for node in content.nodes:
        match node:
            case Wildcard():
                yield node
            case Choice(options=options):
                for option in options:
                    yield from _wildcards(option.content)


class _OpenChoice:
    """A choice that is being read."""

    def __init__(self, start: int, text: str, content_start: int) -> None:
        self.start = start
        self.method, self.low, self.high, self.separator = PickMethod.RANDOM, 1, 1, ","
        self.is_ranged = self.has_high = False
        self.options: list[WeightedOption] = []
        self.nodes: list[Node] = []
        self.weight = 1.0
        self.content_start = self._read_head(text, content_start)
        self.begin_option(text, self.content_start)

    def _read_head(self, text: str, at: int) -> int:
        """Read the method and the bounds; return where the first option starts."""
        if method := _METHOD.match(text, at):
            self.method, at = PickMethod(method[1]), method.end()
        bounds = _BOUNDS.match(text, at)
        if bounds is None or not (bounds["low"] or bounds["high"]):
            return at
        low = int(bounds["low"]) if bounds["low"] else None
        high = int(bounds["high"]) if bounds["high"] else None
        self.low = low if low is not None else 1
        self.high = self.low if not bounds["hyphen"] else MAX_PICKED if high is None else high
        if bounds["separator"] is not None:
            self.separator = bounds["separator"]
        return bounds.end()

    def begin_option(self, text: str, at: int) -> None:
        """Read the weight of the option that starts at `at`."""
        weight = _WEIGHT.match(text, at)
        self.weight = float(weight[1]) if weight else 1.0
        self.content_start = _BLANKS.match(text, weight.end() if weight else at).end()  # type: ignore[union-attr]

    def end_option(self) -> None:
        self.options.append(WeightedOption(self.weight, Sequence(_joined(self.nodes))))
        self.nodes = []

    def close(self, end: int) -> Choice:
        self.end_option()
        low, high = sorted((min(self.low, MAX_PICKED), min(self.high, MAX_PICKED)))
        return Choice(tuple(self.options), low, high, self.separator, self.method, self.start, end)


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._problems: list[PromptProblem] = []

    def parse(self) -> PromptTemplate:
        lexemes = list(_LEXEME.finditer(self._text))
        paired = self._pair_braces(lexemes)
        root: list[Node] = []
        spans: list[tuple[int, int]] = []
        waiting: list[_OpenChoice] = []
        skip_to = 0
        for lexeme in lexemes:
            start, end = max(lexeme.start(), skip_to), lexeme.end()
            if start >= end:
                continue
            nodes = waiting[-1].nodes if waiting else root
            written = lexeme.group()
            if lexeme.lastgroup == "brace" and lexeme.start() in paired and written == "{":
                waiting.append(_OpenChoice(start, self._text, end))
                skip_to = waiting[-1].content_start
            elif lexeme.lastgroup == "brace" and lexeme.start() in paired and written == "}":
                choice = waiting.pop().close(end)
                (waiting[-1].nodes if waiting else root).append(choice)
                if not waiting:
                    spans.append((choice.start, end))
            elif written == "|" and waiting:
                waiting[-1].end_option()
                waiting[-1].begin_option(self._text, end)
                skip_to = waiting[-1].content_start
            elif lexeme["wildcard"] is not None and start == lexeme.start():
                nodes.append(self._wildcard(lexeme))
                if not waiting:
                    spans.append((start, end))
            elif lexeme.lastgroup == "escape" and written[1] in _ESCAPED and start == lexeme.start():
                nodes.append(Literal(written[1]))
            else:
                nodes.append(Literal(self._text[start:end]))
        for variable in _VARIABLE.finditer(self._text):
            self._warn(*variable.span(), "Variables are not known here; this is read as variants.", "Write the words.")
        problems = tuple(sorted(self._problems, key=lambda problem: problem.start))
        return PromptTemplate(Sequence(_joined(root)), tuple(spans), problems)

    def _wildcard(self, lexeme: re.Match[str]) -> Wildcard:
        written = self._text[lexeme.start() + 2]
        method = PickMethod(written) if written in "~!@" else PickMethod.RANDOM
        return Wildcard(lexeme["name"], method, lexeme.start(), lexeme.end())

    def _pair_braces(self, lexemes: list[re.Match[str]]) -> set[int]:
        """Return the positions of the braces that have a partner."""
        paired: set[int] = set()
        waiting: list[int] = []
        for lexeme in lexemes:
            position, brace = lexeme.start(), lexeme.group()
            if lexeme.lastgroup != "brace" or brace == "|":
                continue
            if brace == "{":
                waiting.append(position)
            elif waiting:
                start = waiting.pop()
                if len(waiting) < MAX_DEPTH:
                    paired |= {start, position}
                else:
                    self._warn(start, start + 1, f"More than {MAX_DEPTH} braces lie in one another.", "Use fewer.")
            else:
                self._warn_unmatched(position, "opened")
        for position in waiting:
            self._warn_unmatched(position, "closed")
        return paired

    def _warn_unmatched(self, position: int, lacks: str) -> None:
        brace = self._text[position]
        self._warn(
            position,
            position + 1,
            f"This {brace} is never {lacks}, so it is read as a character.",
            f"Write \\{brace} to say that you mean the character.",
        )

    def _warn(self, start: int, end: int, message: str, next_step: str) -> None:
        self._problems.append(PromptProblem(start, end, message, Severity.WARNING, next_step))


def _joined(nodes: list[Node]) -> tuple[Node, ...]:
    """Return the nodes with neighbouring literals joined."""
    made: list[Node] = []
    texts: list[str] = []
    for node in nodes:
        if isinstance(node, Literal):
            texts.append(node.text)
            continue
        if texts:
            made.append(Literal("".join(texts)))
            texts = []
        made.append(node)
    if texts:
        made.append(Literal("".join(texts)))
    return tuple(made)
