"""Which changes of a pack its tests do not notice."""

from __future__ import annotations

from responder.model.rehearsal import Rehearsal
from responder.rules.mutate import Mutant
from responder.work.rehearse import Rehearsed, fails

Tested = list[tuple[Rehearsal, Rehearsed]]


def lives(mutant: Mutant, tests: Tested) -> bool:
    """Whether every test holds all the same; of a change inside one rule, every test that looks at this rule.

    The one that notices is put first: it is likely to notice the next change, too.
    """
    for place, (test, it) in enumerate(tests):
        if (not mutant.rule or mutant.rule in it.rules) and fails(test, mutant.pack):
            tests.insert(0, tests.pop(place))
            return False
    return True
