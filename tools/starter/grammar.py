"""The English grammar of captions: articles and plurals of the trained names."""

import re

UNCOUNTED = """bacon, beer, bread, broccoli, cheese, chocolate, coffee, corn, earth, fire, honey, lightning, milk,
planet earth, poo, rain, saturn, sushi, thumbs up"""
PAIRED = (
    "books cherries eyes fries glasses grapes headphones jeans lips pancakes prints scissors socks sparkles swords up"
)
MASS = frozenset(word.strip() for word in UNCOUNTED.split(","))
ALWAYS_PLURAL = tuple(PAIRED.split())
# These end like a plural-only noun but are singular.
SINGULAR = ("pair of", "pile of", "magnifying", "face with", "cat with")
IRREGULAR = {
    "deer": "deer",
    "die": "dice",
    "fish": "fish",
    "jellyfish": "jellyfish",
    "leaf": "leaves",
    "loaf": "loaves",
    "mouse": "mice",
    "potato": "potatoes",
    "scarf": "scarves",
    "sheep": "sheep",
    "snowman": "snowmen",
    "tomato": "tomatoes",
    "tooth": "teeth",
    "volcano": "volcanoes",
    "wolf": "wolves",
}


def article(word: str) -> str:
    """Return the word with "a" or "an" if English requires one."""
    if word in MASS or (word.endswith(ALWAYS_PLURAL) and not word.startswith(SINGULAR)):
        return word
    vowel = word.startswith("hour") or (word[0] in "aeiou" and not word.startswith(("ufo", "uni")))
    return ("an " if vowel else "a ") + word


def plural(word: str) -> str:
    """Return a simple English plural; the head of a name precedes "of", "with", "on" or "behind"."""
    tail = re.search(r"( (?:of|with|on|behind) .*)?$", word)
    rest = tail.group() if tail else ""
    head = word.removesuffix(rest) if rest else word
    if head.endswith(ALWAYS_PLURAL) and not head.startswith(SINGULAR):
        return word
    last = head.split(" ")[-1]
    stem = head.removesuffix(last)
    if last in IRREGULAR:
        last = IRREGULAR[last]
    elif last.endswith(("s", "x", "ch", "sh")):
        last += "es"
    elif last.endswith("y") and last[-2] not in "aeiou":
        last = last[:-1] + "ies"
    else:
        last += "s"
    return stem + last + rest
