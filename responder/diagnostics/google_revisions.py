"""Which revision of the service serves, and what was rolled out of late?"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import timedelta

from responder.clients.doors import Doors
from responder.clients.google_run import Revision, Revisions, Service
from responder.clients.locate import GooglePlace
from responder.diagnostics.diagnostic import Diagnostic
from responder.diagnostics.google_words import difference, is_ready, traffic, why
from responder.diagnostics.parameters import Seconds
from responder.diagnostics.text import moment, table
from responder.model.catalogue import Parameters
from responder.model.finding import Change, Finding, Outcome
from responder.model.pack import Target
from responder.model.quantities import show_duration

FAILED_GRAVITY = 70
SAME_ROLLOUT = timedelta(minutes=2)  # a new revision updates its service too, within seconds


class Asked(Parameters):
    """`since`: how long ago a revision, or a change of traffic, still is recent."""

    since: Seconds = 6 * 3600.0


class GoogleRevisions:
    """A rollout is news and no fault, unless the newest revision is not ready. Environments are told by their names,
    values never leave Google; who did it is told where that is a service account, a person never."""

    name = "google.revisions"
    target_kind = "google"
    question = "Which revision of the service serves, and what was rolled out of late?"
    parameters: type[Parameters] = Asked
    marks = frozenset({"recent_rollout"})

    async def examine(self, target: Target, parameters: Asked, doors: Doors) -> Finding:
        """Raises CouldNotLook when Google does not show the service or its revisions."""
        door = doors.google(target)
        service, all_of_them = await door.service(), await door.revisions()
        recent = [it for it in all_of_them.listed if (service.now - it.at).total_seconds() <= parameters.since]
        changes = (*_rollouts(service, all_of_them, recent), *_other(service, all_of_them, parameters.since))
        bad = _is_bad(service, all_of_them.listed)
        return Finding(
            check=self.name,
            target=target.name,
            outcome=Outcome.UNHEALTHY if bad else Outcome.HEALTHY,
            headline=_headline(service, all_of_them.listed, recent, show_duration(parameters.since), bad=bad),
            details=f"only {len(all_of_them.listed)} revisions were looked at" if all_of_them.cut else "",
            table=table(("created", "revision", "ready", "what", "by"), _rows(service, all_of_them, recent))
            if len(recent) > 1
            else None,
            changes=changes,
            marks=("recent_rollout",) if changes else (),
            found=_found(door.place, service, all_of_them.listed),
            gravity=FAILED_GRAVITY if bad else 0,
            equivalent=_command(door.place),
        )


def _is_bad(service: Service, listed: Sequence[Revision]) -> bool:
    """The newest is not ready, and Google does not say that it is at it."""
    return bool(listed) and not is_ready(listed[0].ready) and not service.reconciling and not _retired(listed[0])


def _retired(it: Revision) -> bool:
    """Without traffic it is put away, which is no fault."""
    return it.ready is not None and it.ready.reason in ("RETIRED", "RETIRING", "RESERVE")


def _headline(
    service: Service, listed: Sequence[Revision], recent: Sequence[Revision], within: str, *, bad: bool
) -> str:
    """`api-00042 serves 100 %, created 03:04 UTC: image 2.14.0 → 2.15.0, by ci`."""
    serving = traffic(service.traffic)
    if not listed:
        return "the service has no revision"
    newest = listed[0]
    if bad:
        return f"the newest revision {newest.name} is not ready{why(newest.ready, service.now)}; {serving}"
    if not recent:
        return f"no new revision in the last {within}; {serving}, newest of {moment(newest.at, service.now)}"
    by = f", by {newest.by}" if newest.by else ""
    what = f"{moment(newest.at, service.now)}: {difference(_before(listed, newest), newest)}{by}"
    lead = f"{len(recent)} new revisions in the last {within}, " if len(recent) > 1 else ""
    if newest.name == next(iter(service.traffic), ""):
        return f"{lead}{serving}, created {what}"
    return f"{lead}{serving}; the newest {newest.name}, created {what}"


def _before(listed: Sequence[Revision], it: Revision) -> Revision | None:
    place = listed.index(it) + 1
    return listed[place] if place < len(listed) else None


def _rollouts(service: Service, among: Revisions, recent: Sequence[Revision]) -> list[Change]:
    changes = []
    for it in recent:
        share = f"{service.traffic[it.name]} % of traffic, " if it.name in service.traffic else ""
        what = f"Revision {it.name}: {share}{difference(_before(among.listed, it), it)}"
        changes.append(Change(at=it.at, what=what, by=it.by, about={"service": service.name}))
    return changes


def _other(service: Service, among: Revisions, since: float) -> list[Change]:
    """A service that was updated without a new revision: most often its traffic was moved."""
    age = (service.now - service.updated_at).total_seconds()
    of_a_revision = any(abs(service.updated_at - it.at) <= SAME_ROLLOUT for it in among.listed)
    if age > since or of_a_revision:
        return []
    what = f"Service {service.name} updated without a new revision: {traffic(service.traffic)}"
    return [Change(at=service.updated_at, what=what, by=service.by, about={"service": service.name})]


def _rows(service: Service, among: Revisions, recent: Sequence[Revision]) -> list[tuple[str, ...]]:
    return [
        (
            moment(it.at, service.now),
            it.name,
            "yes" if is_ready(it.ready) else f"no{why(it.ready, service.now)}",
            difference(_before(among.listed, it), it),
            it.by,
        )
        for it in recent
    ]


def _found(place: GooglePlace, service: Service, listed: Sequence[Revision]) -> dict[str, str]:
    """`previous_revision`: the newest of those before the newest that has been ready. No `deployment`: suggestions of
    other checks mean a workload by that."""
    before = next((it.name for it in listed[1:] if is_ready(it.ready) or _retired(it)), "")
    newest = listed[0].name if listed else ""
    named = {"service": service.name, "revision": newest, "previous_revision": before}
    return {name: it for name, it in (named | {"region": place.region, "project": place.project}).items() if it}


def _command(place: GooglePlace) -> str:
    names = (f"--service={place.service}", f"--region={place.region}", f"--project={place.project}")
    return f"gcloud run revisions list {' '.join(shlex.quote(it) for it in names)}"


DIAGNOSTIC: Diagnostic = GoogleRevisions()
