"""What a kind of secret or personal data is in the corpus: how a value is drawn and the texts that it stands in."""

from __future__ import annotations

import json
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from urllib.parse import quote

Draw = Callable[[Random], str]

ALNUM = string.ascii_letters + string.digits
LOWER = string.ascii_lowercase + string.digits
HEX = "0123456789abcdef"
BASE64 = ALNUM + "+/"
BASE64URL = ALNUM + "-_"


class Class(StrEnum):
    """What is promised of a kind: keyed secrets 100 %, structured 99 %, of known misses nothing."""

    KEYED = "keyed secret"
    SHAPED = "secret by shape"
    PERSONAL = "personal data"
    PROSE = "known miss"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind. In a shape, `{v}` is the value as it is, `{j}` as in a JSON string, `{u}` as in an address."""

    name: str
    of: Class
    draw: Draw
    shapes: Sequence[str]
    words: bool = False  # each word of the value is personal by itself: a surname that stays is a leak

    def planted(self, shape: str, value: str) -> str:
        """The shape with the value in it."""
        text = shape.replace("{v}", value)
        return text.replace("{j}", json.dumps(value)[1:-1]).replace("{u}", quote(value, safe=""))

    def traces(self, value: str) -> set[str]:
        """What must not be seen afterwards: any half of the value, or any word of it."""
        if self.words:
            return {it for it in value.replace(",", " ").replace("^", " ").split() if len(it) > 2}
        forms = {value, json.dumps(value)[1:-1], quote(value, safe="")}
        return {trace for form in forms for trace in _halves(" ".join(form.split()))}


def _halves(value: str) -> set[str]:
    size = max(4, (len(value) + 1) // 2)
    return {value[at : at + size] for at in range(max(1, len(value) - size + 1))}


def run_of(characters: str, length: int, prefix: str = "") -> Draw:
    """Draw the prefix and so many characters."""
    return lambda rng: prefix + "".join(rng.choices(characters, k=length))


def one_of(*draws: Draw) -> Draw:
    """Draw by any of these."""
    return lambda rng: rng.choice(draws)(rng)


def keyed(name: str, draw: Draw, *shapes: str) -> Kind:
    """A secret that a word beside it gives away."""
    return Kind(name=name, of=Class.KEYED, draw=draw, shapes=shapes)


def shaped(name: str, draw: Draw, *shapes: str) -> Kind:
    """A secret that looks like nothing else."""
    return Kind(name=name, of=Class.SHAPED, draw=draw, shapes=shapes)


def personal(name: str, draw: Draw, *shapes: str, words: bool = False) -> Kind:
    """What tells who a person is."""
    return Kind(name=name, of=Class.PERSONAL, draw=draw, shapes=shapes, words=words)


def prose(name: str, draw: Draw, *shapes: str, words: bool = False) -> Kind:
    """What no pattern can tell from ordinary words and numbers."""
    return Kind(name=name, of=Class.PROSE, draw=draw, shapes=shapes, words=words)
