"""What a test expected, held against what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from responder.model.quantities import show_duration
from responder.model.rehearsal import ANY, REST, Expected

NOTHING = "none"
PARTS = frozenset({"title", "summary", "runbook"})  # it is enough when the text stands in what came
BREACHES = frozenset({"critical", "warning"})


@dataclass(frozen=True, slots=True)
class Named:
    """One entry of a list that came: as it is shown, and the other names by which a test may know it."""

    shown: str
    also: frozenset[str] = frozenset()

    def is_meant(self, name: str) -> bool:
        """Whether a test that says `name` means this one."""
        return name in (ANY, self.shown) or name in self.also


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """What came of a step: by the keys of `expect` a list of `Named`, a mapping, text, seconds, a bool or None.

    `why`: what led to it, by key, for people."""

    values: Mapping[str, Any]
    why: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One expectation that does not hold. `at_seconds`: of the step; `test`: its name."""

    test: str
    at_seconds: float
    expected: Expected
    wanted: str
    got: str
    why: tuple[str, ...] = ()


def differences(expect: Sequence[Expected], came: Came, test: str, at_seconds: float) -> Iterator[Failure]:
    """Every expectation that does not hold, in the order written."""
    for it in expect:
        wanted = _missed(it, came.values[it.key])
        if wanted:
            got, why = _shown(it.key, came.values[it.key]), tuple(came.why.get(it.key, ()))
            yield Failure(test=test, at_seconds=at_seconds, expected=it, wanted=wanted, got=got, why=why)


def _missed(expected: Expected, got: Any) -> str:
    """What was expected in place of what came; empty when it came."""
    value = expected.value
    if isinstance(got, tuple):
        return _list_missed(expected, got)
    if isinstance(value, Mapping) or (isinstance(got, Mapping) and isinstance(value, list)):
        return _mapping_missed(expected, got)
    if isinstance(got, Mapping):  # `verdict: critical`: of all rules
        got = got.get(ANY)
    values = value if isinstance(value, list) else [value]
    fits = any(_is(expected.key, it, got) for it in values)
    shown = ", ".join(_one(expected.key, it) for it in values)
    if expected.absent:
        return f"not {shown}" if fits else ""
    return "" if fits else shown


def _list_missed(expected: Expected, got: tuple[Named, ...]) -> str:
    names = [] if expected.value in (NOTHING, [NOTHING]) else list(expected.value)
    if expected.absent:
        there = [it for it in names if any(one.is_meant(it) for one in got)]
        return f"no {', '.join(there)}" if there else ""
    more = bool(names) and names[-1] in (REST, ANY)
    wanted = [it for it in names if it != REST]
    missing = [it for it in wanted if not any(one.is_meant(it) for one in got)]
    extra = [one.shown for one in got if not more and not any(one.is_meant(it) for it in wanted)]
    if not missing and not extra:
        return ""
    notes = [f"missing: {', '.join(missing)}"] * bool(missing) + [f"not expected: {', '.join(extra)}"] * bool(extra)
    return f"{', '.join(names) or NOTHING}   ({'; '.join(notes)})"


def _mapping_missed(expected: Expected, got: Mapping[str, Any]) -> str:
    if isinstance(expected.value, list):  # names that are not to be there
        there = [name for name in expected.value if name in got or (name == ANY and got)]
        return f"no {', '.join(there)}" if there and expected.absent else ""
    wrong = {
        name: value
        for name, value in expected.value.items()
        if _is(expected.key, value, got.get(name)) is expected.absent
    }
    word = "not " if expected.absent else ""
    return ", ".join(f"{name}: {word}{_one(expected.key, value)}" for name, value in wrong.items())


def _is(key: str, value: Any, got: Any) -> bool:
    if value == ANY:
        return got is not None
    if got is None:
        return bool(value == NOTHING)
    if isinstance(value, float):
        return isinstance(got, float | int) and abs(got - value) < 1
    if key == "verdict" and value == "breach":
        return got in BREACHES
    if key == "state" and value == "open":
        return got in {"open", "acknowledged"}
    if key in PARTS:
        return isinstance(value, str) and value in got
    return bool(value == got)


def _one(key: str, value: Any) -> str:
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    return show_duration(value) if isinstance(value, float) else "any" if value == ANY else str(value)


def _shown(key: str, got: Any) -> str:
    if isinstance(got, tuple):
        return ", ".join(it.shown for it in got) or NOTHING
    if isinstance(got, Mapping):
        return ", ".join(f"{name}: {_one(key, value)}" for name, value in got.items() if name != ANY) or NOTHING
    return _one(key, got)
