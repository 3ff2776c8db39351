"""How many keys are there of this pattern, and of which shapes?"""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, ClassVar

from pydantic import Field

from responder.clients.doors import Doors
from responder.clients.redis import Scanned
from responder.diagnostics.diagnostic import Diagnostic
from responder.diagnostics.text import table
from responder.model.catalogue import Parameters
from responder.model.finding import Finding, Outcome
from responder.model.pack import Target
from responder.model.quantities import several

MOST_SHAPES = 20
SPECIAL = re.compile(r"[*?\[\]\\^]")
PARTS = re.compile(r"([:/|{}])")
WORD = re.compile(r"[A-Za-z][A-Za-z_-]{0,31}")
SHARE = 0.01  # of all keys that fit: a part that fewer have is somebody's name rather than a kind


class Asked(Parameters):
    """`pattern`: as SCAN takes it."""

    escapes: ClassVar[Mapping[str, Callable[[str], str]]] = {"pattern": lambda value: SPECIAL.sub(r"\\\g<0>", value)}

    pattern: Annotated[str, Field(min_length=1, max_length=500)] = "*"


class RedisKeys:
    """Counts by shape, for a key's own name may be a person's: only words that many keys share are shown."""

    name = "redis.keys"
    target_kind = "redis"
    question = "How many keys are there of this pattern, and of which shapes?"
    parameters: type[Parameters] = Asked
    marks: frozenset[str] = frozenset()

    async def examine(self, target: Target, parameters: Asked, doors: Doors) -> Finding:
        """Raises CouldNotLook when there is no answer, or when the target does not allow scanning."""
        door = doors.redis(target)
        scanned = await door.scan(parameters.pattern)
        shapes = Counter(shapes_of(scanned.keys, parameters.pattern))
        return Finding(
            check=self.name,
            target=target.name,
            outcome=Outcome.HEALTHY,
            headline=_headline(scanned, parameters.pattern, shapes),
            table=table(
                ("shape", "keys"), [(shape, str(count)) for shape, count in shapes.most_common()], most=MOST_SHAPES
            )
            if shapes
            else None,
            gravity=0,
            equivalent=f"redis-cli -u {door.shown} --scan --pattern {shlex.quote(parameters.pattern)} | wc -l",
        )


def shapes_of(keys: Sequence[str], pattern: str) -> list[str]:
    """The shape of each key: parts between `: / |` that are no word, or that hardly another key has, are `*`.

    >>> shapes_of(["user:ann:cart", "user:bob:cart", "user:17:cart", "user:ann2:cart"], "user:*")
    ['user:*:cart', 'user:*:cart', 'user:*:cart', 'user:*:cart']
    """
    if len(keys) == 1:
        return [pattern]
    split = [PARTS.split(it) for it in keys]
    counts = Counter((place, part) for parts in split for place, part in enumerate(parts))
    least = max(2, SHARE * len(keys))

    def shown(place: int, part: str) -> str:
        if PARTS.fullmatch(part) or not part:
            return part
        return part if WORD.fullmatch(part) and counts[place, part] >= least else "*"

    return ["".join(shown(place, part) for place, part in enumerate(parts)) for parts in split]


def _headline(scanned: Scanned, pattern: str, shapes: Counter[str]) -> str:
    """`4347 of 2300000 keys fit session:*, most session:*:cart`; of a part, an estimate."""
    count = len(scanned.keys)
    shape, most = next(iter(shapes.most_common(1)), ("", 0))
    shaped = f", most {shape} ({100 * most / count:.0f} %)" if count and shape != pattern else ""
    whole = several(scanned.total, "key")
    if scanned.complete:
        return f"{count} of {whole} fit {pattern}{shaped}"
    about = round(count / scanned.looked_at * scanned.total)
    return f"about {about} of {whole} fit {pattern} (cut at {scanned.looked_at} looked at){shaped}"


DIAGNOSTIC: Diagnostic = RedisKeys()
