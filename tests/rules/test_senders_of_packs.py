"""What the packs that come with responder say of generic senders, with bodies as those send them."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from responder.diagnostics.catalogue import specs
from responder.incidents.fold import fold
from responder.intake.generic import Generic
from responder.intake.source import Limits, Post
from responder.model.alert import Webhook
from responder.model.folding import Told
from responder.model.intake import Intake
from responder.redaction.redact import Redactor
from responder.rules.packs import load_packs
from tests.conftest import START

RULES = Path(__file__).parents[2] / "rules"


def sentry(intake: Intake, name: str, action: str, *, last_seen: datetime) -> Webhook:
    """An issue that is ten days old, as Sentry tells of it a minute after it was last seen."""
    issue = {
        "id": "1170820242",
        "title": "ZeroDivisionError",
        "firstSeen": (START - timedelta(days=10)).isoformat(),
        "lastSeen": last_seen.isoformat(),
        "project": {"slug": "api"},
    }
    body = json.dumps({"action": action, "data": {"issue": issue}}).encode()
    post = Post(source=name, headers=CIMultiDictProxy(CIMultiDict()), body=body, intake=intake)
    return Generic(clock=(last_seen + timedelta(minutes=1)).timestamp).parse(post, Redactor(), Limits())


@pytest.mark.parametrize("pack", ["ai-concierge", "medicalcor"])
def test_an_issue_of_sentry_that_comes_back_is_news(pack: str) -> None:
    (intake,) = (it.intake for it in load_packs(RULES / pack, specs()).packs)
    told = [
        sentry(intake, f"{pack}-sentry", action, last_seen=START + timedelta(hours=hours))
        for action, hours in [("triggered", 0), ("triggered", 0), ("resolved", 0), ("triggered", 10)]
    ]

    plans = fold(told, {}, frozenset(), START, reopen_within=timedelta(minutes=10))

    assert [it.told for it in plans] == [(Told.ACCEPTED,), (Told.DUPLICATE,), (Told.ACCEPTED,), (Told.ACCEPTED,)]
