"""Is what the service is meant to run ready, and which revisions get its traffic?"""

from __future__ import annotations

import shlex

from responder.clients.doors import Doors
from responder.clients.google_run import Condition, Service
from responder.diagnostics.diagnostic import Diagnostic
from responder.diagnostics.google_words import is_ready, traffic, why
from responder.diagnostics.parameters import Nothing
from responder.diagnostics.text import moment, table
from responder.model.catalogue import Parameters
from responder.model.finding import Finding, Outcome
from responder.model.pack import Target

FAILED_GRAVITY = 75
UNDER_WAY_GRAVITY = 40


class GoogleService:
    """Unhealthy when the latest revision that was created is not ready, or a condition has failed."""

    name = "google.service"
    target_kind = "google"
    question = "Is what the service is meant to run ready, and which revisions get its traffic?"
    parameters: type[Parameters] = Nothing
    marks: frozenset[str] = frozenset()

    async def examine(self, target: Target, parameters: Nothing, doors: Doors) -> Finding:
        """Raises CouldNotLook when Google does not show the service."""
        door = doors.google(target)
        it = await door.service()
        place = door.place
        failed = [condition for condition in _all(it) if condition.failed]
        behind = it.created != it.ready
        names = (place.service, f"--region={place.region}", f"--project={place.project}")
        return Finding(
            check=self.name,
            target=target.name,
            outcome=Outcome.UNHEALTHY if behind or failed or not it.traffic else Outcome.HEALTHY,
            headline=_headline(it, failed, behind=behind),
            table=table(("condition", "state", "since"), [_row(condition, it) for condition in _all(it)]),
            found={
                name: value
                for name, value in {"service": it.name, "revision": it.created, "ready_revision": it.ready}.items()
                if value
            },
            gravity=_gravity(it, failed, behind=behind),
            equivalent=f"gcloud run services describe {' '.join(shlex.quote(name) for name in names)}",
        )


def _all(it: Service) -> list[Condition]:
    return [*([it.condition] if it.condition else []), *it.others]


def _gravity(it: Service, failed: list[Condition], *, behind: bool) -> int:
    if failed or not it.traffic:
        return FAILED_GRAVITY
    return (UNDER_WAY_GRAVITY if it.reconciling else FAILED_GRAVITY) if behind else 0


def _headline(it: Service, failed: list[Condition], *, behind: bool) -> str:
    """`revision api-00042 is not ready (health check container error) since 03:05 UTC; api-00041 serves 100 %`."""
    serving = traffic(it.traffic)
    if behind:
        state = "is being rolled out" if it.reconciling and not failed else "is not ready"
        told = next((condition for condition in failed if condition.reason), failed[0] if failed else it.condition)
        return f"revision {it.created or 'none'} {state}{why(told, it.now)}; {serving}"
    if failed:
        return f"{failed[0].kind} has failed{why(failed[0], it.now)}; {serving}"
    ready = "ready" if is_ready(it.condition) else "said to be neither ready nor failed"
    since = f" since {moment(it.condition.since, it.now)}" if it.condition and it.condition.since else ""
    return f"{serving}; the service is {ready}{since}"


def _row(it: Condition, service: Service) -> tuple[str, ...]:
    state = it.state.removeprefix("CONDITION_").lower() + (f" ({it.reason.lower()})" if it.reason else "")
    return (it.kind, state, moment(it.since, service.now) if it.since else "")


DIAGNOSTIC: Diagnostic = GoogleService()
