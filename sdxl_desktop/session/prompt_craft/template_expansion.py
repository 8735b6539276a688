"""Expands the variants and wildcards of a prompt: at random, reproducibly from a seed, or in every combination.

The same seed, template and wildcard files give the same text on every computer and with every version: the numbers come
from `random.Random.random` alone, seeded with text, which Python keeps stable.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, permutations

from sdxl_desktop.core import prompt_template
from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.prompt_template import (
    Choice,
    Literal,
    Node,
    PickMethod,
    WeightedOption,
    Wildcard,
    WildcardValue,
    parse_template,
)
from sdxl_desktop.core.untrusted_text import display_text

MAX_LENGTH = 20_000
"""Maximum characters of an expanded prompt."""
_MAX_NESTED = 20
"""Maximum wildcards within the values of wildcards."""
_MAX_STEPS = 200_000
"""Maximum parts visited for one expansion, or one list of combinations."""

WildcardValues = Callable[[str], Sequence[WildcardValue]]
"""Returns the values of the wildcard of a name, which may hold `*`; empty if there is none."""


def expand(text: str, seed: int, name: str, values_of: WildcardValues) -> str:
    """Return `text` with one option of each of its variants and wildcards. `name` distinguishes the prompts of one
    picture: each has choices of its own.

    Raises RequestError for a wildcard that is missing, empty or contains itself, and for a result that is too long.
    """
    template = parse_template(text)
    picker = _Picker(random.Random(f"{seed}:{name}"), seed, _Budget(values_of))
    try:
        made = picker.sequence(template.content, ())
    except RecursionError as problem:
        raise _too_long() from problem
    if template.is_varied:
        _check_length(made)
    return made


def combinations(text: str, values_of: WildcardValues) -> Iterator[str]:
    """Yield every distinct text that `text` can become, in order. Raises RequestError like `expand`."""
    seen: set[str] = set()
    try:
        for made in _Combiner(_Budget(values_of)).sequence(parse_template(text).content, ()):
            if made not in seen:
                seen.add(made)
                _check_length(made)
                yield made
    except RecursionError as problem:
        raise _too_long() from problem


def check_wildcards(text: str, values_of: WildcardValues) -> None:
    """Raise RequestError for a wildcard written in `text` that is missing."""
    for wildcard in parse_template(text).wildcards:
        _values(wildcard, values_of)


def _values(wildcard: Wildcard, values_of: WildcardValues) -> Sequence[WildcardValue]:
    found = values_of(wildcard.name)
    if not found:
        raise RequestError(
            f"There is no wildcard called {display_text(wildcard.name)!r}.",
            why="It stands for the lines of a text file of that name.",
            next_step=f"Put {display_text(wildcard.name)}.txt into the wildcards folder, or write the words instead.",
        )
    return found


def _check_length(made: str) -> None:
    if len(made) > MAX_LENGTH:
        raise _too_long()


def _too_long() -> RequestError:
    return RequestError(
        "The prompt becomes too long with its variants and wildcards.",
        why=f"A prompt may have {MAX_LENGTH} characters.",
        next_step="Shorten it, or the lines of the wildcard files that it names.",
    )


@dataclass
class _Budget:
    """The wildcards, looked up once, and the work that is left."""

    values_of: WildcardValues
    steps: int = _MAX_STEPS
    _found: dict[str, tuple[Sequence[WildcardValue], list[float]]] = field(default_factory=dict)

    def spend(self, steps: int = 1) -> None:
        self.steps -= steps
        if self.steps < 0:
            raise _too_long()

    def enter(self, wildcard: Wildcard, inside: tuple[str, ...]) -> tuple[Sequence[WildcardValue], tuple[str, ...]]:
        """Return the values of `wildcard`, and the names it lies in with its own."""
        if wildcard.name in inside:
            raise RequestError(
                f"The wildcard {display_text(wildcard.name)!r} contains itself.",
                why=" → ".join(display_text(name, 40) for name in (*inside, wildcard.name)),
                next_step="Take the name out of one of these files.",
            )
        if len(inside) >= _MAX_NESTED:
            raise _too_long()
        return self._lookup(wildcard)[0], (*inside, wildcard.name)

    def cumulative_weights(self, wildcard: Wildcard) -> list[float]:
        """Return the sums of the weights of the values of `wildcard` up to each of them."""
        return self._lookup(wildcard)[1]

    def _lookup(self, wildcard: Wildcard) -> tuple[Sequence[WildcardValue], list[float]]:
        if wildcard.name not in self._found:
            values = _values(wildcard, self.values_of)
            self._found[wildcard.name] = values, list(accumulate(value.weight for value in values))
        return self._found[wildcard.name]

    def options(self, choice: Choice, inside: tuple[str, ...]) -> tuple[Sequence[_AnyOption], tuple[str, ...]]:
        """Return the options to pick from: the values of a lone wildcard are picked from like options of their own."""
        nodes = choice.options[0].content.nodes if len(choice.options) == 1 else ()
        if len(nodes) == 1 and isinstance(nodes[0], Wildcard):
            return self.enter(nodes[0], inside)
        return choice.options, inside


_AnyOption = WeightedOption | WildcardValue


def _content(option: _AnyOption) -> prompt_template.Sequence:
    return option.content if isinstance(option, WeightedOption) else parse_template(option.text).content


@dataclass
class _Picker:
    """Picks at random."""

    source: random.Random
    seed: int
    budget: _Budget

    def sequence(self, content: prompt_template.Sequence, inside: tuple[str, ...]) -> str:
        length, made = 0, list[str]()
        for node in content.nodes:
            made.append(self._node(node, inside))
            length += len(made[-1])
            if length > MAX_LENGTH and len(content.nodes) > 1:
                raise _too_long()
        return "".join(made)

    def _node(self, node: Node, inside: tuple[str, ...]) -> str:
        self.budget.spend()
        match node:
            case Literal():
                return node.text
            case Wildcard():
                values, within = self.budget.enter(node, inside)
                picked = self._pick_value(node, len(values))
                return self.sequence(_content(values[picked]), within)
            case Choice():
                options, within = self.budget.options(node, inside)
                low, high = min(node.low, len(options)), min(node.high, len(options))
                count = low + int(self.source.random() * (high - low + 1)) if high > low else low
                picks = self._pick([option.weight for option in options], count, node.method)
                return node.separator.join(self.sequence(_content(options[picked]), within) for picked in picks)

    def _pick_value(self, wildcard: Wildcard, count: int) -> int:
        """Return the position of one of the `count` values of `wildcard`."""
        sums = self.budget.cumulative_weights(wildcard)
        if wildcard.method is PickMethod.CYCLE:
            return self.seed % count
        if sums[-1] <= 0:
            return int(self.source.random() * count)
        return min(bisect_right(sums, self.source.random() * sums[-1]), count - 1)

    def _pick(self, weights: Sequence[float], count: int, method: PickMethod) -> list[int]:
        """Return `count` different positions."""
        if method is PickMethod.CYCLE:
            return [(self.seed + number) % len(weights) for number in range(count)]
        self.budget.spend(len(weights) * count // 1000)
        left, picked = list(weights), list[int]()
        for _ in range(count):
            picked.append(self._pick_one(left, picked))
            left[picked[-1]] = 0.0
        return picked

    def _pick_one(self, weights: Sequence[float], taken: Sequence[int]) -> int:
        total = sum(weights)
        if total <= 0:  # only options of weight 0 are left
            free = [position for position in range(len(weights)) if position not in taken]
            return free[int(self.source.random() * len(free))]
        point = self.source.random() * total
        last = 0
        for position, weight in enumerate(weights):
            if weight > 0:
                last = position
                point -= weight
                if point < 0:
                    break
        return last


@dataclass
class _Combiner:
    """Makes every combination."""

    budget: _Budget

    def sequence(self, content: prompt_template.Sequence, inside: tuple[str, ...]) -> Iterator[str]:
        return self._product(content.nodes, inside)

    def _product(self, nodes: Sequence[Node], inside: tuple[str, ...]) -> Iterator[str]:
        """Yield every text of the nodes, the last of them changing first."""
        if not nodes:
            yield ""
            return
        for first in self._node(nodes[0], inside):
            for rest in self._product(nodes[1:], inside):
                self.budget.spend()
                if len(first) + len(rest) > MAX_LENGTH:
                    raise _too_long()
                yield first + rest

    def _node(self, node: Node, inside: tuple[str, ...]) -> Iterator[str]:
        match node:
            case Literal():
                yield node.text
            case Wildcard():
                values, within = self.budget.enter(node, inside)
                for value in values:
                    yield from self.sequence(_content(value), within)
            case Choice():
                yield from self._choice(node, inside)

    def _choice(self, choice: Choice, inside: tuple[str, ...]) -> Iterator[str]:
        options, within = self.budget.options(choice, inside)
        for count in range(min(choice.low, len(options)), min(choice.high, len(options)) + 1):
            for chosen in permutations(options, count):
                yield from self._joined(chosen, choice.separator, within)

    def _joined(self, options: Sequence[_AnyOption], separator: str, inside: tuple[str, ...]) -> Iterator[str]:
        self.budget.spend()
        if not options:
            yield ""
            return
        for first in self.sequence(_content(options[0]), inside):
            if len(options) == 1:
                yield first
                continue
            for rest in self._joined(options[1:], separator, inside):
                yield f"{first}{separator}{rest}"
