"""The guard of queries of one's own: what it refuses, what it lets through and how, and that each rule is needed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responder.clients import sql_guard
from responder.clients.sql_allowed import FUNCTIONS, NODES
from responder.clients.sql_guard import GuardedQuery, NotASafeQuery, guarded
from responder.errors import NotConfigured
from tests.clients.sql_attacks import ATTACKS, LEGITIMATE


def is_let_through(sql: str) -> bool:
    try:
        guarded(sql)
    except NotASafeQuery:
        return False
    return True


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused(name: str) -> None:
    with pytest.raises(NotASafeQuery):
        guarded(ATTACKS[name].replace("{own}", "1").replace("{other}", "2"))


@pytest.mark.parametrize("name", LEGITIMATE)
def test_a_monitoring_query_is_let_through(name: str) -> None:
    query = guarded(LEGITIMATE[name])

    assert query.binds == ()
    assert guarded(query.sql) == query  # what runs is judged no differently


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("delete from jobs", "expected one SELECT, got DELETE"),
        ("set x = 1", "expected one SELECT, got SET"),
        ("select 1; select 2", "expected one SELECT, got 2 statements"),
        ("", "expected one SELECT, got 0 statements"),
        ("select 1, 2", "expected one column, got 2"),
        ("select pg_slep(1)", "found the function `pg_slep`; expected one of those under `postgres` in docs/rules.md"),
        (
            "select cuont(1)",
            "found the function `cuont`; did you mean `count`? All stand under `postgres` in",
        ),
        ("select public.count(1)", "found the function `public.count`; did you mean `count`?"),
        ("select 'x'::public.trap", "found the type `public.trap`; expected one of bool"),
        ("select 1 from jobs for update", "found FOR UPDATE or another lock, which a query of one's own may not have"),
        ("select 1 into t from jobs", "found INTO, which a query of one's own may not have"),
        ("select (a).b from a", "found `(…).name` or `(…)[…]`, which can call a function, which"),
        ("select 1 operator(public.+) 2", "found OPERATOR(public.+); expected an operator without a schema"),
        ("select 1 -- one", "found a comment; put it beside the query, in the file"),
        ("select $1", "found $1; a label's value stands there as '{{ labels.name }}'"),
        ("select {{ labels.a }}", "{{ labels.a }} stands outside quotes; expected '{{ labels.a }}' in single quotes"),
        ("selec 1", 'not SQL: syntax error at or near "selec"'),
        ("select 1" + " + 1" * 60, "too deep; expected fewer parts inside one another"),
        ("select '" + "x" * 8_000 + "'", "expected at most 8000 bytes, got 8009"),
        ("select '\ud800'", "found half a letter; expected Unicode text"),
        ("select 1 <<< 2", "found the operator `<<<`; expected one of PostgreSQL's own"),
        ("select " + "(" * 60 + "1" + ")" * 60, "expected at most 50 brackets inside one another, got 60"),
    ],
)
def test_what_was_found_is_said(sql: str, said: str) -> None:
    with pytest.raises(NotASafeQuery) as refused:
        guarded(sql)

    assert str(refused.value).startswith(said)


def test_labels_become_binds() -> None:
    query = guarded("select count(*) from jobs where queue = '{{ labels.queue }}' and ns like 'it''s {{labels.ns}}%'"
                    " and other = '{{ labels.queue }}' and plain = 'é'")  # fmt: skip

    assert query == GuardedQuery(
        sql="select count(*) from public.jobs where queue = ($1::text) and ns like ('it''s ' || $2::text || '%')"
        " and other = ($1::text) and plain = 'é'",
        binds=("queue", "ns"),
    )


@pytest.mark.parametrize(
    ("sql", "runs"),
    [
        ("select max(a) from jobs, other o", "select max(a) from public.jobs, public.other o"),
        ('select max(a) from only "Jobs"', 'select max(a) from only public."Jobs"'),
        ("select max(a) from sales.jobs", "select max(a) from sales.jobs"),
        ("select max(pid) from pg_locks", "select max(pid) from pg_locks"),
        ("select max(calls) from pg_stat_statements", "select max(calls) from public.pg_stat_statements"),
        (
            "with jobs as (select 'é' a from x) select max(a) from jobs",
            "with jobs as (select 'é' a from public.x) select max(a) from jobs",
        ),
    ],
)
def test_a_table_without_a_schema_is_one_of_public(sql: str, runs: str) -> None:
    assert guarded(sql).sql == runs


@pytest.mark.parametrize("taken_away", [*sql_guard.RULES, "nodes", "fields", "_check_size", "_check_columns", "binds"])
def test_without_any_one_rule_an_attack_would_pass(taken_away: str, monkeypatch: pytest.MonkeyPatch) -> None:
    everything = {it.name: frozenset(it.fields_by_name) for it in sql_guard._postgast().pg_query_pb2.DESCRIPTOR
                  .message_types_by_name.values()}  # fmt: skip
    if taken_away in sql_guard.RULES:
        monkeypatch.setattr(sql_guard, "RULES", {k: v for k, v in sql_guard.RULES.items() if k != taken_away})
    elif taken_away == "nodes":
        monkeypatch.setattr(sql_guard, "NODES", everything | NODES)
    elif taken_away == "fields":
        monkeypatch.setattr(sql_guard, "NODES", {it: everything[it] for it in NODES})
    elif taken_away == "binds":
        monkeypatch.setattr(sql_guard, "_with_binds", lambda text: (text.replace("{{ labels.x }}", "x"), ()))
    else:
        monkeypatch.setattr(sql_guard, taken_away, lambda _: None)

    assert [it for it, sql in ATTACKS.items() if is_let_through(sql)]


def test_without_the_parser_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "postgast", None)

    with pytest.raises(NotConfigured, match=r"need `pip install 'responder\[sql\]'`"):
        guarded("select 1")


BAD = st.sampled_from(
    [
        "pg_sleep(1)", "pg_catalog.pg_sleep(1)", "public.touch(1)", "(1 operator(public.<<<) 2)::int",
        "length('x'::public.trap)", "(it).touch", "nextval('numbers')", "(select public.touch(1))",
        "(select it.pg_sleep from abs(1) it)", "length(set_config('a', 'b', false))", "count(*) over ()",
    ]
)  # fmt: skip
GOOD = st.sampled_from(["1", "id", "now() - created_at", "'pg_sleep(1)'", "count(*)", "it.id", "null", "1.5::numeric"])
WAYS: tuple[Callable[[Any, Any], str], ...] = (
    lambda a, b: f"coalesce({a}, {b})",
    lambda a, b: f"{a} + {b}",
    lambda a, b: f"({b} <> {a})::int",
    lambda a, b: f"case when {b} = {a} then {b} else 0 end",
    lambda a, b: f"case {a} when {b} then 1 end",
    lambda a, b: f"greatest({b}, {a})",
    lambda a, b: f"nullif({a}, {b})",
    lambda a, b: f"(select {a} from jobs it where {b} is null)",
    lambda a, b: f"(with x as (select {a} as n) select max(n) from x where {b} = 1)",
    lambda a, b: f"(select max(n) from (select {a} as n union all select {b}) y)",
    lambda a, b: f"max(abs({a})) filter (where {b} = 1)",
    lambda a, b: f"(select 1 from jobs a join jobs b on {a} = {b} limit 1)",
    lambda a, b: f"(select 1 from jobs group by {a} having {b} = 1 order by {a} desc)",
    lambda a, b: f"({b} in ({a}, 3))::int",
    lambda a, b: f"({b} between 1 and {a})::int",
    lambda a, b: f"({b} = any (array[{a}]))::int",
    lambda a, b: f"(exists (select 1 where {a} = {b}))::int",
    lambda a, b: f"CASE WHEN NOT ({a}\n\t= {b}) THEN 1 END",
)


def grown(inside: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """The same, one to four layers of ordinary SQL around it."""
    layers = st.lists(st.tuples(st.sampled_from(WAYS), GOOD), min_size=1, max_size=4)

    def wrap(core: str, around: list[tuple[Callable[[Any, Any], str], str]]) -> str:
        for way, beside in around:
            core = way(core, beside)
        return f"select {core} from jobs it"

    return st.builds(wrap, inside, layers)


@given(grown(BAD))
def test_what_is_bad_stays_bad_however_deep_it_stands(sql: str) -> None:
    assert not is_let_through(sql)


@given(grown(GOOD))
def test_what_is_good_is_let_through_up_to_the_depth_that_can_be_read(sql: str) -> None:
    try:
        guarded(sql)
    except NotASafeQuery as why:
        assert str(why).startswith("too deep")  # noqa: PT017 - the only excuse


@given(st.text(max_size=60), st.sampled_from(sorted(FUNCTIONS)))
def test_whatever_is_written_is_judged_and_nothing_falls_over(text: str, function: str) -> None:
    is_let_through(text)
    is_let_through(f"select {function}({text})")
