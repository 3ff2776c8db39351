"""Where a target is, of those whose address is no URL: a repository at GitHub, a project at Sentry, Kafka's brokers,
a service of Google's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from responder.clients.resolve import replaced
from responder.errors import NotConfigured
from responder.model.pack import Target

GITHUB = "https://api.github.com"
GITHUB_VARIABLE = "GITHUB_API_URL"  # GitHub's own name for it, of use with GitHub Enterprise
SENTRY = "https://sentry.io"
RUN = "https://run.googleapis.com"
LOGGING = "https://logging.googleapis.com"
# gcloud's own names for them: https://cloud.google.com/sdk/docs/properties (api_endpoint_overrides), of use with
# Private Service Connect
RUN_VARIABLE = "CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN"
LOGGING_VARIABLE = "CLOUDSDK_API_ENDPOINT_OVERRIDES_LOGGING"
NAME = re.compile(r"[\w.-]+")
EXPECTED = {
    "sentry": "{organization: shop, project: api}",
    "google": "{project: shop-prod, region: europe-west1, service: api}",
}
PLACE_NAME = re.compile(r"[A-Za-z0-9][\w.:-]{0,100}")  # a project may be `example.com:shop`


@dataclass(frozen=True, slots=True, kw_only=True)
class GooglePlace:
    """What a target of kind google is about; region and service are empty where all are meant."""

    project: str
    region: str
    service: str


def located(target: Target, environment: Mapping[str, str]) -> Target:
    """The same with the base address of its API; raises NotConfigured as `resolve` does."""
    match target.kind:
        case "github":
            repository_of(target, environment)
            return replace(target, address=environment.get(GITHUB_VARIABLE) or GITHUB)
        case "sentry":
            project_of(target, environment)
            return replace(target, address=_part(target, "url", environment) or SENTRY)
        case "kafka":
            return replace(target, address=brokers_of(target, environment)[0])
        case "google":
            place_of(target, environment)
            return replace(target, address=environment.get(RUN_VARIABLE) or RUN)
        case _:
            return target


def repository_of(target: Target, environment: Mapping[str, str]) -> str:
    """`owner/repository`; raises NotConfigured."""
    names = _text(target, target.address, environment).split("/")
    if len(names) != 2 or not all(NAME.fullmatch(it) for it in names):
        raise NotConfigured(f"target {target.name}: expected owner/repository")
    return "/".join(names)


def project_of(target: Target, environment: Mapping[str, str]) -> tuple[str, str]:
    """Organization and project, by their slugs; the project is empty where all are meant. Raises NotConfigured."""
    organization, project = (_part(target, it, environment) for it in ("organization", "project"))
    if not NAME.fullmatch(organization) or (project and not NAME.fullmatch(project)):
        raise NotConfigured(f"target {target.name}: expected slugs such as {EXPECTED[target.kind]}")
    return organization, project


def brokers_of(target: Target, environment: Mapping[str, str]) -> list[str]:
    """`kafka://host:port` of each that is named, at least one; raises NotConfigured."""
    text = _text(target, target.address, environment)
    named = [it.strip().removeprefix("kafka://") for it in text.split(",") if it.strip()]
    if "@" in text:
        raise NotConfigured(f"target {target.name}: this version speaks no SASL; expected host:9092 without a user")
    if not named or any("/" in it for it in named):
        raise NotConfigured(f"target {target.name}: expected host:9092, or several with commas between them")
    return [f"kafka://{it}" for it in named]


def place_of(target: Target, environment: Mapping[str, str]) -> GooglePlace:
    """By their names; raises NotConfigured."""
    project, region, service = (_part(target, it, environment) for it in ("project", "region", "service"))
    if not PLACE_NAME.fullmatch(project) or not all(PLACE_NAME.fullmatch(it) for it in (region, service) if it):
        raise NotConfigured(f"target {target.name}: expected names such as {EXPECTED[target.kind]}")
    return GooglePlace(project=project, region=region, service=service)


def logging_of(target: Target, environment: Mapping[str, str]) -> Target:
    """The same target of kind google with the base address of Cloud Logging."""
    return replace(target, address=environment.get(LOGGING_VARIABLE) or LOGGING)


def _part(target: Target, key: str, environment: Mapping[str, str]) -> str:
    if not isinstance(target.address, Mapping):
        raise NotConfigured(f"target {target.name}: expected a mapping such as {EXPECTED[target.kind]}")
    return _text(target, target.address.get(key, ""), environment)


def _text(target: Target, written: Any, environment: Mapping[str, str]) -> str:
    if not isinstance(written, str):
        raise NotConfigured(f"target {target.name}: expected text, got {type(written).__name__}")
    return replaced(written, environment).strip()
