from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from responder.clients.google_run import Revision
from responder.diagnostics.google_revisions import DIAGNOSTIC
from responder.diagnostics.google_words import difference
from responder.errors import CouldNotLook, NotConfigured, Refused, Unreachable
from responder.model.finding import Change, Outcome
from tests.diagnostics.google_service import CI, REVISIONS, SERVICE, Serve, condition, look, revision, service
from tests.systems.google import GoogleCloud
from tests.systems.vendors import NOW

LATEST = "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST"
NAMED = "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION"


def rolled_out(*, latest: int = 42, revisions: Any = None, **more: Any) -> GoogleCloud:
    """In the order in which nobody has promised anything."""
    known = revisions or [
        revision(41, "20T10:00:00", ":2.14.0", names=("OLD_KEY", "DATABASE_URL")),
        revision(42, "21T03:04:00", ":2.15.0", names=("DATABASE_URL", "STRIPE_KEY")),
    ]
    return GoogleCloud({SERVICE: service(latest, **more), REVISIONS: {"revisions": known}})


async def test_a_rollout_is_told_with_its_image_and_the_names_in_its_environment(serve: Serve) -> None:
    cloud = rolled_out()

    finding = await look(DIAGNOSTIC, cloud, serve)

    assert (finding.outcome, finding.marks) == (Outcome.HEALTHY, ("recent_rollout",))
    assert finding.headline == (
        "api-00042 serves 100 %, created 03:04 UTC: image 2.14.0 → 2.15.0, environment +STRIPE_KEY −OLD_KEY, "
        "by ci-deploy"
    )
    assert finding.changes == (
        Change(
            at=datetime(2026, 11, 21, 3, 4, tzinfo=UTC),
            what="Revision api-00042: 100 % of traffic, image 2.14.0 → 2.15.0, environment +STRIPE_KEY −OLD_KEY",
            by="ci-deploy",
            about={"service": "api"},
        ),
    )
    assert finding.found == {
        "service": "api",
        "revision": "api-00042",
        "previous_revision": "api-00041",
        "region": "europe-west1",
        "project": "shop-prod",
    }
    assert finding.equivalent == ("gcloud run revisions list --service=api --region=europe-west1 --project=shop-prod")
    assert sorted(cloud.asked) == [("GET", SERVICE), ("GET", REVISIONS)]
    assert cloud.tokens == {"Bearer s3crettoken"}
    assert "s3cret" not in repr(finding)


async def test_no_value_of_an_environment_leaves_google(serve: Serve) -> None:
    cloud = rolled_out()

    await look(DIAGNOSTIC, cloud, serve)

    fields = "".join(it["fields"] for it in cloud.parameters)
    assert "env(name,valueSource/secretKeyRef)" in fields
    assert not {"value", "template", "args", "message", "labels"} & set(
        fields.replace("/", "(").replace(",", "(").split("(")
    )


async def test_nothing_new_is_healthy_and_says_what_serves(serve: Serve) -> None:
    cloud = rolled_out(
        latest=41,
        revisions=[revision(41, "20T10:00:00", ":2.14.0")],
        updateTime="2026-11-20T10:00:01Z",
    )

    finding = await look(DIAGNOSTIC, cloud, serve, since="2h")

    assert (finding.outcome, finding.marks, finding.changes) == (Outcome.HEALTHY, (), ())
    assert finding.headline == (
        "no new revision in the last 2h; api-00041 serves 100 %, newest of 2026-11-20 10:00 UTC"
    )


async def test_a_newest_revision_that_is_not_ready_is_unhealthy_and_says_why(serve: Serve) -> None:
    failed = [condition("Ready", "FAILED", "03:05:30", revisionReason="HEALTH_CHECK_CONTAINER_ERROR")]
    cloud = rolled_out(
        ready=41,
        revisions=[
            revision(42, "21T03:04:00", ":2.15.0", conditions=failed),
            revision(41, "20T10:00:00", ":2.14.0"),
        ],
    )

    finding = await look(DIAGNOSTIC, cloud, serve)

    assert (finding.outcome, finding.gravity) == (Outcome.UNHEALTHY, 70)
    assert finding.headline == (
        "the newest revision api-00042 is not ready (health check container error) since 03:05 UTC; "
        "api-00041 serves 100 %"
    )


async def test_a_rollout_under_way_is_no_fault_yet(serve: Serve) -> None:
    pending = [condition("Ready", "RECONCILING")]
    cloud = rolled_out(ready=41, reconciling=True, revisions=[revision(42, "21T03:04:00", ":2", conditions=pending)])

    finding = await look(DIAGNOSTIC, cloud, serve)

    assert finding.outcome is Outcome.HEALTHY
    assert finding.headline == "api-00041 serves 100 %; the newest api-00042, created 03:04 UTC: image 2, by ci-deploy"


async def test_traffic_that_was_moved_without_a_new_revision_is_a_change_of_its_own(serve: Serve) -> None:
    cloud = rolled_out(
        updateTime="2026-11-21T03:06:30Z",
        lastModifier="jane@example.com",
        trafficStatuses=[
            {"type": NAMED, "revision": "api-00042", "percent": 10},
            {"type": NAMED, "revision": "api-00041", "percent": 90},
            {"type": NAMED, "revision": "api-00040", "tag": "old"},
        ],
    )

    finding = await look(DIAGNOSTIC, cloud, serve)

    assert finding.changes[-1] == Change(
        at=datetime(2026, 11, 21, 3, 6, 30, tzinfo=UTC),
        what="Service api updated without a new revision: api-00041 serves 90 %, api-00042 10 %",
        about={"service": "api"},
    )
    assert "10 % of traffic" in finding.changes[0].what
    assert "jane" not in repr(finding)


async def test_a_person_is_nobody_and_a_digest_is_short(serve: Serve) -> None:
    digest = "@sha256:" + "0123456789abcdef" * 4
    cloud = rolled_out(
        revisions=[
            revision(42, "21T03:04:00", digest, creator="jane@example.com"),
            revision(41, "21T03:00:00", ":2.14.0", creator=CI),
            revision(40, "20T10:00:00", ":2.14.0"),
        ]
    )

    finding = await look(DIAGNOSTIC, cloud, serve)

    assert finding.headline == (
        "2 new revisions in the last 6h, api-00042 serves 100 %, created 03:04 UTC: image 2.14.0 → 0123456789ab"
    )
    assert finding.table is not None
    assert finding.table.rows[1] == (
        "03:00 UTC", "api-00041", "yes", "same image, same names in the environment", "ci-deploy",
    )  # fmt: skip
    assert "jane" not in repr(finding)


def test_containers_are_compared_by_name_unless_there_is_but_one() -> None:
    def of(*environment: str, **images: str) -> Revision:
        return Revision(name="r", at=NOW, by="", images=images, environment=frozenset(environment), ready=None)

    one, renamed = of(api="host:5000/api:1"), of(web="host:5000/api:2")
    with_proxy = of("A", "B", "C", "D", "E", "F", "G", api="host:5000/api:1", proxy="envoy")

    assert difference(one, renamed) == "image 1 → 2"
    assert difference(one, with_proxy) == "proxy image none → envoy, environment +A +B +C +D +E +2 more"
    assert difference(with_proxy, of(api="other/api:1", x="y")) == (
        "api image host:5000/api:1 → other/api:1, x image none → y, container proxy gone, "
        "environment −A −B −C −D −E −2 more"
    )
    assert difference(None, one) == "image 1"


async def test_a_secret_that_is_referred_to_is_part_of_its_name(serve: Serve) -> None:
    def referring(version: str) -> dict[str, Any]:
        reference = {"secret": "projects/1/secrets/stripe", "version": version}
        return {"name": "STRIPE_KEY", "valueSource": {"secretKeyRef": reference}}

    newer, older = revision(42, "21T03:04:00", ":2"), revision(41, "20T10:00:00", ":2")
    newer["containers"][0]["env"], older["containers"][0]["env"] = [referring("7")], [referring("6")]

    finding = await look(DIAGNOSTIC, rolled_out(revisions=[newer, older]), serve)

    assert "environment +STRIPE_KEY (secret stripe:7) −STRIPE_KEY (secret stripe:6)" in finding.headline


async def test_every_page_is_read_for_nobody_says_where_the_newest_is(serve: Serve) -> None:
    def page(given: dict[str, str], _: Any) -> Any:
        if "pageToken" not in given:
            return {"revisions": [revision(41, "20T10:00:00", ":2.14.0")], "nextPageToken": "more"}
        return {"revisions": [revision(42, "21T03:04:00", ":2.15.0")]}

    cloud = GoogleCloud({SERVICE: service(42), REVISIONS: page})

    finding = await look(DIAGNOSTIC, cloud, serve)

    assert "image 2.14.0 → 2.15.0" in finding.headline
    assert [it.get("pageToken") for it in cloud.parameters if "pageSize" in it] == [None, "more"]


async def test_more_revisions_than_are_looked_at_are_said(serve: Serve) -> None:
    endless = {"revisions": [revision(42, "21T03:04:00", ":2.15.0")], "nextPageToken": "more"}
    cloud = GoogleCloud({SERVICE: service(42), REVISIONS: endless})

    finding = await look(DIAGNOSTIC, cloud, serve)

    assert finding.details == "only 10 revisions were looked at"


@pytest.mark.parametrize(
    ("answer", "error", "why"),
    [
        (401, Refused, "the credentials are not accepted, or lack a right; it takes roles/run.viewer"),
        (403, Refused, "lack a right; it takes roles/run.viewer"),
        (404, Refused, "nothing there that these credentials may see"),
        (500, Unreachable, "HTTP 500, expected 200"),
    ],
)
async def test_what_google_does_not_show_could_not_be_looked_at(
    answer: int, error: type[CouldNotLook], why: str, serve: Serve
) -> None:
    for path in (SERVICE, REVISIONS):
        cloud = rolled_out()
        cloud.answers[path] = answer
        with pytest.raises(error, match=why) as caught:
            await look(DIAGNOSTIC, cloud, serve)
        assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ({"project": "shop-prod"}, "names no region or no service"),
        ({"project": "../x", "region": "r", "service": "s"}, "target run: expected names such as {project: shop-prod"),
        ({"project": "p", "region": "r?", "service": "s"}, "target run: expected names such as"),
        ("shop-prod", "expected a mapping such as {project: shop-prod"),
    ],
)
async def test_what_names_no_service_is_asked_nowhere(address: Any, why: str, serve: Serve) -> None:
    cloud = rolled_out()

    with pytest.raises(NotConfigured, match=why):
        await look(DIAGNOSTIC, cloud, serve, address=address)
    assert cloud.asked == []
