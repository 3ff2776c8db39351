"""Revisions and services of Cloud Run as its API shows them, https://cloud.google.com/run/docs/reference/rest/v2.

Only the fields that are named here leave Google (https://cloud.google.com/apis/docs/system-parameters, `fields`): of
the environment of a container its names, never a value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, TypeAdapter

CONDITION = "(type,state,severity,reason,revisionReason,lastTransitionTime)"
REVISION_FIELDS = (
    "nextPageToken,revisions(name,createTime,creator,"
    f"containers(name,image,env(name,valueSource/secretKeyRef)),conditions{CONDITION})"
)
SERVICE_FIELDS = (
    "name,updateTime,lastModifier,latestCreatedRevision,latestReadyRevision,reconciling,"
    f"terminalCondition{CONDITION},conditions{CONDITION},trafficStatuses(type,revision,percent)"
)
FAILED, SUCCEEDED = "CONDITION_FAILED", "CONDITION_SUCCEEDED"
SERVICE_ACCOUNT = re.compile(r"(?P<name>[a-z0-9][a-z0-9.-]*)@[a-z0-9.-]*gserviceaccount\.com")


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """`reason`: Google's own word, `HEALTH_CHECK_CONTAINER_ERROR`, or empty; `since`: of its latest turn."""

    kind: str
    state: str
    severity: str
    reason: str
    since: datetime | None

    @property
    def failed(self) -> bool:
        """What the service cannot do without is not so."""
        return self.state == FAILED and self.severity in ("", "ERROR", "SEVERITY_UNSPECIFIED")


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """`images`: container → image; `environment`: names in any container, with the secret behind one where there is
    one; `by`: the name of a service account; a person is nobody here."""

    name: str
    at: datetime
    by: str
    images: Mapping[str, str]
    environment: frozenset[str]
    ready: Condition | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """`traffic`: revision → percent, the most first. `condition`: of the whole; `others`: what it is made of."""

    name: str
    updated_at: datetime
    by: str
    created: str
    ready: str
    reconciling: bool
    condition: Condition | None
    others: tuple[Condition, ...]
    traffic: Mapping[str, int]
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Revisions:
    """The newest first; `now` by Google's clock; `cut` when there are more."""

    listed: tuple[Revision, ...]
    now: datetime
    cut: bool


def _by(email: str) -> str:
    found = SERVICE_ACCOUNT.fullmatch(email)
    return found["name"] if found else ""


def _short(text: Any) -> Any:
    return " ".join(text.split())[:300] if isinstance(text, str) else "" if text is None else text


def _last(text: Any) -> Any:
    """`api-00042-abc` of `projects/p/locations/r/services/api/revisions/api-00042-abc`."""
    return _short(text).rpartition("/")[2] if isinstance(text, str) else _short(text)


Word = Annotated[str, BeforeValidator(_short)]
LastPart = Annotated[str, BeforeValidator(_last)]


class _Wire(BaseModel):
    """Names are those on the wire; what is empty there is left out."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


class _Condition(_Wire):
    type: Word = ""
    state: Word = ""
    severity: Word = ""
    reason: Word = ""
    revisionReason: Word = ""  # noqa: N815
    lastTransitionTime: AwareDatetime | None = None  # noqa: N815

    def read(self) -> Condition:
        reasons = [it for it in (self.revisionReason, self.reason) if it and not it.endswith("UNDEFINED")]
        return Condition(
            kind=self.type,
            state=self.state,
            severity=self.severity,
            reason=reasons[0] if reasons else "",
            since=self.lastTransitionTime,
        )


class _SecretKeyRef(_Wire):
    secret: LastPart = ""
    version: Word = ""


class _ValueSource(_Wire):
    secretKeyRef: _SecretKeyRef | None = None  # noqa: N815


class _Variable(_Wire):
    name: Word
    valueSource: _ValueSource | None = None  # noqa: N815

    def read(self) -> str:
        reference = self.valueSource.secretKeyRef if self.valueSource else None
        return f"{self.name} (secret {reference.secret}:{reference.version})" if reference else self.name


class _Container(_Wire):
    name: Word = ""
    image: Word = ""
    env: list[_Variable] = []


class _Revision(_Wire):
    name: LastPart
    createTime: AwareDatetime  # noqa: N815
    creator: Word = ""
    containers: list[_Container] = []
    conditions: list[_Condition] = []

    def read(self) -> Revision:
        ready = [it.read() for it in self.conditions if it.type == "Ready"]
        return Revision(
            name=self.name,
            at=self.createTime,
            by=_by(self.creator),
            images={it.name: it.image for it in self.containers},
            environment=frozenset(variable.read() for it in self.containers for variable in it.env),
            ready=ready[0] if ready else None,
        )


class _RevisionPage(_Wire):
    revisions: list[_Revision] = []
    nextPageToken: str = ""  # noqa: N815


class _Traffic(_Wire):
    revision: LastPart = ""
    percent: int = 0


class _Service(_Wire):
    name: LastPart
    updateTime: AwareDatetime  # noqa: N815
    lastModifier: Word = ""  # noqa: N815
    latestCreatedRevision: LastPart = ""  # noqa: N815
    latestReadyRevision: LastPart = ""  # noqa: N815
    reconciling: bool = False
    terminalCondition: _Condition | None = None  # noqa: N815
    conditions: list[_Condition] = []
    trafficStatuses: list[_Traffic] = []  # noqa: N815

    def read(self, now: datetime) -> Service:
        return Service(
            name=self.name,
            updated_at=self.updateTime,
            by=_by(self.lastModifier),
            created=self.latestCreatedRevision,
            ready=self.latestReadyRevision,
            reconciling=self.reconciling,
            condition=self.terminalCondition.read() if self.terminalCondition else None,
            others=tuple(it.read() for it in self.conditions),
            traffic=self._traffic(),
            now=now,
        )

    def _traffic(self) -> Mapping[str, int]:
        """A share that names no revision goes to the latest that is ready."""
        shares: dict[str, int] = {}
        for it in self.trafficStatuses:
            name = it.revision or self.latestReadyRevision
            shares[name] = shares.get(name, 0) + it.percent
        return dict(sorted(((name, it) for name, it in shares.items() if it), key=lambda it: -it[1]))


SERVICE = TypeAdapter(_Service)
REVISIONS = TypeAdapter(_RevisionPage)
