"""Which workflows ran of late that may have changed something?"""

from __future__ import annotations

import re
from collections.abc import Sequence

from responder.clients.doors import Doors
from responder.clients.github import Newest, Run
from responder.diagnostics.diagnostic import Diagnostic
from responder.diagnostics.parameters import Seconds
from responder.diagnostics.text import moment, table
from responder.model.catalogue import Parameters
from responder.model.finding import Change, Finding, Outcome
from responder.model.pack import Target
from responder.model.quantities import show_duration

MOST_CHANGES = 10
# What people or deployments start; a pull request, a schedule or an issue rolls nothing out.
STARTED_BY = frozenset({"workflow_dispatch", "repository_dispatch", "release", "deployment", "workflow_run"})
VERSION = re.compile(r"v?\d+\.\d+.*")  # a tag; GitHub does not tell tags from branches here
ONLY_LOOK = frozenset(
    {"analysis", "audit", "build", "check", "checks", "ci", "codeql", "docs", "e2e", "lint", "scan", "test", "tests"}
)
ROLL_OUT = frozenset(
    {"cd", "deploy", "deployment", "migrate", "promote", "publish", "release", "rollback", "rollout", "ship"}
)
LOOKS_ONLY = 0.3  # what a run tells beside a rollout whose workflow tests, by its name
CAME_TO_NOTHING = frozenset({"cancelled", "skipped", "stale", "action required", "startup failure"})


class Asked(Parameters):
    """`since`: how long ago a run still is recent."""

    since: Seconds = 6 * 3600.0


class GithubWorkflowRuns:
    """Runs of the default branch, of a version's tag, and those that people, releases and deployments start. It is news
    that there was one; one that failed may have changed something too, and is no fault of what runs."""

    name = "github.workflow_runs"
    target_kind = "github"
    question = "Which workflows ran of late that may have changed something?"
    parameters: type[Parameters] = Asked
    marks = frozenset({"recent_rollout"})

    async def examine(self, target: Target, parameters: Asked, doors: Doors) -> Finding:
        """Raises CouldNotLook when GitHub does not list them."""
        door = doors.github(target)
        runs = await door.runs()
        recent = [it for it in runs.listed if (runs.now - it.at).total_seconds() <= parameters.since]
        main = await door.default_branch() if any(it.event == "push" for it in recent) else ""
        rolled = sorted((it for it in recent if _may_roll_out(it, main)), key=lambda it: it.at, reverse=True)
        within = show_duration(parameters.since)
        return Finding(
            check=self.name,
            target=target.name,
            outcome=Outcome.HEALTHY,
            headline=_headline(rolled, len(recent) - len(rolled), runs, within),
            details=f"only the newest {len(runs.listed)} runs were looked at"
            if runs.cut and len(recent) == len(runs.listed)
            else "",
            table=table(
                ("at", "workflow", "run", "of", "started by", "outcome", "by"), [_row(it, runs) for it in rolled]
            )
            if len(rolled) > 1
            else None,
            changes=tuple(
                Change(
                    at=it.at,
                    what=f"{_named(it)}: {it.state}",
                    by=it.by,
                    about={"repository": door.repository},
                    weight=_weight(it),
                )
                for it in rolled[:MOST_CHANGES]
            ),
            marks=("recent_rollout",) if rolled else (),
            found=_found(door.repository, rolled[0]) if rolled else {},
            gravity=0,
            equivalent=f"gh run list -R {door.repository}",
        )


def _may_roll_out(run: Run, main: str) -> bool:
    pushed = run.event == "push" and (run.ref == main or VERSION.fullmatch(run.ref) is not None)
    return (pushed or run.event in STARTED_BY) and run.state not in CAME_TO_NOTHING


def _weight(run: Run) -> float:
    """Little for what by its name only tests."""
    words = set(re.findall("[a-z]+", run.workflow.casefold()))
    return LOOKS_ONLY if words & ONLY_LOOK and not words & ROLL_OUT else 1.0


def _named(run: Run) -> str:
    """`Workflow Deploy run 812 of main (1a2b3c4)`."""
    return f"Workflow {run.workflow or 'without a name'} run {run.number} of {_what(run)}"


def _what(run: Run) -> str:
    return f"{run.ref} ({run.sha[:7]})" if run.ref else run.sha[:7]


def _headline(rolled: Sequence[Run], others: int, runs: Newest[Run], within: str) -> str:
    if not rolled:
        beside = f" ({others} for pull requests, on a schedule or without effect)" if others else ""
        return f"no workflow rolled anything out in the last {within}{beside}"
    latest = f"{_named(rolled[0])}, {moment(rolled[0].at, runs.now)}: {rolled[0].state}"
    return f"{len(rolled)} workflow runs in the last {within}, latest {latest}" if len(rolled) > 1 else latest


def _row(run: Run, runs: Newest[Run]) -> tuple[str, ...]:
    when = moment(run.at, runs.now)
    return (when, run.workflow, str(run.number), _what(run), run.event.replace("_", " "), run.state, run.by)


def _found(repository: str, run: Run) -> dict[str, str]:
    return {
        "repository": repository,
        "workflow": run.workflow,
        "run": str(run.number),
        "ref": run.ref,
        "sha": run.sha,
    }


DIAGNOSTIC: Diagnostic = GithubWorkflowRuns()
