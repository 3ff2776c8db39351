"""From an incident in the store to a test of rules that can be kept."""

from __future__ import annotations

from collections.abc import Sequence

from responder.errors import ResponderError
from responder.model.catalogue import Catalogue
from responder.model.pack import Pack
from responder.rules.packs import pack_from_files
from responder.rules.recorded import decided, recorded
from responder.rules.rehearsals import parse_rehearsals
from responder.store import incidents, look_up
from responder.store.incidents import Seen
from responder.store.store import Store
from responder.work.rehearse import rehearse


async def test_of(store: Store, name: str, packs: Sequence[Pack], catalogue: Catalogue) -> str:
    """The text of a test file: the incident as it was last looked at, by its pack as it is now, or else by the rules
    that it began with. Raises ResponderError."""
    number = await look_up.number_of(store, name)
    seen = await incidents.load(store, number) if number is not None else None
    if seen is None:
        raise ResponderError(f"there is no incident {name!r} here; `responder incidents` lists them")
    if seen.former is None or seen.incident.rule_set is None:
        raise ResponderError(f"{seen.incident.slug} has no report yet; there is nothing to test")
    pack = next((it for it in packs if it.name == seen.incident.pack), None)
    if pack is None:
        pack = pack_from_files(*await incidents.rule_files(store, seen.incident.rule_set), catalogue)
    return text_of(seen, pack, catalogue)


def text_of(seen: Seen, pack: Pack, catalogue: Catalogue) -> str:
    """With everything that was decided; what a single moment cannot bring about (a severity that is held, a breach that
    lasts until `resolve`) is told in a comment instead."""
    assert seen.former is not None
    slug, alerts, expect = seen.incident.slug, seen.incident.evidence, decided(seen.former)
    whole = parse_rehearsals(recorded(slug, alerts, seen.former, pack, expect, ()), slug, pack, catalogue)
    if whole.problems:  # names that the pack does not have any more
        return recorded(slug, alerts, seen.former, pack, {}, list(expect.items()))
    missed = {it.expected.key for test in whole.tests for it in rehearse(test, pack).failures}
    lost = [(key, value) for key, value in expect.items() if key in missed]
    kept = {key: value for key, value in expect.items() if key not in missed}
    return recorded(slug, alerts, seen.former, pack, kept, lost)
