"""The rules in force as JSON, and the request to read the files anew."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiohttp import web

from responder.delivery.as_json import moment
from responder.model.pack import Entry, Pack, Rule, Thresholds
from responder.rules.complaints import Problem
from responder.rules.in_force import Load, RulesInForce
from responder.web.api import PREFIX, Handler, answer
from responder.web.webhooks import Refused


class RulesApi:
    """`reload`: reads the files, told who asks."""

    def __init__(self, rules: RulesInForce, reload: Callable[[str], Awaitable[Load]]) -> None:
        self._rules, self._reload = rules, reload

    def add_to(self, router: web.UrlDispatcher, guard: Callable[[Handler], Handler]) -> None:
        """Mount both behind the guard of the pages."""
        router.add_get(f"{PREFIX}/rules", guard(self.show))
        router.add_post(f"{PREFIX}/rules/reload", guard(self.reload))

    async def show(self, request: web.Request) -> web.Response:
        """The packs and rules in force, what the last load said, and the warnings of what is in force."""
        return answer(rules_as_json(self._rules))

    async def reload(self, request: web.Request) -> web.Response:
        """Read, check and take the rule files now; 422 with every mistake, and the rules in force stay."""
        refuse_other_sites(request)
        load = await self._reload("the API")
        if not load.is_good:
            count = f"{len(load.problems)} mistake{'' if len(load.problems) == 1 else 's'}"
            told = {"problems": [problem_as_json(it) for it in (*load.problems, *load.warnings)]}
            raise Refused(422, f"the rule files hold {count}; the rules in force stay", more=told)
        return answer({"rules_loaded": self._rules.rules, "last_load": _load(load)})


def refuse_other_sites(request: web.Request) -> None:
    """A page elsewhere can make a browser post; browsers then say where it came from."""
    origin = request.headers.get("Origin")
    if origin is not None and origin.partition("://")[2] != request.host:
        raise Refused(403, "this is not asked for from another site")


def rules_as_json(rules: RulesInForce) -> dict[str, Any]:
    """Everything in force, and the last attempt to change it."""
    return {
        "path": str(rules.path),
        "since": moment(rules.since),
        "rules_loaded": rules.rules,
        "last_load": _load(rules.last),
        "warnings": [problem_as_json(it) for it in rules.warnings],
        "packs": [_pack(it) for it in rules.packs],
    }


def problem_as_json(problem: Problem) -> dict[str, Any]:
    """One mistake or warning and where it stands."""
    at = problem.position
    return {"file": at.file, "line": at.line, "column": at.column, "severity": problem.severity, "text": problem.text}


def _load(load: Load) -> dict[str, Any]:
    return {
        "at": moment(load.at),
        "by": load.by,
        "good": load.is_good,
        "changed": list(load.changed),
        "problems": [problem_as_json(it) for it in load.problems],
        "warnings": [problem_as_json(it) for it in load.warnings],
    }


def _pack(pack: Pack) -> dict[str, Any]:
    return {
        "pack": pack.name,
        "hash": pack.hash.hex(),
        "for": [line.text for line in pack.covers],
        "time_zone": pack.time_zone,
        "levels": list(pack.severity.levels),
        "targets": {name: it.kind for name, it in pack.targets.items()},
        "signals": {name: f"{it.unit} {it.noun}".strip() for name, it in pack.signals.items()},
        "rules": [_rule(it) for it in pack.rules],
    }


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "rule": rule.name,
        "written_at": str(rule.written_at),
        "summary": rule.summary,
        "match": [line.text for line in rule.match],
        "default": rule.default,
        "watch_seconds": rule.watch_seconds,
        "thresholds": {it.signal: bounds_of(it) for it in rule.thresholds},
        "combine": rule.combine,
        "level": rule.level.value if rule.level else None,
        "private": rule.private,
        "runbook": rule.runbook,
        "diagnose": checks_of(rule.diagnose),
        "suggest": [it.do for it in rule.suggest],
    }


def bounds_of(thresholds: Thresholds) -> dict[str, str]:
    """The bounds that are written, gravest first, as they are written."""
    named = {"critical": thresholds.critical, "warning": thresholds.warning, "resolve": thresholds.resolve}
    return {name: bound.text for name, bound in named.items() if bound is not None}


def checks_of(entries: Sequence[Entry]) -> list[str]:
    """`http.status(api)`, or the name that the entry gives itself."""
    return [it.name or (f"{it.check}({it.target})" if it.target else it.check) for it in entries]
