"""Readings with their past: from the source where it keeps one, else from the samples that we took ourselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from responder.model.alert import Alert
from responder.model.pack import Pack, Rule, Signal
from responder.model.reading import AnyReading
from responder.model.sources import MetricsSource
from responder.rules.match import windows
from responder.signals.history import with_history
from responder.signals.read import read
from responder.signals.signal import own_step
from responder.store import samples
from responder.store.samples import Owner
from responder.store.work import Ask, ask
from responder.work.desk import Desk

SAMPLE = "sample"
KEPT_SECONDS = 900.0  # of the past that is looked at, where no bound asks for more
BEYOND_STEPS = 4  # what is looked at beyond the longest window, to tell a breach that goes on from one that begins

Readings = Mapping[str, tuple[AnyReading, ...]]
Wanted = Mapping[Signal, Sequence[float]]


def wanted_by(pack: Pack, rules: Sequence[Rule]) -> Wanted:
    """Every signal that these rules and the pack's questions need, with the seconds of their windows."""
    return {pack.signals[name]: fors for name, fors in windows(pack, rules).items()}


def sampled(wanted: Wanted) -> Wanted:
    """Of these the ones whose windows are covered by samples of our own: without a past, and held to a `for`, or
    counters, of which one sample says nothing."""
    return {signal: fors for signal, fors in wanted.items() if not signal.source.has_past and (fors or counts(signal))}


def counts(signal: Signal) -> bool:
    """Whether what counts is the growth from one sample to the next."""
    return isinstance(signal.source, MetricsSource) and signal.source.how != "value"


async def ask_for_samples(desk: Desk, number: int, wanted: Wanted) -> None:
    """Have the next sample of each taken in time, whatever becomes of the next look."""
    steps = {own_step(signal.source, fors) for signal, fors in sampled(wanted).items()}
    async with desk.store.transaction() as connection:
        for step in sorted(steps):
            await ask(connection, [Ask(kind=SAMPLE, key=f"{number}/{step:g}")], in_seconds=step)


async def take(
    desk: Desk,
    pack: Pack,
    owner: Owner,
    wanted: Wanted,
    labels: Sequence[Mapping[str, str]],
    alerts: Sequence[Alert],
    now: datetime,
    *,
    within_seconds: float,
) -> Readings:
    """Read all of them now, keep what are samples of our own, and set each beside the earlier ones of its owner."""
    found = await read(wanted, labels, pack.targets, desk.doors, now, within_seconds=within_seconds, payloads=alerts)
    fors = {signal.name: it for signal, it in wanted.items()}
    return {
        name: tuple([await _with_own_samples(desk, pack, owner, it, fors[name]) for it in several])
        for name, several in found.items()
    }


async def _with_own_samples(
    desk: Desk, pack: Pack, owner: Owner, reading: AnyReading, fors: Sequence[float]
) -> AnyReading:
    source = pack.signals[reading.signal].source
    if source.has_past:
        return reading
    await samples.save(desk.store, owner, reading)
    step = own_step(source, fors)
    past = timedelta(seconds=max(KEPT_SECONDS, max(fors, default=0.0) + BEYOND_STEPS * step))
    return with_history(reading, await samples.load(desk.store, owner, reading, reading.at - past))
