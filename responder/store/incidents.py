"""Incidents as they are held: loaded whole for a look, updated by what the look decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from responder.errors import LeaseLost
from responder.model.alert import Alert, AlertStatus
from responder.model.assessment import Assessment
from responder.model.finding import Finding
from responder.model.incident import HeldAlert, Incident, IncidentState, Link
from responder.model.reading import AnyReading
from responder.model.report import Report
from responder.model.verdict import RuleVerdict
from responder.store.store import Store
from responder.store.work import Ask, ask

REPORT = TypeAdapter(Report)
VERDICTS = TypeAdapter(tuple[RuleVerdict, ...])
FINDING = TypeAdapter(Finding)
READINGS: TypeAdapter[Mapping[str, tuple[AnyReading, ...]]] = TypeAdapter(Mapping[str, tuple[AnyReading, ...]])

INCIDENT = """select i.*, c.slug as former, f.slug as survivor, now() as now from incidents i
              left join incidents c on c.id = i.continues left join incidents f on f.id = i.folded_into where i.id = $1"""
ALERTS = """select a.*, l.kind, l.source from alerts a join links l on l.id = a.link where a.incident = $1
            order by a.status, a.starts_at, a.fingerprint limit 1000"""
HOW_MANY = "select count(*) as alerts, count(*) filter (where status = 0) as firing from alerts where incident = $1"
LINKS = """select kind, source, key, external_id, url, state, read_at is not null as is_read from links where incident = $1
           order by kind, source, key"""
SAVE = """insert into reports as r (incident, body, severity_rank) values ($1, $2, $3)
          on conflict (incident) do update set version = r.version + 1, body = excluded.body,
          severity_rank = excluded.severity_rank, at = now()"""
STILL_IN_FORCE = "update rule_sets set loaded_at = now() where hash = $1 and loaded_at < now() - interval '1 minute'"
ELSEWHERE = """select distinct on (pack) hash from rule_sets where not pack = any($1) and loaded_at > now() - interval '1 hour'
               order by pack, loaded_at desc"""
KEEP_RULES = "insert into rule_sets (hash, pack, files) values ($1, $2, $3) on conflict (hash) do nothing"
LOOKS_KEPT = 100  # of one incident, the first and as many of the last: what was read and found, for replays
LEAVE_OUT_LOOKS = "delete from steps where incident = $1 and run between $3 and $2 - $3"
CHOOSE = """update incidents set pack = case when rule_set is null then $2 else pack end, rule_set = coalesce(rule_set, $3)
            where id = $1 returning rule_set"""
LINK_AS_GRAVE = "update work set gravity = $2 where kind = 'link' and key = $1 and gravity <> $2"
# Locked in the order in which acceptance locks them: else each could wait for the other.
HANDLED = """with it as (select link, fingerprint from alerts where incident = $1 and not handled and last_seen <= $2
                         order by link, fingerprint for update)
             update alerts a set handled = true from it where (a.link, a.fingerprint) = (it.link, it.fingerprint)
             returning encode(a.fingerprint, 'hex') as alert, case a.status when 0 then 'firing' else 'resolved' end as status,
             extract(epoch from now() - a.last_seen)::float8 as since_accepted_seconds"""
LISTING = """select i.slug, i.state, i.severity, i.severity_rank, i.title, i.opened_at, i.resolved_at, i.pack,
             (select count(*) from alerts a where a.incident = i.id and a.status = 0) as firing,
             (select string_agg(d.sink || ' ' || d.state || case when d.why = '' then '' else ': ' || d.why end, ', ' order by d.sink, d.id) from deliveries d where d.incident = i.id) as delivered
             from incidents i where i.state <> 'folded' order by i.state = 'open' desc, i.severity_rank nulls last, i.id desc limit $1"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An incident with everything that a look at it starts from.

    `known`: of each rule the last verdict that was not unknown. `now` is the database's clock. `turned_at`: when a rule
    fell back into breach of late.
    """

    incident: Incident
    former: Report | None
    severities: tuple[tuple[datetime, str], ...]
    examined: bytes | None
    known: tuple[RuleVerdict, ...]
    now: datetime
    turned_at: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look decided: the report, the severities of late, what is known of each rule, and which alerts it examined."""

    report: Report
    assessment: Assessment
    severities: Sequence[tuple[datetime, str]]
    known: Sequence[RuleVerdict]
    examined: bytes | None
    last: bool
    turned_at: Sequence[datetime] = ()


async def load(store: Store, number: int) -> Seen | None:
    """The incident with this number, None when there is none."""
    async with store.connection() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        row = await connection.fetchrow(INCIDENT, number)
        if row is None:
            return None
        alerts = await connection.fetch(ALERTS, number)
        how_many = await connection.fetchrow(HOW_MANY, number)
        links = await connection.fetch(LINKS, number)
        report = await connection.fetchval("select body from reports where incident = $1", number)
    return Seen(
        incident=_incident(row, alerts, links, how_many),
        former=REPORT.validate_python(report) if report else None,
        severities=tuple((datetime.fromisoformat(at), level) for at, level in row["severities"]),
        examined=row["examined"],
        known=VERDICTS.validate_python(row["known"]),
        now=row["now"],
        turned_at=tuple(row["turned_at"]),
    )


async def is_linked(store: Store, kind: str, key: bytes) -> bool:
    """Whether a foreign incident belongs to one of ours already."""
    async with store.connection() as connection:
        linked: bool = await connection.fetchval(
            "select exists (select 1 from links where kind = $1 and source = '' and key = $2 and incident is not null)",
            kind,
            key,
        )
        return linked


async def choose_rules(store: Store, number: int, *, pack: str, rule_set: bytes, files: Mapping[str, str]) -> bytes:
    """Bind an incident to the rules that it starts with, kept whole; returns those that it has.

    They are others where a replica with another rule folder was first: this one froze between its look and here.
    """
    async with store.transaction() as connection:
        await keep_rules_within(connection, pack, rule_set, files)
        chosen: bytes = await connection.fetchval(CHOOSE, number, pack, rule_set)
        return chosen


async def keep_rules(store: Store, *, pack: str, rule_set: bytes, files: Mapping[str, str]) -> None:
    """Keep a set that came into force, by its hash, and say that it still is; to be said each half an hour."""
    async with store.connection() as connection:
        await keep_rules_within(connection, pack, rule_set, files)
        await connection.execute(STILL_IN_FORCE, rule_set)


async def in_force_elsewhere(store: Store, names: Sequence[str]) -> list[bytes]:
    """Of each pack of another name the set that came last, if a replica has it in force, or had so within the hour."""
    async with store.connection() as connection:
        return [it["hash"] for it in await connection.fetch(ELSEWHERE, list(names))]


async def keep_rules_within(connection: Any, pack: str, rule_set: bytes, files: Mapping[str, str]) -> None:
    """The same inside the caller's transaction."""
    await connection.execute(KEEP_RULES, rule_set, pack, dict(files))


async def rule_files(store: Store, rule_set: bytes) -> tuple[str, dict[str, str]]:
    """The name and the files of a rule set that was kept."""
    async with store.connection() as connection:
        row = await connection.fetchrow("select pack, files from rule_sets where hash = $1", rule_set)
        return row["pack"], row["files"]


async def save_look(store: Store, number: int, run: int, look: Look, sinks: Mapping[str, str | None]) -> None:
    """Keep a report and ask for its deliveries, in one transaction.

    `sinks`: every one that is told, with the kind of foreign incident it reports to (None: it needs none). Raises
    LeaseLost when another look at the incident was finished meanwhile: what this one saw is old.
    """
    report = store.redacted(REPORT.dump_python(look.report, mode="json"))
    async with store.transaction() as connection:
        held = await connection.fetchrow("select severity, run, state from incidents where id = $1 for update", number)
        if held["run"] != run or held["state"] == IncidentState.FOLDED:
            raise LeaseLost(f"look {run} at incident {number}: somebody else has finished it, or goes on for it")
        before = held["severity"]
        await connection.execute(SAVE, number, report, look.report.severity_rank)
        await connection.execute(
            """update incidents set severity = $2, severity_rank = $3, title = $4, severities = $5, examined = coalesce($6, examined),
               run = run + $7, known = $8, turned_at = $9 where id = $1""",
            number,
            look.assessment.level,
            look.assessment.rank,
            report["title"],
            [[at.isoformat(), level] for at, level in look.severities],
            look.examined,
            int(look.last),
            store.redacted(VERDICTS.dump_python(tuple(look.known), mode="json")),
            list(look.turned_at),
        )
        if before != look.assessment.level:
            what = f"{before} → {look.assessment.level}" if before else f"severity {look.assessment.level}"
            await connection.execute(
                "insert into timeline (incident, what) values ($1, $2)", number, f"{what}: {look.assessment.decided_by}"
            )
        if look.last:
            await connection.execute(LEAVE_OUT_LOOKS, number, run, LOOKS_KEPT)
        for sink in (name for name, kind in sinks.items() if kind is None):
            await connection.execute(
                "insert into deliveries (incident, sink, state) values ($1, $2, 'due') on conflict do nothing",
                number,
                sink,
            )
        await ask_deliveries(connection, number, gravity=look.assessment.rank)
        await connection.execute(LINK_AS_GRAVE, str(number), min(look.assessment.rank, 9))


async def ask_deliveries(connection: Any, number: int, *, gravity: int, sink: str | None = None) -> None:
    """Ask for every delivery of an incident that has an object to report to, or those to one sink; also where this
    replica does not report: another one may be set up to."""
    rows = await connection.fetch(
        "select id, sink from deliveries where incident = $1 and coalesce(sink = $2, true) and state not in ('waiting', 'none', 'gone')",
        number,
        sink,
    )
    await ask(
        connection,
        [Ask(kind=f"deliver:{row['sink']}", key=str(row["id"]), gravity=min(gravity, 9)) for row in rows],
    )


async def handled(store: Store, number: int, until: datetime) -> list[dict[str, Any]]:
    """Mark the incident's alerts that were heard of until then as handled; returns those that were not yet.

    With each the seconds since we last heard of it.
    """
    async with store.connection() as connection:
        rows = await connection.fetch(HANDLED, number, until)
        return [dict(row) for row in rows]


async def steps(store: Store, number: int, run: int, *, younger_than_seconds: float) -> dict[str, Any]:
    """What an interrupted look has already learnt, by step name; older outcomes are no longer true and left out."""
    async with store.connection() as connection:
        rows = await connection.fetch(
            "select name, outcome from steps where incident = $1 and run = $2 and at > now() - make_interval(secs => $3) order by at, name",
            number,
            run,
            younger_than_seconds,
        )
        return {row["name"]: row["outcome"] for row in rows}


async def save_step(store: Store, number: int, run: int, name: str, outcome: Any) -> None:
    """Keep the outcome of one step of a look."""
    async with store.connection() as connection:
        await connection.execute(
            """insert into steps (incident, run, name, outcome) values ($1, $2, $3, $4)
               on conflict (incident, run, name) do update set outcome = excluded.outcome, at = now()""",
            number,
            run,
            name,
            store.redacted(outcome),
        )


async def note(store: Store, number: int, what: str) -> None:
    """Add one line to an incident's timeline."""
    async with store.connection() as connection:
        await connection.execute("insert into timeline (incident, what) values ($1, $2)", number, store.redacted(what))


async def timeline(store: Store, number: int) -> tuple[tuple[datetime, str], ...]:
    """The last 200 lines of an incident's timeline, oldest first."""
    async with store.connection() as connection:
        rows = await connection.fetch(
            "select at, what from timeline where incident = $1 order by id desc limit 200", number
        )
        return tuple((row["at"], row["what"]) for row in reversed(rows))


async def listing(store: Store, limit: int = 200) -> list[Mapping[str, Any]]:
    """Incidents for the list: open first, gravest first, then newest."""
    async with store.connection() as connection:
        return [dict(row) for row in await connection.fetch(LISTING, limit)]


async def counts(store: Store) -> list[tuple[str, str, int]]:
    """(state, severity, how many) of all incidents."""
    async with store.connection() as connection:
        rows = await connection.fetch(
            "select state, coalesce(severity, 'none') as severity, count(*) as n from incidents group by 1, 2"
        )
        return [(row["state"], row["severity"], row["n"]) for row in rows]


def _incident(row: Any, alerts: Sequence[Any], links: Sequence[Any], how_many: Any) -> Incident:
    firing = sum(it["status"] == 0 for it in alerts)
    return Incident(
        id=row["id"],
        slug=row["slug"],
        state=IncidentState(row["state"]),
        pack=row["pack"],
        rule_set=row["rule_set"],
        severity=row["severity"],
        opened_at=row["opened_at"],
        acknowledged_at=row["acknowledged_at"],
        resolved_at=row["resolved_at"],
        first_report_due=row["first_report_due"],
        run=row["run"],
        continues=row["former"],
        alerts=tuple(_alert(it) for it in alerts),
        links=tuple(Link(**it) for it in links),
        more_firing=how_many["firing"] - firing,
        more_alerts=how_many["alerts"] - len(alerts),
        folded_into=row["survivor"],
        settled_by=row["settled_by"],
        acknowledged_by=row["acknowledged_by"],
        awaits_until=row["awaits_until"],
        priority=row["priority"],
        priority_by=row["priority_by"],
    )


def _alert(row: Any) -> HeldAlert:
    alert = Alert(
        fingerprint=row["fingerprint"].hex(),
        status=AlertStatus(row["status"]),
        starts_at=row["starts_at"],
        ends_at=row["ends_at"],
        labels=row["labels"],
        annotations=row["annotations"],
        generator_url=row["generator_url"],
    )
    return HeldAlert(
        alert=alert, kind=row["kind"], source=row["source"], first_seen=row["first_seen"], last_seen=row["last_seen"]
    )
