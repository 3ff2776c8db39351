"""Plays GitHub, Sentry and vendors' status pages, in the shapes that these publish."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tests.scenarios.played.world import World

Said = Mapping[str, Any]
REPOSITORY = re.compile(r"/repos/[^/]+/[^/]+")


def statuspage(said: Said, world: World, path: str) -> Any:
    """Atlassian's summary of `name`, `components` and `incidents`; other flavours give their `body` as it is."""
    if "body" in said:
        return said["body"]
    if path != "/api/v2/summary.json":
        return None
    components = said.get("components", {})
    incidents = [_incident(it, world) for it in said.get("incidents", ())]
    gravest = max((it["impact"] for it in incidents), key=["none", "minor", "major", "critical"].index, default="none")
    return {
        "page": {"name": said["name"], "updated_at": world.moment(said.get("updated", "5m ago")).isoformat()},
        "status": {"indicator": gravest, "description": "All Systems Operational" if gravest == "none" else "Trouble"},
        "components": [{"id": name, "name": name, "status": state} for name, state in components.items()],
        "incidents": incidents,
        "scheduled_maintenances": [],
    }


def _incident(it: Said, world: World) -> Any:
    return {
        "name": it["title"],
        "status": it.get("state", "investigating"),
        "impact": it.get("impact", "major"),
        "created_at": world.moment(it["since"]).isoformat(),
        "components": [{"id": name, "name": name, "status": state} for name, state in it.get("components", {}).items()],
    }


def github(said: Said, world: World, path: str) -> Any:
    """`deployments` and `runs`, the newest first, and `default_branch`."""
    below = REPOSITORY.sub("", path, count=1)
    deployments = [_deployment(n, it, world) for n, it in enumerate(said.get("deployments", ()))]
    if below == "/deployments":
        return deployments
    if below.startswith("/deployments/"):
        number = int(below.split("/")[2])
        return [{"state": said["deployments"][number].get("state", "success")}]
    if below == "/actions/runs":
        return {"workflow_runs": [_run(it, world) for it in said.get("runs", ())]}
    return {"default_branch": said.get("default_branch", "main")} if not below else None


def _deployment(number: int, it: Said, world: World) -> Any:
    return {
        "id": number,
        "ref": it.get("ref", "main"),
        "sha": str(it.get("sha", "1a2b3c4d5e6f")),
        "environment": it.get("environment", "production"),
        "creator": {"login": it.get("by", "ci")},
        "created_at": world.moment(it["at"]).isoformat(),
    }


def _run(it: Said, world: World) -> Any:
    return {
        "run_number": it.get("number", 812),
        "name": it["workflow"],
        "head_branch": it.get("ref", "main"),
        "head_sha": str(it.get("sha", "1a2b3c4d5e6f")),
        "event": it.get("event", "push"),
        "status": "completed",
        "conclusion": it.get("state", "success"),
        "actor": {"login": it.get("by", "ci")},
        "created_at": world.moment(it["at"]).isoformat(),
    }


def sentry(said: Said, world: World) -> Any:
    """`issues: [{class: KeyError, count: 212, first: 03:06}]`."""
    return [
        {
            "shortId": f"API-{n}F",
            "count": str(it["count"]),
            "userCount": it.get("users", 0),
            "firstSeen": world.moment(it["first"]).isoformat(),
            "metadata": {"type": it["class"]},
        }
        for n, it in enumerate(said.get("issues", ()), 1)
    ]
