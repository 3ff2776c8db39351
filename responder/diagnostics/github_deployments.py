"""What was deployed of late, by GitHub's deployments?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

from responder.clients.doors import Doors
from responder.clients.github import Deployment, GithubDoor
from responder.diagnostics.diagnostic import Diagnostic
from responder.diagnostics.parameters import Seconds
from responder.diagnostics.text import moment, table
from responder.errors import CouldNotLook
from responder.model.catalogue import Parameters
from responder.model.finding import Change, Finding, Outcome
from responder.model.pack import Target
from responder.model.quantities import show_duration

STATES_ASKED = 3  # each is a question of its own
FAILED = frozenset({"failure", "error"})
FAILED_GRAVITY = 50
UNKNOWN = "outcome not known"


class Asked(Parameters):
    """`since`: how long ago a deployment still is recent."""

    since: Seconds = 6 * 3600.0


class GithubDeployments:
    """A deployment is news and no fault, unless the latest one failed. Those to environments that will be removed
    again, such as previews, are left out."""

    name = "github.deployments"
    target_kind = "github"
    question = "What was deployed of late, by GitHub's deployments?"
    parameters: type[Parameters] = Asked
    marks = frozenset({"recent_rollout"})

    async def examine(self, target: Target, parameters: Asked, doors: Doors) -> Finding:
        """Raises CouldNotLook when GitHub does not list them; the outcome of each may stay unknown."""
        door = doors.github(target)
        newest = await door.deployments()
        listed = [it for it in newest.listed if not it.passing]
        recent = [it for it in listed if (newest.now - it.at).total_seconds() <= parameters.since]
        told = list(zip(recent, await _states(door, recent), strict=True))
        failed = bool(told) and told[0][1] in FAILED
        within = show_duration(parameters.since)
        return Finding(
            check=self.name,
            target=target.name,
            outcome=Outcome.UNHEALTHY if failed else Outcome.HEALTHY,
            headline=_latest(told, newest.now, within) if told else _none(listed, newest.now, within),
            details=f"only the newest {len(newest.listed)} were looked at"
            if newest.cut and len(recent) == len(listed)
            else "",
            table=table(("at", "what", "environment", "outcome", "by"), [_row(*it, newest.now) for it in told])
            if len(told) > 1
            else None,
            changes=tuple(
                Change(
                    at=it.at, what=f"Deployment of {_whole(it)}: {state}", by=it.by, about=_about(door.repository, it)
                )
                for it, state in told
            ),
            marks=("recent_rollout",) if recent else (),
            found=_found(door.repository, recent[0], listed) if recent else {},
            gravity=FAILED_GRAVITY if failed else 0,
            equivalent=f"gh api repos/{door.repository}/deployments",
        )


async def _states(door: GithubDoor, recent: Sequence[Deployment]) -> list[str]:
    """Of the newest; where one cannot be had the deployment is news all the same."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_state(door, it)) for it in recent[:STATES_ASKED]]
    return [it.result() for it in tasks] + [UNKNOWN] * (len(recent) - len(tasks))


async def _state(door: GithubDoor, deployment: Deployment) -> str:
    try:
        return await door.state(deployment) or UNKNOWN
    except CouldNotLook:
        return UNKNOWN


def _none(listed: Sequence[Deployment], now: datetime, within: str) -> str:
    latest = f", latest {_whole(listed[0])}, {moment(listed[0].at, now)}" if listed else ""
    return f"no deployment in the last {within}{latest}"


def _latest(told: Sequence[tuple[Deployment, str]], now: datetime, within: str) -> str:
    it, state = told[0]
    latest = f"{_whole(it)}, {moment(it.at, now)}"
    if state in FAILED:
        return f"the latest deployment failed: {latest}"
    lead = f"{len(told)} deployments in the last {within}, latest" if len(told) > 1 else "deployed:"
    return f"{lead} {latest}: {state}"


def _row(it: Deployment, state: str, now: datetime) -> tuple[str, ...]:
    return (moment(it.at, now), _what(it), it.environment, state, it.by)


def _whole(it: Deployment) -> str:
    """`main (1a2b3c4) to production`."""
    return _what(it) + (f" to {it.environment}" if it.environment else "")


def _what(it: Deployment) -> str:
    return it.ref[:7] if it.ref == it.sha else f"{it.ref} ({it.sha[:7]})"


def _about(repository: str, it: Deployment) -> dict[str, str]:
    return {"repository": repository} | ({"environment": it.environment} if it.environment else {})


def _found(repository: str, latest: Deployment, listed: Sequence[Deployment]) -> dict[str, str]:
    """No `deployment`: suggestions of other checks mean a workload by that."""
    same = [it for it in listed if it.environment == latest.environment]
    before = next((it for it in same[1:] if it.sha != latest.sha), None)
    return {"repository": repository, "ref": latest.ref, "sha": latest.sha, "environment": latest.environment} | (
        {"previous_ref": before.ref, "previous_sha": before.sha} if before else {}
    )


DIAGNOSTIC: Diagnostic = GithubDeployments()
