"""Look at what is watched without an alert: every rule with `watch`, each in a row of its own.

While such a rule has an open incident, the looks at that go on with it. The row without a name has every watched rule
of the packs in force looked at, also of those that were loaded since.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

import structlog

from responder.model.pack import Pack, Rule
from responder.model.verdict import Breach, Clear, RuleVerdict, key_of
from responder.rules.evaluate import evaluate
from responder.signals.signal import own_step
from responder.store import watches
from responder.store.watches import Held, Opening, Paging, Watch
from responder.store.work import Ask, Claimed, ask_once
from responder.work.desk import OVER, Desk, Next
from responder.work.readings import Wanted, sampled, take, wanted_by
from responder.work.work import Kind

EVERY_SECONDS = 10.0  # until a rule that was loaded is watched
READ_WITHIN_SECONDS = 5.0
LEAST_SECONDS = 1.0
SINK = "pagerduty_event"
NO_KEY = "RESPONDER_PAGERDUTY_ROUTING_KEY is not set: nobody is paged"
IN_SHADOW = "RESPONDER_SHADOW is on: nobody is paged"
log = structlog.get_logger()


async def watch(row: Claimed, desk: Desk) -> Next:
    """One look at one rule; due again after its `watch`, or a step of the samples that its windows need."""
    if not row.key:
        return await _all(desk)
    pack, rule = next(((p, r) for p, r in _watched(desk) if _name(p, r).name == row.key), (None, None))
    if pack is None or rule is None:
        return OVER
    began = asyncio.get_running_loop().time()
    wanted = _wanted(pack, rule)
    await _look(desk, pack, rule, wanted)
    passed = asyncio.get_running_loop().time() - began
    return Next(in_seconds=max(_period(rule, wanted) - passed, LEAST_SECONDS), waits_for="the next look")


async def _all(desk: Desk) -> Next:
    async with desk.store.transaction() as connection:
        await ask_once(connection, [Ask(kind=KIND.name, key=_name(pack, rule).name) for pack, rule in _watched(desk)])
    return Next(in_seconds=EVERY_SECONDS, waits_for="other rules")


def _watched(desk: Desk) -> list[tuple[Pack, Rule]]:
    return [(pack, rule) for pack in desk.packs for rule in pack.rules if rule.watch_seconds is not None]


def _name(pack: Pack, rule: Rule) -> Watch:
    return Watch(pack=pack.name, rule=rule.name)


def _wanted(pack: Pack, rule: Rule) -> Wanted:
    """The signals of its bounds; those of questions are read once there is an incident."""
    named = {it.signal for it in rule.thresholds}
    return {signal: fors for signal, fors in wanted_by(pack, [rule]).items() if signal.name in named}


def _period(rule: Rule, wanted: Wanted) -> float:
    steps = (own_step(signal.source, fors) for signal, fors in sampled(wanted).items())
    return min([rule.watch_seconds or EVERY_SECONDS, *steps])


async def _look(desk: Desk, pack: Pack, rule: Rule, wanted: Wanted) -> None:
    name = _name(pack, rule)
    held = await watches.held(desk.store, name)
    if held.is_open and held.in_breach:
        return
    verdict = await _verdict(desk, pack, rule, wanted, held)
    desk.metrics.evaluations.labels(rule.name, key_of(verdict.verdict)).inc()
    if held.in_breach:
        if isinstance(verdict.verdict, Clear):
            await watches.is_over(desk.store, name)
    elif isinstance(verdict.verdict, Breach):
        await _open(desk, pack, rule)


async def _verdict(desk: Desk, pack: Pack, rule: Rule, wanted: Wanted, held: Held) -> RuleVerdict:
    """`resolve` goes on from what the incident knew: a breach that a person settled is over by it alone."""
    owner = held.incident if held.is_open and held.incident is not None else _name(pack, rule).name
    readings = await take(desk, pack, owner, wanted, [rule.labels], (), held.now, within_seconds=READ_WITHIN_SECONDS)
    former = next((it for it in held.known if it.rule == rule.name), None) if held.in_breach else None
    return evaluate(rule, readings, (), former, held.now)


async def _open(desk: Desk, pack: Pack, rule: Rule) -> None:
    opening = Opening(
        rule_set=pack.hash,
        files=pack.files,
        first_report_within=timedelta(seconds=desk.first_report_within_seconds),
        reopen_within=desk.reopen_within,
        paging=_paging(desk) if rule.page else None,
    )
    slug = await watches.breach(desk.store, _name(pack, rule), opening)
    if slug is None:
        return
    log.info("watch.breached", rule=rule.name, pack=pack.name, incident=slug)
    if opening.paging is not None and opening.paging.why_not:
        log.warning("watch.not_paged", rule=rule.name, incident=slug, why=opening.paging.why_not)


def _paging(desk: Desk) -> Paging:
    why_not = "" if desk.deliver else IN_SHADOW
    if desk.deliver and SINK not in desk.sinks:
        why_not = NO_KEY
    return Paging(name=desk.name, sink=SINK, why_not=why_not, asks=desk.pagerduty is not None)


KIND = Kind(name="watch", do=watch, at_once=16, keys=("",))
