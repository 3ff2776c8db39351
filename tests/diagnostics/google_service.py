"""A service of Cloud Run as Google would show it, for tests; held to Google's schemas by tests/systems/google.py."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from responder.clients.doors import Doors
from responder.diagnostics.diagnostic import Diagnostic
from responder.model.catalogue import Parameters
from responder.model.finding import Finding
from responder.model.pack import Target
from tests.systems.google import GoogleCloud
from tests.systems.servers import Handler

Serve = Callable[[Handler], Awaitable[str]]

SERVICE = "/v2/projects/shop-prod/locations/europe-west1/services/api"
REVISIONS = f"{SERVICE}/revisions"
ENTRIES = "/v2/entries:list"
IMAGE = "europe-docker.pkg.dev/shop-prod/images/api"
CI = "ci-deploy@shop-prod.iam.gserviceaccount.com"
ADDRESS = {"project": "shop-prod", "region": "${REGION}", "service": "api"}


def condition(kind: str, state: str = "SUCCEEDED", at: str = "03:04:20", **more: str) -> dict[str, str]:
    day = {"type": kind, "state": f"CONDITION_{state}", "lastTransitionTime": f"2026-11-21T{at}.5Z"}
    return {**day, "message": "s3cret", **more}


def revision(number: int, created: str, tag: str, *, names: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    return {
        "name": f"projects/shop-prod/locations/europe-west1/services/api/revisions/api-{number:05}",
        "uid": "7c0b",
        "generation": "1",
        "createTime": f"2026-11-{created}Z",
        "creator": CI,
        "labels": {"owner": "s3cret"},
        "containers": [
            {
                "name": "api-1",
                "image": IMAGE + tag,
                "args": ["--password=s3cret"],
                "env": [{"name": it, "value": "s3cret"} for it in names],
            }
        ],
        "conditions": [condition("Ready"), condition("Active")],
        **more,
    }


def service(latest: int, *, ready: int | None = None, **more: Any) -> dict[str, Any]:
    whole = "projects/shop-prod/locations/europe-west1/services/api"
    latest_ready = latest if ready is None else ready
    return {
        "name": whole,
        "createTime": "2026-01-01T00:00:00Z",
        "updateTime": "2026-11-21T03:04:00.25Z",
        "creator": "jane@example.com",
        "lastModifier": CI,
        "uri": "https://api-s3cret-ew.a.run.app",
        "template": {"containers": [{"image": IMAGE, "env": [{"name": "A", "value": "s3cret"}]}]},
        "latestCreatedRevision": f"{whole}/revisions/api-{latest:05}",
        "latestReadyRevision": f"{whole}/revisions/api-{latest_ready:05}",
        "terminalCondition": condition("Ready"),
        "conditions": [condition("RoutesReady"), condition("ConfigurationsReady")],
        "trafficStatuses": [{"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 100}],
        **more,
    }


async def look(
    diagnostic: Diagnostic,
    cloud: GoogleCloud,
    serve: Serve,
    *,
    address: Any = None,
    environment: Mapping[str, str] | None = None,
    as_: type[Parameters] | None = None,
    **parameters: Any,
) -> Finding:
    """One question, of somebody who has a token; whatever was asked had to be as Google publishes it."""
    base = await serve(cloud)
    both = {f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{it}": f"{base}/" for it in ("RUN", "LOGGING")}
    doors = Doors({"REGION": "europe-west1", "TOKEN": "s3crettoken", **both, **(environment or {})})
    headers = {} if environment else {"Authorization": "Bearer ${TOKEN}"}
    target = Target(name="run", kind="google", address=address or ADDRESS, headers=headers, allow=frozenset({"logs"}))
    try:
        return await diagnostic.examine(target, (as_ or diagnostic.parameters).model_validate(parameters), doors)
    finally:
        await doors.close()
        assert cloud.wrong == []
