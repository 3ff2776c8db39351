"""The rules in force: the last good set, and what came of the last attempt to load another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from responder.model.intake import Intake, merged
from responder.model.pack import Pack
from responder.rules.complaints import Problem
from responder.rules.packs import Loaded


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One attempt to load rules. `by`: what asked for it. `changed`: the packs that are new, other or gone by it."""

    at: datetime
    by: str
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    changed: tuple[str, ...] = ()

    @property
    def is_good(self) -> bool:
        """Whether its rules came into force."""
        return not self.problems


@dataclass(slots=True, kw_only=True)
class RulesInForce:
    """Of one process; everybody who asks for `packs` or `intake` anew sees the change. `path`: where they are read
    from; `since`: when this set was loaded, with what warnings."""

    path: Path
    packs: tuple[Pack, ...]
    intake: Intake
    since: datetime
    warnings: tuple[Problem, ...]
    last: Load

    @classmethod
    def begin(cls, path: Path, loaded: Loaded, at: datetime) -> RulesInForce:
        """With what a start has loaded, in which there is no mistake."""
        return cls(
            path=path,
            packs=loaded.packs,
            intake=merged(pack.intake for pack in loaded.packs),
            since=at,
            warnings=loaded.warnings,
            last=Load(at=at, by="the start", warnings=loaded.warnings, changed=_names(loaded.packs)),
        )

    @property
    def rules(self) -> int:
        """How many there are."""
        return sum(len(pack.rules) for pack in self.packs)

    def take(self, loaded: Loaded, at: datetime, by: str) -> Load:
        """Bring a set into force, whole; one with a mistake in it changes nothing but `last`."""
        if loaded.problems:
            self.last = Load(at=at, by=by, problems=loaded.problems, warnings=loaded.warnings)
            return self.last
        before, after = {it.name: it.hash for it in self.packs}, {it.name: it.hash for it in loaded.packs}
        changed = tuple(sorted(name for name in before | after if before.get(name) != after.get(name)))
        self.packs, self.intake = loaded.packs, merged(pack.intake for pack in loaded.packs)
        self.since, self.warnings = at, loaded.warnings
        self.last = Load(at=at, by=by, warnings=loaded.warnings, changed=changed)
        return self.last


def with_clean_words(loaded: Loaded, redact: Callable[[str], str]) -> Loaded:
    """What is said of the files, as it may be shown: a complaint quotes what stands there, be it a secret."""

    def clean(problems: Sequence[Problem]) -> tuple[Problem, ...]:
        return tuple(replace(it, text=redact(it.text), line=redact(it.line)) for it in problems)

    return replace(loaded, problems=clean(loaded.problems), warnings=clean(loaded.warnings))


def _names(packs: Sequence[Pack]) -> tuple[str, ...]:
    return tuple(sorted(pack.name for pack in packs))
