"""Which Helm releases were installed, upgraded or rolled back of late?"""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

from responder.clients.doors import Doors
from responder.clients.kubernetes_objects import Thing
from responder.diagnostics.diagnostic import Diagnostic
from responder.diagnostics.kubernetes_asked import ESCAPES, Name, Where, helm
from responder.diagnostics.parameters import Seconds
from responder.diagnostics.text import age, moment, table
from responder.errors import NotConfigured
from responder.model.catalogue import Parameters
from responder.model.finding import Change, Finding, Outcome
from responder.model.pack import Target
from responder.model.quantities import show_duration

FAILED_GRAVITY = 55
PENDING_SECONDS = 600.0  # twice as long as Helm waits by itself
GOOD = frozenset({"deployed", "superseded"})
STATES = GOOD | {"failed", "uninstalled", "uninstalling", "pending-install", "pending-upgrade", "pending-rollback"}


class Asked(Where):
    """`release`: by its name, without one all of a namespace; `since`: how long ago a revision still is recent.
    `namespace`: must be given, for Secrets are listed by namespace; the others do not narrow what Helm did."""

    escapes: ClassVar[Mapping[str, Callable[[str], str]]] = {**ESCAPES, "release": ESCAPES["pod"]}

    release: Name = ""
    since: Seconds = 6 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One revision of a release; `status` in Helm's words."""

    release: str
    number: int
    status: str
    at: datetime


class KubernetesHelm:
    """Name, number, status and date of each revision, from the metadata of Helm's Secrets; what is in them never
    comes. A revision is news and no fault, unless the latest failed or hangs."""

    name = "kubernetes.helm"
    target_kind = "kubernetes"
    question = "Which Helm releases were installed, upgraded or rolled back of late?"
    parameters: type[Parameters] = Asked
    marks = frozenset({"recent_rollout"})

    async def examine(self, target: Target, parameters: Asked, doors: Doors) -> Finding:
        """Raises CouldNotLook when they cannot be listed, or when the target does not allow it."""
        door = doors.kubernetes(target)
        if not parameters.namespace:
            raise NotConfigured("Helm's releases are listed by namespace; expected `namespace`")
        listed = await door.helm_releases(parameters.namespace, parameters.release)
        histories = _histories(listed.items)
        recent = [
            it for history in histories for it in history if (listed.now - it.at).total_seconds() <= parameters.since
        ]
        recent.sort(key=lambda it: (it.at, it.number), reverse=True)
        bad = [it[0] for it in histories if _is_bad(it[0], listed.now)]
        chosen = next(iter([*bad, *recent]), None)
        return Finding(
            check=self.name,
            target=target.name,
            outcome=Outcome.UNHEALTHY if bad else Outcome.HEALTHY,
            headline=_headline(recent, bad, histories, listed.now, show_duration(parameters.since)),
            details=f"cut at {len(listed.items)} revisions" if listed.cut else "",
            table=table(("at", "release", "revision", "status"), [_row(it, listed.now) for it in recent])
            if len(recent) > 1
            else None,
            changes=tuple(_change(it, parameters.namespace) for it in recent),
            marks=("recent_rollout",) if recent else (),
            found=_found(chosen, histories, parameters.namespace) if chosen else {},
            gravity=FAILED_GRAVITY if bad else 0,
            equivalent=_equivalent(target, parameters, chosen),
        )


def _histories(things: Iterable[Thing]) -> list[list[Revision]]:
    """By release, the latest revision first; what does not say its number or date is none of Helm's."""
    by_release: dict[str, list[Revision]] = defaultdict(list)
    for it in things:
        if (revision := _read(it)) is not None:
            by_release[revision.release].append(revision)
    return [sorted(it, key=lambda one: -one.number) for _, it in sorted(by_release.items())]


def _read(it: Thing) -> Revision | None:
    """https://github.com/helm/helm/blob/main/pkg/storage/driver/secrets.go: labels name, owner, status, version, and
    modifiedAt (seconds since 1970). The Secret is made when the revision begins and modified when it has ended; one
    that was put back from a backup is younger than that."""
    labels = it.metadata.labels
    number, name, status = (labels.get(key, "") for key in ("version", "name", "status"))
    dates = [at for at in (it.metadata.creation_timestamp, _seconds(labels.get("modifiedAt", ""))) if at]
    if not (number.isascii() and number.isdecimal() and len(number) <= 9 and name and dates):
        return None
    known = status if status in STATES else "of unknown status"
    return Revision(release=name, number=int(number), status=known, at=min(dates))


def _seconds(text: str) -> datetime | None:
    known = text.isascii() and text.isdecimal() and len(text) <= 10
    return datetime.fromtimestamp(int(text), UTC) if known else None


def _is_bad(it: Revision, now: datetime) -> bool:
    hangs = it.status.startswith("pending") and (now - it.at).total_seconds() > PENDING_SECONDS
    return it.status == "failed" or hangs


def _headline(
    recent: Sequence[Revision],
    bad: Sequence[Revision],
    histories: Sequence[Sequence[Revision]],
    now: datetime,
    within: str,
) -> str:
    """`Helm release payments revision 12, 03:04 UTC: deployed`."""
    if bad:
        it = bad[0]
        state = "failed" if it.status == "failed" else f"{it.status} for {age((now - it.at).total_seconds())}"
        more = f"; so are {len(bad) - 1} more" if len(bad) > 1 else ""
        return f"the latest revision of release {it.release} ({it.number}) {state}, {moment(it.at, now)}{more}"
    if recent:
        it = recent[0]
        lead = f"{len(recent)} revisions in the last {within}, latest " if len(recent) > 1 else "Helm release "
        return f"{lead}{it.release} revision {it.number}, {moment(it.at, now)}: {it.status}"
    if not histories:
        return "no release of Helm is kept here"
    latest = max((it[0] for it in histories), key=lambda it: it.at)
    return f"no revision in the last {within}, latest {latest.release} {latest.number}, {moment(latest.at, now)}"


def _row(it: Revision, now: datetime) -> tuple[str, ...]:
    return (moment(it.at, now), it.release, str(it.number), it.status)


def _change(it: Revision, namespace: str) -> Change:
    what = f"Helm release {it.release} revision {it.number}: {it.status}"
    return Change(at=it.at, what=what, about={"release": it.release, "namespace": namespace})


def _found(it: Revision, histories: Sequence[Sequence[Revision]], namespace: str) -> dict[str, str]:
    """`previous_revision`: the latest before it that worked."""
    history = next(one for one in histories if one[0].release == it.release)
    good = next((one for one in history if one.number < it.number and one.status in GOOD), None)
    named = {"release": it.release, "namespace": namespace, "revision": str(it.number)}
    return named | ({"previous_revision": str(good.number)} if good else {})


def _equivalent(target: Target, asked: Asked, chosen: Revision | None) -> str:
    release = asked.release or (chosen.release if chosen else "")
    words = ["history", release] if release else ["list", "--all"]
    return f"{helm(target)} {shlex.join([*words, '-n', asked.namespace])}"


DIAGNOSTIC: Diagnostic = KubernetesHelm()
