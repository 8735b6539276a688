r"""Rewrites prompts between the syntaxes of other programs and this one's (`core.prompt_grammar`), with equal meaning.

Records come from anywhere, so of a longer prompt only the first `MAX_PROMPT` characters are read.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import NamedTuple

from sdxl_desktop.core.prompt_grammar import EMPHASIS_FACTOR, ParsedPrompt, parse_prompt

MAX_PROMPT = 20_000
"""Maximum characters of a prompt that is taken over."""
_EXTRA_NETWORK = re.compile(r"<(lora|lyco|hypernet):([^<>:]{1,200})((?::[^<>:]{0,40}){0,4})>", re.IGNORECASE)
_EXTRA_NETWORK_START = re.compile(r"<(?=(?:lora|lyco|hypernet):)", re.IGNORECASE)
_EMBEDDING = re.compile(r"\bembedding:([^\s,()\[\]]{1,200})", re.IGNORECASE)
_BREAK = re.compile(r"\bBREAK\b")
_AND = re.compile(r"\bAND\b")
_NEGATIVE_LABEL = re.compile(r"Negative prompt(?=\s{0,8}\d?:)")
_SCHEDULE_END = re.compile(r":\s{0,4}\d{0,6}\.?\d{1,6}\s{0,4}\Z")
_COMPEL_WEIGHT = re.compile(r"(\++|-+|\d{1,3}(?:\.\d{1,6})?)")
_COMPEL_WORD = re.compile(r"([^\s()+,]{1,100}?)(\+{1,20}|-{1,20})(?=[\s,.)]|\Z)")
_COMPEL_FUNCTION = re.compile(r"\)\.(?:blend|and|swap)\(")
_COMPEL_PLUS, _COMPEL_MINUS = 1.1, 0.9
_NOVELAI_FACTOR = 1.05
_NOVELAI_NUMBERS = re.compile(r"-?\d{1,3}(?:\.\d{1,6})?::")
_MAX_WEIGHT = 10.0


class TaggedModel(NamedTuple):
    """A LoRA named in a prompt, with its weight as text."""

    name: str
    weight: str


class ReadPrompt(NamedTuple):
    """A prompt in this program's syntax, the models that it named, and what has no counterpart."""

    text: str
    loras: tuple[TaggedModel, ...] = ()
    embeddings: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


def without_tags(text: str) -> ReadPrompt:
    """Take the tags of LoRAs and hypernetworks, as in <lora:name:0.8>, out of `text`, whose other syntax stays."""
    text = text[:MAX_PROMPT]
    loras, lost = [], []

    def take(found: re.Match[str]) -> str:
        name, weights = found[2].strip(), found[3].split(":")[1:]
        if found[1].lower() == "hypernet":
            lost.append(f"The hypernetwork {name}")
            return ""
        numbers = [weight.rpartition("=")[2] for weight in weights if "=" not in weight or weight[:2] in ("te", "un")]
        if len(set(numbers)) > 1:
            lost.append(f"The weights {':'.join(weights)} of the LoRA {name}; the first is used")
        loras.append(TaggedModel(name, numbers[0] if numbers else "1"))
        return ""

    plain = _EXTRA_NETWORK.sub(take, text)
    return ReadPrompt(_tidy(plain) if loras or lost else text, tuple(loras), (), tuple(lost))


def from_a1111(text: str) -> ReadPrompt:
    """Read a prompt of AUTOMATIC1111's web UI, without its tags."""
    text = text[:MAX_PROMPT]
    reading, lost = parse_prompt(text), []
    if any(_is_schedule(text, reading)):
        lost.append("Words that change from step to step, as in [one:other:0.5]")
    if _AND.search(text):
        lost.append("Prompts combined with AND")
    closing = {"(": ")", "[": "]"}  # an open bracket emphasises all that follows
    ends = (closing[text[at]] for at in reversed(reading.unmatched_brackets) if text[at] in closing)
    return ReadPrompt(text + "".join(ends), lost=tuple(lost))


def to_a1111(text: str) -> str:
    """Write a prompt of this program for AUTOMATIC1111's web UI, with equal meaning.

    CLIP ignores case and blanks around punctuation, so words that mean something there and nothing here are written in
    lower case or with a blank.
    """
    reading = parse_prompt(text)
    pieces = list(text)
    escaped = {at + 1 for at in reading.escapes}
    escaping = set(reading.escapes)
    for at, character in enumerate(pieces):
        if character == "\\" and at not in escaping and at not in escaped:
            pieces[at] = "\\\\"
    for at in reading.unmatched_brackets:
        pieces[at] = f"\\{text[at]}"
    for group, is_schedule in zip(reading.emphases, _is_schedule(text, reading), strict=True):
        if is_schedule:
            pieces[group.start] = "("
            pieces[group.end - 1] = f":{1 / EMPHASIS_FACTOR:.6g})"
    written = "".join(pieces)
    written = _AND.sub("and", _EXTRA_NETWORK_START.sub("< ", written))
    return _NEGATIVE_LABEL.sub("negative prompt", written)


def from_comfyui(text: str) -> ReadPrompt:
    """Read a prompt of ComfyUI, where square brackets and BREAK are text."""
    text = text[:MAX_PROMPT]
    names = tuple(dict.fromkeys(_EMBEDDING.findall(text)))
    plain = _EMBEDDING.sub(lambda found: found[1].removesuffix(".safetensors").removesuffix(".pt"), text)
    return ReadPrompt(_BREAK.sub("break", _escape(plain, "[]", keep="()")), (), names)


def from_novelai(text: str) -> ReadPrompt:
    """Read a prompt of NovelAI: {word} weighs 1.05 times as much, [word] as much less, round brackets are text."""
    text = text[:MAX_PROMPT]
    lost = ("Weights written as in 1.5::words::",) if _NOVELAI_NUMBERS.search(text) else ()
    written = _escaped(text, "()", keep="")
    for opening, closing, factor in (("{", "}", _NOVELAI_FACTOR), ("[", "]", 1 / _NOVELAI_FACTOR)):
        waiting: list[int] = []
        for at, character in enumerate(text):
            if character == opening:
                waiting.append(at)
            elif character == closing and waiting:
                written[waiting.pop()], written[at] = "(", f":{factor:.6g})"
            elif character == closing and closing == "]":
                written[at] = "\\]"
        for at in waiting if opening == "[" else ():
            written[at] = "\\["
    return ReadPrompt(_BREAK.sub("break", "".join(written)), (), (), lost)


def from_compel(text: str) -> ReadPrompt:
    """Read a prompt of InvokeAI: word++ and (some words)1.3 raise weights, word- lowers them; other brackets do
    nothing."""
    text = text[:MAX_PROMPT]
    lost = ("Prompts combined with .blend(), .and() or .swap()",) if _COMPEL_FUNCTION.search(text) else ()
    opened, pieces, at = [], [], 0
    while at < len(text):
        character = text[at]
        if character == "\\" and text[at + 1 : at + 2] in ("(", ")"):
            pieces.append(text[at : at + 2])
            at += 2
            continue
        if character == "(":
            opened.append(len(pieces))
            pieces.append("")
        elif character == ")" and opened:
            start, weight = opened.pop(), _COMPEL_WEIGHT.match(text, at + 1)
            if weight is not None:
                pieces[start], character = "(", f":{_compel_factor(weight[1]):.6g})"
                at = weight.end() - 1
            else:
                character = ""
            pieces.append(character)
        else:
            word = _COMPEL_WORD.match(text, at) if not at or text[at - 1] in " \t\n,(" else None
            if word is not None:
                pieces.append(f"({_escape(word[1], '[]', keep='')}:{_compel_factor(word[2]):.6g})")
                at = word.end()
                continue
            pieces.append(f"\\{character}" if character in "[])\\" else character)
        at += 1
    for start in opened:
        pieces[start] = "\\("
    return ReadPrompt("".join(pieces), (), (), lost)


def _compel_factor(weight: str) -> float:
    if weight[0] in "+-":
        base = _COMPEL_PLUS if weight[0] == "+" else _COMPEL_MINUS
        return float(min(_MAX_WEIGHT, base ** min(len(weight), 40)))
    return min(_MAX_WEIGHT, float(weight))


def _escape(text: str, characters: str, *, keep: str) -> str:
    return "".join(_escaped(text, characters, keep=keep))


def _escaped(text: str, characters: str, *, keep: str) -> list[str]:
    """Return the characters of `text`, with `characters` and backslashes escaped, except backslashes that escape one of
    `keep`."""
    pieces = []
    for at, character in enumerate(text):
        following = text[at + 1 : at + 2]
        if character in characters or (character == "\\" and (not following or following not in keep)):
            pieces.append(f"\\{character}")
        else:
            pieces.append(character)
    return pieces


def _is_schedule(text: str, reading: ParsedPrompt) -> list[bool]:
    """Return for each pair of brackets whether AUTOMATIC1111 reads it as [one:other:when] or [one|other]."""
    bars = [found.start() for found in re.finditer(r"\|", text)]

    def has_bar(start: int, end: int) -> bool:
        first = bisect_left(bars, start)
        return first < len(bars) and bars[first] < end

    return [
        text[group.start] == "["
        and (
            has_bar(group.start, group.end)
            or _SCHEDULE_END.search(text[max(group.start, group.end - 24) : group.end - 1]) is not None
        )
        for group in reading.emphases
    ]


def _tidy(text: str) -> str:
    """Remove the commas and blanks that are left where tags were taken out."""
    parts = [part.strip(" ") for part in text.split(",")]
    return ", ".join(part for part in parts if part.strip()).strip()
