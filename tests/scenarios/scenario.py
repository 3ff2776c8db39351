"""One folder of a synthetic incident: `alert.json`, `rules.yaml`, `world.yaml` and `report.md`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from responder.diagnostics.catalogue import specs
from responder.intake.alertmanager import SOURCE
from responder.intake.source import Limits, Post
from responder.model.alert import Webhook
from responder.model.intake import Intake
from responder.model.pack import Pack
from responder.redaction.redact import Redactor
from responder.rules.packs import load_packs
from tests.scenarios.played.world import World, read_world

HERE = Path(__file__).parent
HELD_OUT = frozenset((HERE / "held-out.txt").read_text(encoding="utf-8").split())
HEADINGS = ("look here first", "not first", "must be there", "must not be there", "could not look")
NOTHING = "nothing"
BULLET = re.compile(r"(?:-|\d+\.)\s+(?P<text>.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What `report.md` asks for. In a line `…` stands for any text, ` | ` parts alternatives.

    `first`: lines of "Look here first", the first of them on top; empty when nothing may stand there."""

    promise: str
    first: tuple[str, ...]
    not_first: tuple[str, ...]
    there: tuple[str, ...]
    not_there: tuple[str, ...]
    could_not_look: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """`name`: of its folder."""

    name: str
    webhook: Webhook
    pack: Pack
    world: World
    expected: Expected

    @property
    def held_out(self) -> bool:
        """Whether nobody looked at it while the ranking was changed."""
        return self.name in HELD_OUT

    @property
    def is_given(self) -> bool:
        """Whether what some checks find was written down instead of being looked for."""
        return bool(self.world.findings)


def folders() -> list[Path]:
    """Every scenario there is."""
    return sorted(it.parent for it in HERE.glob("*/world.yaml"))


def read_scenario(folder: Path) -> Scenario:
    """Raises ValueError, naming the file, for one that is not understood."""
    try:
        world = read_world(folder / "world.yaml")
    except (KeyError, ValueError, TypeError) as wrong:
        raise ValueError(f"{folder / 'world.yaml'}: {wrong!r}") from wrong
    return Scenario(
        name=folder.name,
        webhook=_webhook(folder / "alert.json", world),
        pack=_pack(folder / "rules.yaml"),
        world=world,
        expected=_expected(folder / "report.md"),
    )


def _webhook(file: Path, world: World) -> Webhook:
    """The body that Alertmanager posts, or a list of labels: alerts that have been firing since the world's onset."""
    written = json.loads(file.read_text(encoding="utf-8"))
    body = written if isinstance(written, dict) else _body(written, world)
    post = Post(source="default", headers={}, body=json.dumps(body).encode(), intake=Intake())
    webhook = SOURCE.parse(post, Redactor(), Limits())
    if webhook.quarantined or not webhook.alerts:
        why = "; ".join(it.reason for it in webhook.quarantined) or "no alert in it"
        raise ValueError(f"{file}: {why}")
    return webhook


def _body(labels: Sequence[dict[str, str]], world: World) -> Any:
    alerts = [{"status": "firing", "labels": it, "startsAt": world.onset.isoformat()} for it in labels]
    return {"version": "4", "groupKey": "{}", "status": "firing", "alerts": alerts}


def _pack(file: Path) -> Pack:
    loaded = load_packs(file, specs())
    if loaded.problems or len(loaded.packs) != 1:
        raise ValueError("\n".join(str(it) for it in loaded.problems) or f"{file}: expected one pack")
    return loaded.packs[0]


def _expected(file: Path) -> Expected:
    text = file.read_text(encoding="utf-8")
    parts = {
        heading.strip().casefold(): below
        for heading, below in re.findall(r"^## (.+)\n((?:(?!^## ).*\n?)*)", text, re.M)
    }
    unknown = set(parts) - set(HEADINGS)
    if unknown or HEADINGS[0] not in parts:
        found = ", ".join(sorted(unknown)) or "none called Look here first"
        raise ValueError(f"{file}: found the heading {found}; expected some of {', '.join(HEADINGS)}")
    first, *others = (tuple(_bullets(parts.get(it, ""))) for it in HEADINGS)
    if not first and parts[HEADINGS[0]].strip().casefold() != NOTHING:
        raise ValueError(f"{file}: below Look here first: expected `1. …`, or `{NOTHING}`")
    return Expected(
        promise=text.partition("\n")[0].lstrip("# "),
        first=first,
        not_first=others[0],
        there=others[1],
        not_there=others[2],
        could_not_look=others[3],
    )


def _bullets(text: str) -> Iterator[str]:
    yield from (found["text"].strip() for line in text.splitlines() if (found := BULLET.fullmatch(line.strip())))


def stands_in(line: str, text: str) -> bool:
    """Whether any alternative of a line of `report.md` is in a text; white space counts as one blank."""
    whole = " ".join(text.split())
    patterns = (".*?".join(re.escape(part) for part in " ".join(it.split()).split("…")) for it in line.split(" | "))
    return any(re.search(it, whole) for it in patterns)
