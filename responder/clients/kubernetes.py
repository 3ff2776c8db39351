"""Gets and lists of one cluster, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Generic, TypeVar

import aiohttp
from pydantic import Field, ValidationError

from responder.clients.budget import Budget
from responder.clients.http import Answer, body_of, translated
from responder.clients.kubernetes_access import Access
from responder.clients.kubernetes_objects import Thing, Wire
from responder.clients.kubernetes_paths import (
    HELM_RELEASES,
    HELM_SELECTOR,
    NAME,
    NAMESPACES,
    PODS,
    REVIEW,
    Resource,
    review_of,
)
from responder.clients.kubernetes_rules import Rules, RulesReview
from responder.clients.kubernetes_session import client_of
from responder.clients.resolve import Resolved
from responder.errors import CouldNotLook, Refused, Unreachable

MAX_BODY_BYTES = 16 * 1024 * 1024  # of one page
PAGE = 250  # objects; a pod is 5 to 15 KiB
MOST = 1000  # objects of one list
MAX_LOG_BYTES = 1024 * 1024
ROLES = {"pods/log": "deploy/kubernetes/pod-logs", "secrets": "deploy/kubernetes/helm-history"}
ROLE = "deploy/roles/kubernetes"
REVIEWS = Resource(api="apis/authorization.k8s.io/v1", plural="selfsubjectrulesreviews", namespaced=False)

W = TypeVar("W", bound=Wire)


class NotServed(Unreachable):
    """The cluster has no such API: an older or newer one, or an add-on that is not there."""


class NotThere(Refused):
    """No object of that name."""


class Changed(Unreachable):
    """The list changed while it was read, and the server does not remember how it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed(Generic[W]):
    """`now`: by the server's clock; `cut` when there are more."""

    items: tuple[W, ...]
    now: datetime
    cut: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """The last lines of one container; `cut` when they were more bytes than asked for."""

    body: bytes
    cut: bool
    now: datetime


class _Page(Wire, Generic[W]):
    class Metadata(Wire):
        more: str = Field(default="", alias="continue")

    kind: str
    metadata: Metadata = Metadata()
    items: tuple[W, ...] = ()


class KubernetesDoor:
    """Reads one cluster; every method raises CouldNotLook, whose text holds names, never a credential."""

    def __init__(
        self, resolved: Resolved, budget: Budget, access: Access, *, may_log: bool = False, may_helm: bool = False
    ) -> None:
        self._resolved = resolved
        self._budget = budget
        self._access = access
        self._may_log = may_log
        self._may_helm = may_helm
        self._client: Any = None
        self._opening = asyncio.Lock()

    @property
    def shown(self) -> str:
        """Scheme, host and port, for people."""
        return self._resolved.shown

    async def prepare(self) -> None:
        """Load the library; nothing is asked."""
        await self._opened()

    async def list(
        self,
        what: Resource,
        shape: type[W],
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        most: int = MOST,
    ) -> Listed[W]:
        """All of a namespace, or of all namespaces, page by page; at most `most` of them. Raises NotThere where there
        is no such namespace: of one the server only says that nothing is in it."""
        selected = {"labelSelector": labels, "fieldSelector": fields}
        found: list[W] = []
        more, now = "", None
        while True:
            query = {key: it for key, it in selected.items() if it} | {"limit": str(min(PAGE, most - len(found)))}
            try:
                page, now = await self._page(what, shape, namespace, query | ({"continue": more} if more else {}))
            except Changed:
                if now is None:
                    raise
                break  # what was read stands, and `more` says that it is not all
            found += page.items
            more = page.metadata.more
            if not more or len(found) >= most:
                break
        if not found and namespace:
            await self._check_namespace(namespace)
        return Listed(items=tuple(found[:most]), now=now, cut=bool(more) or len(found) > most)

    async def _check_namespace(self, namespace: str) -> None:
        """Raises NotThere with the closest that there is; a server that does not say leaves it open."""
        try:
            await self.get(NAMESPACES, Thing, "", namespace)
        except NotThere:
            there: tuple[Thing, ...] = ()
            with contextlib.suppress(CouldNotLook):
                there = (await self.list(NAMESPACES, Thing)).items
            near = difflib.get_close_matches(namespace, [it.metadata.name for it in there], n=1)
            said = f"there is no namespace {namespace}" + (f"; did you mean {near[0]}?" if near else "")
            raise NotThere(said) from None
        except CouldNotLook:
            pass

    async def get(self, what: Resource, shape: type[W], namespace: str, name: str) -> W:
        """One by its name; raises NotThere. `namespace` is empty of what is in none."""
        self._check_names(*([namespace] if what.namespaced else []), name)
        answer = await self._ask(what.path(namespace, name), {}, what.accept, MAX_BODY_BYTES)
        self._check(answer, what, namespace, name)
        return await self._read(answer, shape)

    async def helm_releases(self, namespace: str, release: str = "") -> Listed[Thing]:
        """One for each revision that Helm remembers; name, labels and date, for the Secret itself never comes."""
        if not self._may_helm:
            raise Refused(f"{self.shown}: Helm is read only where the target says `allow: [helm]`")
        labels = f"{HELM_SELECTOR},name={release}" if release else HELM_SELECTOR
        return await self.list(HELM_RELEASES, Thing, namespace, labels=labels)

    async def log(
        self,
        namespace: str,
        pod: str,
        container: str = "",
        *,
        tail: int,
        since_seconds: int = 0,
        previous: bool = False,
        most_bytes: int = MAX_LOG_BYTES,
    ) -> Log:
        """The last `tail` lines of a container, each with its time; of its former run with `previous`."""
        if not self._may_log:
            raise Refused(f"{self.shown}: logs are read only where the target says `allow: [logs]`")
        self._check_names(namespace, pod, *([container] if container else []))
        query = {"timestamps": "true", "tailLines": str(tail), "limitBytes": str(most_bytes)}
        query |= {"container": container} if container else {}
        query |= {"sinceSeconds": str(since_seconds)} if since_seconds else {}
        query |= {"previous": "true"} if previous else {}
        answer = await self._ask(f"{PODS.path(namespace, pod)}/log", query, "*/*", most_bytes)
        self._check(answer, replace(PODS, plural="pods/log"), namespace, pod)
        return Log(body=answer.body, cut=answer.cut or len(answer.body) >= most_bytes, now=self._now(answer))

    async def rules(self, namespace: str) -> Rules:
        """What our account may do in a namespace, as the server says; changes nothing, though it is a POST."""
        self._check_names(namespace)
        answer = await self._ask(REVIEW, {}, "application/json", MAX_BODY_BYTES, review=review_of(namespace))
        if answer.status not in (200, 201):
            self._check(answer, REVIEWS, "", "")
            raise Unreachable(f"{self.shown}: asked what we may do: HTTP {answer.status}, expected 201")
        return (await self._read(answer, RulesReview)).status

    async def close(self) -> None:
        """Close what was opened."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def _check_names(self, *names: str) -> None:
        for name in names:
            if not NAME.fullmatch(name):
                raise Refused(f"{self.shown}: {name[:80]!r} is no name that Kubernetes knows")

    async def _page(
        self, what: Resource, shape: type[W], namespace: str, query: Mapping[str, str]
    ) -> tuple[_Page[W], datetime]:
        if namespace:
            self._check_names(namespace)
        answer = await self._ask(what.path(namespace), query, what.accept, MAX_BODY_BYTES)
        self._check(answer, what, namespace, "")
        page = await self._read(answer, _Page[shape])  # type: ignore[valid-type]
        if not page.kind.endswith("List"):
            raise Unreachable(f"{self.shown}: list {what.plural}: a list was expected, got {page.kind[:40]!r}")
        if what is HELM_RELEASES and page.kind != "PartialObjectMetadataList":
            raise Refused(f"{self.shown}: asked for the metadata of Secrets, got {page.kind[:40]}; none of it was kept")
        return page, self._now(answer)

    async def _read(self, answer: Answer, shape: type[W]) -> W:
        if answer.cut:
            raise Unreachable(f"{self.shown}: the answer is larger than {MAX_BODY_BYTES >> 20} MiB")
        try:
            # The event loop also takes webhooks: a large body must not hold those up.
            return await asyncio.to_thread(shape.model_validate_json, answer.body)
        except ValidationError:
            raise Unreachable(f"{self.shown}: HTTP {answer.status}, but not an answer of Kubernetes") from None

    def _now(self, answer: Answer) -> datetime:
        if answer.sent_at is None:
            raise Unreachable(f"{self.shown}: the answer has no date, so what is recent is not known")
        return answer.sent_at

    def _check(self, answer: Answer, what: Resource, namespace: str, name: str) -> None:
        """Raises what a status that is not 200 means."""
        verb = "get" if name else "list"
        asked = f"{verb} {what.plural}" + (f" in namespace {namespace}" if namespace else "")
        where = f"{self.shown}: "
        match answer.status:
            case 200:
                return
            case 401:
                raise Refused(f"{where}the token or certificate is not accepted (HTTP 401)")
            case 403:
                named = f"{what.plural}.{what.group}" if what.group else what.plural
                role = ROLES.get(what.plural, ROLE)
                raise Refused(f"{where}forbidden: {asked}; it needs a role with {verb} on {named}, as in {role}")
            case 404 if name:
                raise NotThere(f"{where}there is no {name} ({asked}: HTTP 404)")
            case 404:
                cure = ": is metrics-server installed?" if what.group == "metrics.k8s.io" else ""
                raise NotServed(f"{where}{what.group or what.api} is not served ({asked}: HTTP 404){cure}")
            case 410:
                raise Changed(f"{where}{asked}: the list changed while it was read (HTTP 410)")
            case 429:
                wait = answer.headers.get("retry-after", "")
                after = f", come again after {wait} s" if wait.isascii() and wait.isdigit() else ""
                raise Unreachable(f"{where}busy (HTTP 429{after}): {asked}")
            case 503 if what.group == "metrics.k8s.io":
                raise NotServed(f"{where}{what.group} is not served now (HTTP 503): is metrics-server running?")
            case status:
                raise Unreachable(f"{where}{asked}: HTTP {status}, expected 200")

    async def _ask(
        self, path: str, query: Mapping[str, str], accept: str, most: int, *, review: Mapping[str, Any] | None = None
    ) -> Answer:
        """`review`: the body of the one question that is asked by POST."""
        headers = {"Accept": accept, "Accept-Encoding": "identity"}
        async with self._budget.turn():
            client = await self._opened()
            started = asyncio.get_running_loop().time()
            try:
                response = await client.call_api(
                    path,
                    "GET" if review is None else "POST",
                    query_params=list(query.items()),
                    header_params=headers | ({} if review is None else {"Content-Type": "application/json"}),
                    body=review,
                    auth_settings=["BearerToken"],
                    _preload_content=False,
                )
                async with response:
                    body, cut = await body_of(response, most)
            except (aiohttp.ClientError, OSError, ValueError) as reason:
                raise translated(self._resolved, reason) from None
        if response.status == 401:
            await self.close()  # the next look takes up a certificate that was renewed
        return Answer(
            status=response.status,
            headers={name.lower(): value for name, value in response.headers.items()},
            body=body,
            cut=cut,
            took_seconds=asyncio.get_running_loop().time() - started,
        )

    async def _opened(self) -> Any:
        async with self._opening:
            if self._client is None:
                self._client = await client_of(self._resolved, self._access)
            return self._client
