"""Take samples of our own between two looks, so that windows are covered however long a look takes.

One row for each length of step of an incident. When a sample changes what a bound says, a look is asked for at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from responder.model.incident import IncidentState
from responder.model.pack import Pack, Rule
from responder.model.verdict import Level, RuleVerdict, key_of
from responder.model.window import judge
from responder.signals.signal import own_step
from responder.store.work import Ask, Claimed, ask
from responder.work.desk import OVER, Desk, Next
from responder.work.look import Look
from responder.work.readings import SAMPLE, Readings, Wanted, sampled, take, wanted_by
from responder.work.situation import Situation
from responder.work.work import Kind

READ_WITHIN_SECONDS = 5.0
ASKED = "? "  # begins the names of questions, which no rule's can
Said = Mapping[str, str]


async def sample(row: Claimed, desk: Desk) -> Next:
    """One sample of each signal with this step; due again a step after this one began, until the incident is over."""
    number, _, step = row.key.partition("/")
    look = await Look.begin(desk, int(number))
    if look is None or look.incident.state is not IncidentState.OPEN:
        return OVER
    if look.began_with.waits is not None:
        return Next(in_seconds=float(step), waits_for=look.began_with.waits.waits_for)
    if look.pack is None:
        return OVER
    rules, situation = look.rules(), look.situation
    wanted = _of_step(sampled(wanted_by(look.pack, rules)), float(step))
    if not wanted:
        return OVER
    readings = await take(
        desk,
        look.pack,
        look.incident.id,
        wanted,
        situation.labels,
        situation.alerts,
        look.now,
        within_seconds=READ_WITHIN_SECONDS,
    )
    said = dict(_said(situation, rules, readings))
    known = _known(look.seen.known)
    if _is_news(said, row.payload.get("said", known), known):
        async with desk.store.transaction() as connection:
            await ask(connection, [Ask(kind="respond", key=number)])
    passed = asyncio.get_running_loop().time() - look.began
    return Next(in_seconds=max(float(step) - passed, 0.0), waits_for="the next sample", payload={"said": said})


def _of_step(wanted: Wanted, step_seconds: float) -> Wanted:
    return {signal: fors for signal, fors in wanted.items() if own_step(signal.source, fors) == step_seconds}


def _said(situation: Situation, rules: Sequence[Rule], readings: Readings) -> Iterator[tuple[str, str]]:
    """What each bound on these signals says, of rules and of questions."""
    for rule in rules:
        mine = tuple(it for it in rule.thresholds if it.signal in readings)
        if mine:
            (verdict,) = situation.verdicts([replace(rule, thresholds=mine)], readings)
            yield from ((f"{rule.name}/{it.signal}", key_of(it.verdict)) for it in verdict.signals)
    yield from _answers(situation.pack, readings)


def _answers(pack: Pack, readings: Readings) -> Iterator[tuple[str, str]]:
    scheme = pack.severity
    asked = [(it.ask, *bound) for it in scheme.decide for part in it.when for bound in part.signals]
    asked += [("matrix", scheme.matrix.signal, cell) for cell in scheme.matrix.cells] if scheme.matrix else []
    for ask_of, name, bound in asked:
        words = [judge(bound, Level.CRITICAL, it).word for it in readings.get(name, ())]
        if words:
            yield f"{ASKED}{ask_of}/{name}/{bound.text}", " ".join(words)


def _known(verdicts: Sequence[RuleVerdict]) -> Said:
    return {f"{rule.rule}/{it.signal}": key_of(it.verdict) for rule in verdicts for it in rule.signals}


def _is_news(said: Said, before: Said, known: Said) -> bool:
    """Whether something is said that neither the sample before nor the last look said. Of a rule that nothing was said
    of it was unknown; what a question was answered is not kept, so the first sample is no news to it."""
    return any(
        word not in (before.get(name, word if name.startswith(ASKED) else "unknown"), known.get(name))
        for name, word in said.items()
    )


KIND = Kind(name=SAMPLE, do=sample, at_once=32)
