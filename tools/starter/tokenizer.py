"""The CLIP byte-pair tokenizers, trained on the words of the captions; any other text falls back to bytes."""

import json
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

from transformers import CLIPTokenizer

from .compose import COLOURS, SIZE_WORDS, SPELLINGS
from .grammar import plural
from .names import load_names

CAPTION_WORDS = (
    "a an the of on in at and with to next front background gradient picture photo render icon drawing left right "
    "top bottom centre center two three four one tiny small little big large dark light bright soft very , . : - ! ? 3d"
)


def byte_letters() -> list[str]:
    """Return the 256 printable characters that stand for bytes, in the order of CLIP's vocabulary ("!" is number 0)."""
    codes = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [code for code in range(256) if code not in codes]
    return [chr(code) for code in codes] + [chr(256 + place) for place in range(len(hidden))]


def corpus(data: Path) -> Counter[str]:
    """Count every word of the picture package's names, whether trained or not, so that the vocabulary stays fixed."""
    table = json.loads((data / "src/names/package/en/data.json").read_text(encoding="utf-8"))
    lines = [entry["label"] for entry in table if "group" in entry and entry["group"] != 9]
    taught = [word for name in load_names(data, least_stars=0) for word in name.words]
    lines += taught + [plural(word) for word in taught] + [CAPTION_WORDS] * 2
    lines += [*COLOURS, *(word for words in (*SPELLINGS.values(), *SIZE_WORDS.values()) for word in words)]
    found = re.findall(r"[a-z]+|[0-9]|[^\sa-z0-9]+", " ".join(lines).lower())
    return Counter(word for word in found if word.isascii())


def learn_merges(words: Counter[str]) -> list[tuple[str, str]]:
    """Byte-pair encoding (Sennrich et al., arXiv 1508.07909), run until every word is one token."""
    spelled = {word: (*word[:-1], word[-1] + "</w>") for word in sorted(words)}
    merges: list[tuple[str, str]] = []
    while True:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, parts in spelled.items():
            for pair in pairwise(parts):
                pairs[pair] += words[word]
        if not pairs:
            return merges
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        for word, parts in spelled.items():
            if best[0] in parts:
                spelled[word] = merge(parts, best)


def merge(parts: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    """`parts` with each occurrence of `pair` joined, from left to right."""
    joined: list[str] = []
    place = 0
    while place < len(parts):
        if parts[place : place + 2] == pair:
            joined.append(pair[0] + pair[1])
            place += 2
        else:
            joined.append(parts[place])
            place += 1
    return tuple(joined)


def make_tokenizers(data: Path) -> tuple[CLIPTokenizer, CLIPTokenizer]:
    """Return both tokenizers; they differ, as SDXL's do, in the padding token. Learnt once, then read from `data`."""
    file = data / "merges.json"
    if not file.is_file():
        file.write_text(json.dumps(learn_merges(corpus(data))), encoding="utf-8")
    merges = [(left, right) for left, right in json.loads(file.read_text(encoding="utf-8"))]
    letters = byte_letters()
    tokens = dict.fromkeys(
        [*letters, *(letter + "</w>" for letter in letters), *(left + right for left, right in merges)]
    )
    vocab = {token: number for number, token in enumerate([*tokens, "<|startoftext|>", "<|endoftext|>"])}
    first, second = (
        CLIPTokenizer(vocab=vocab, merges=merges, pad_token=pad, model_max_length=77) for pad in ("<|endoftext|>", "!")
    )
    return first, second
