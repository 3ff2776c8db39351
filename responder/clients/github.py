"""What was rolled out of a repository at GitHub: https://docs.github.com/en/rest/deployments/deployments and
https://docs.github.com/en/rest/actions/workflow-runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, TypeAdapter, ValidationError

from responder.clients.api import ask, not_an_answer
from responder.clients.http import HttpDoor
from responder.errors import Unreachable

T = TypeVar("T")

MAX_BODY_BYTES = 4 * 1024 * 1024  # each run comes with its repository, twice
MOST = 50  # of the newest; GitHub gives no more than 100 at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """`ref`: a branch, tag or commit; `by`: a login, or empty; `passing`: to an environment that will be removed."""

    number: int
    ref: str
    sha: str
    environment: str
    by: str
    at: datetime
    passing: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of a workflow. `ref`: a branch or tag; `event`: what started it; `state`: its conclusion, or how far it
    is; `at`: when it, or its latest attempt, began."""

    number: int
    workflow: str
    ref: str
    sha: str
    event: str
    state: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Newest(Generic[T]):
    """The newest first; `now` by the server's clock; `cut` when there may be more."""

    listed: tuple[T, ...]
    now: datetime
    cut: bool


class GithubDoor:
    """Reads one repository; every method raises CouldNotLook."""

    def __init__(self, http: HttpDoor, repository: str) -> None:
        self._http = http
        self.repository = repository

    async def deployments(self) -> Newest[Deployment]:
        """The newest of all environments."""
        given, now = await self._asked("/deployments", {"per_page": str(MOST)}, TypeAdapter(list[_Deployment]))
        return Newest(listed=tuple(it.read() for it in given), now=now, cut=len(given) >= MOST)

    async def state(self, deployment: Deployment) -> str:
        """`success`, `failure`, `in progress` …; empty where nobody has said."""
        path = f"/deployments/{deployment.number}/statuses"
        given, _ = await self._asked(path, {"per_page": "1"}, TypeAdapter(list[_State]))
        return given[0].state.replace("_", " ") if given else ""

    async def runs(self) -> Newest[Run]:
        """The newest of all workflows."""
        params = {"per_page": str(MOST), "exclude_pull_requests": "true"}
        given, now = await self._asked("/actions/runs", params, TypeAdapter(_Runs))
        listed = tuple(it.read() for it in given.workflow_runs)
        return Newest(listed=listed, now=now, cut=len(listed) >= MOST)

    async def default_branch(self) -> str:
        """`main`."""
        given, _ = await self._asked("", {}, TypeAdapter(_Repository))
        return given.default_branch

    @property
    def shows_credentials(self) -> bool:
        """Whether a token is sent."""
        return self._http.shows_credentials

    async def scopes(self) -> tuple[str, ...] | None:
        """Those of the token; None where GitHub names none, which is so of all but classic tokens."""
        said = (await ask(self._http, f"/repos/{self.repository}")).headers.get("x-oauth-scopes")
        return None if said is None else tuple(it for part in said.split(",") if (it := part.strip()))

    async def _asked(self, below: str, params: Mapping[str, str], shape: TypeAdapter[T]) -> tuple[T, datetime]:
        path = f"/repos/{self.repository}{below}"
        told = await ask(self._http, path, params)
        if told.at is None:
            raise Unreachable(f"{self._http.shown}{path}: the answer has no date, so what is recent is not known")
        try:
            return shape.validate_python(told.document), told.at
        except ValidationError:
            raise not_an_answer(self._http, path, "GitHub") from None


def _short(text: Any) -> Any:
    """One line that a report can show; null is nothing."""
    return " ".join(text.split())[:100] if isinstance(text, str) else "" if text is None else text


Name = Annotated[str, BeforeValidator(_short)]


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


class _Person(_Wire):
    login: Name = ""


class _Deployment(_Wire):
    id: int
    ref: Name
    sha: Name
    environment: Name = ""
    creator: _Person | None = None
    created_at: AwareDatetime
    transient_environment: bool | None = None

    def read(self) -> Deployment:
        return Deployment(
            number=self.id,
            ref=self.ref,
            sha=self.sha,
            environment=self.environment,
            by=self.creator.login if self.creator else "",
            at=self.created_at,
            passing=bool(self.transient_environment),
        )


class _State(_Wire):
    state: Name


class _Run(_Wire):
    run_number: int
    name: Name = ""
    head_branch: Name = ""
    head_sha: Name
    event: Name
    status: Name = ""
    conclusion: Name = ""
    actor: _Person | None = None
    triggering_actor: _Person | None = None
    created_at: AwareDatetime
    run_started_at: AwareDatetime | None = None

    def read(self) -> Run:
        by = self.triggering_actor or self.actor
        return Run(
            number=self.run_number,
            workflow=self.name,
            ref=self.head_branch,
            sha=self.head_sha,
            event=self.event,
            state=(self.conclusion or self.status).replace("_", " "),
            by=by.login if by else "",
            at=self.run_started_at or self.created_at,
        )


class _Runs(_Wire):
    workflow_runs: list[_Run]


class _Repository(_Wire):
    default_branch: Name
