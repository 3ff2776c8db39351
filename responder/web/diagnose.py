"""The request to ask the checks of an incident now."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from responder.delivery.as_json import finding_as_json
from responder.errors import StoreUnavailable, UsageError
from responder.model.finding import Finding
from responder.store import look_up
from responder.store.store import Store
from responder.web.api import PREFIX, Handler, answer
from responder.web.rules import refuse_other_sites
from responder.web.webhooks import RETRY_AFTER_SECONDS, Refused


class DiagnoseApi:
    """`ask`: asks the checks of the incident of that number; raises UsageError where there is nothing to ask."""

    def __init__(self, store: Store, ask: Callable[[int], Awaitable[Sequence[Finding]]]) -> None:
        self._store, self._ask = store, ask

    def add_to(self, router: web.UrlDispatcher, guard: Callable[[Handler], Handler]) -> None:
        """Mount it behind the guard of the pages, without their deadline: checks have their own."""
        router.add_post(f"{PREFIX}/incidents/{{id}}/diagnose", guard(self.diagnose))

    async def diagnose(self, request: web.Request) -> web.Response:
        """What the checks find now; nothing is kept or sent."""
        refuse_other_sites(request)
        slug = request.match_info["id"]
        try:
            number = await look_up.number_of(self._store, slug)
            if number is None:
                raise Refused(404, f'there is no incident "{slug}" here; an identifier looks like inc-7K3F')
            findings = await self._ask(number)
        except StoreUnavailable as away:
            raise Refused(503, str(away), {"Retry-After": RETRY_AFTER_SECONDS}) from away
        except UsageError as nothing:
            raise Refused(409, f"{slug}: {nothing}") from nothing
        told = [self._store.redacted(finding_as_json(it)) for it in findings]
        return answer({"incident": look_up.slug_in(slug), "findings": told})
