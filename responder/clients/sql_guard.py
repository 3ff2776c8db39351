"""Whether a query of one's own in a rule file only reads: PostgreSQL's own parser takes it apart, an allow-list judges.

A read-only transaction does not stop functions with side effects, and a name can be made to call one in many ways. So
only listed parts, functions and types pass, and the door searches names in `pg_catalog` alone: no function or operator
that somebody made can be meant. A table without a schema is one of `public`. Label values are binds, never text.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from responder.clients.sql_allowed import FUNCTIONS, MAX_BYTES, MAX_DEPTH, NODES, OF_EXTENSIONS, OPERATORS, SHOWN, TYPES
from responder.errors import NotConfigured
from responder.model.template import PLACE

EXTRA = "queries of one's own need `pip install 'responder[sql]'`"
Node = Any  # a message of the parser's tree
LISTED = "under `postgres` in docs/rules.md"
_STRING = re.compile(r"'(?:[^']|'')*'")


class NotASafeQuery(ValueError):
    """What was found, and what was expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardedQuery:
    """A SELECT that has passed; made by `guarded` alone. `binds`: the labels whose values are `$1`, `$2` …"""

    sql: str
    binds: tuple[str, ...]


def guarded(text: str) -> GuardedQuery:
    """What may run in its place. Raises NotASafeQuery, and NotConfigured where the parser is not installed."""
    _check_size(text)
    bound, binds = _with_binds(_without_last_semicolon(text))
    sql = _with_schemas(bound, _select_of(bound))
    select = _select_of(sql)  # what runs is what is judged
    for node in _parts(select):
        _check(node)
    _check_columns(select)
    return GuardedQuery(sql=sql, binds=binds)


def _check_size(text: str) -> None:
    """Before the parser sees it."""
    if "\0" in text:
        raise NotASafeQuery("found NUL; the parser would read no further")
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise NotASafeQuery("found half a letter; expected Unicode text") from None
    if size > MAX_BYTES:
        raise NotASafeQuery(f"expected at most {MAX_BYTES} bytes, got {size}")
    depth = deepest = 0
    for letter in text:
        depth += (letter in "([") - (letter in ")]")
        deepest = max(deepest, depth)
    if deepest > MAX_DEPTH:
        raise NotASafeQuery(f"expected at most {MAX_DEPTH} brackets inside one another, got {deepest}")


def _without_last_semicolon(text: str) -> str:
    return text.strip().removesuffix(";").rstrip()


def _with_binds(text: str) -> tuple[str, tuple[str, ...]]:
    """`'a-{{ labels.x }}'` becomes `('a-' || $1::text)`; the names of the labels beside it."""
    postgast, raw = _postgast(), text.encode()
    kind = postgast.pg_query_pb2.Token.Value
    names: dict[str, int] = {}
    done, at = "", 0
    for token in _parsed(postgast.scan, text).tokens:
        word = raw[token.start : token.end].decode()
        if token.token in (kind("SQL_COMMENT"), kind("C_COMMENT")):
            raise NotASafeQuery("found a comment; put it beside the query, in the file")
        if token.token == kind("PARAM"):
            raise NotASafeQuery(f"found {word}; a label's value stands there as '{{{{ labels.name }}}}'")
        if PLACE.search(word) and token.token == kind("SCONST") and _STRING.fullmatch(word):
            done += raw[at : token.start].decode() + _bound(word, names)
            at = token.end
    done += raw[at:].decode()
    left = PLACE.search(done)
    if left:
        raise NotASafeQuery(f"{left.group()} stands outside quotes; expected '{left.group()}' in single quotes")
    return done, tuple(names)


def _bound(string: str, names: dict[str, int]) -> str:
    """A string with labels in it, as an expression; the same label is the same bind."""
    parts, at = [], 1
    for place in PLACE.finditer(string):
        number = names.setdefault(place["name"], len(names) + 1)
        parts += [f"'{string[at : place.start()]}'", f"${number}::text"]
        at = place.end()
    parts.append(f"'{string[at:-1]}'")
    return "(" + " || ".join(it for it in parts if it != "''") + ")"


def _select_of(text: str) -> Node:
    """The one SELECT that it is, as a tree."""
    tree = _parsed(_postgast().parse, text)
    if len(tree.stmts) != 1:
        raise NotASafeQuery(f"expected one SELECT, got {len(tree.stmts)} statements")
    statement = next(_parts(tree.stmts[0].stmt))
    if _name(statement) != "SelectStmt":
        raise NotASafeQuery(f"expected one SELECT, got {_shown(_name(statement))}")
    return statement


def _check_columns(select: Node) -> None:
    """One; how many a `*` is, the server knows."""
    while select.HasField("larg"):  # UNION and the like: the first says how many there are
        select = select.larg
    if len(select.target_list) != 1:
        raise NotASafeQuery(f"expected one column, got {len(select.target_list)}")


def _with_schemas(text: str, select: Node) -> str:
    """`public.` before each table that has no schema; what begins with `pg_` is the catalogue's."""
    parts = list(_parts(select))
    named_here = {it.ctename for it in parts if _name(it) == "CommonTableExpr"}
    raw = text.encode()
    for table in sorted((it for it in parts if _name(it) == "RangeVar"), key=lambda it: -it.location):
        if not table.schemaname and not _is_known(table.relname, named_here):
            raw = raw[: table.location] + b"public." + raw[table.location :]
    return raw.decode()


def _is_known(table: str, named_here: set[str]) -> bool:
    return table in named_here or (table.startswith("pg_") and table not in OF_EXTENSIONS)


def _parts(message: Node) -> Iterator[Node]:
    """It and all below it, without the wrappers; a wrapper may be empty, as in DISTINCT."""
    if _name(message) != "Node":
        yield message
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE:
            for it in value if field.is_repeated else [value]:
                yield from _parts(it)


def _check(node: Node) -> None:
    allowed = NODES.get(_name(node))
    if allowed is None:
        raise NotASafeQuery(f"found {_shown(_name(node))}, which a query of one's own may not have")
    for field, _ in node.ListFields():
        if field.name not in allowed:
            raise NotASafeQuery(f"found {_shown(field.name)}, which a query of one's own may not have")
    rule = RULES.get(_name(node))
    if rule is not None:
        rule(node)


def _check_function(call: Node) -> None:
    *schema, name = _words(call.funcname)
    if schema not in ([], ["pg_catalog"]) or name not in FUNCTIONS:
        found = ".".join([*schema, name])
        raise NotASafeQuery(f"found the function `{found}`; {_instead(name)}")


def _check_type(type_name: Node) -> None:
    *schema, name = _words(type_name.names)
    if schema not in ([], ["pg_catalog"]) or name not in TYPES:
        found = ".".join([*schema, name])
        raise NotASafeQuery(f"found the type `{found}`; expected one of {', '.join(sorted(TYPES))}")


def _instead(name: str) -> str:
    """The closest function that may stand there, and where all are listed."""
    close = difflib.get_close_matches(name[:80], FUNCTIONS, n=1, cutoff=0.75)
    return f"did you mean `{close[0]}`? All stand {LISTED}" if close else f"expected one of those {LISTED}"


def _check_operator(expression: Node) -> None:
    names = _words(expression.oper_name if _name(expression) == "SubLink" else expression.name)
    if len(names) > 1:
        raise NotASafeQuery(f"found OPERATOR({'.'.join(names)}); expected an operator without a schema")
    if not OPERATORS.issuperset(names):  # EXISTS has none
        raise NotASafeQuery(f"found the operator `{names[0]}`; expected one of PostgreSQL's own")


RULES: Mapping[str, Callable[[Node], None]] = {
    "FuncCall": _check_function,
    "TypeName": _check_type,
    "A_Expr": _check_operator,
    "SubLink": _check_operator,
}


def _words(names: Any) -> list[str]:
    return [it.string.sval for it in names]


def _name(message: Node) -> str:
    return cast("str", message.DESCRIPTOR.name)


def _shown(name: str) -> str:
    known = SHOWN.get(name)
    return known or (name.removesuffix("Stmt").upper() if name.endswith("Stmt") else f"`{name}`")


def _parsed(how: Callable[[str], Any], text: str) -> Any:
    """What the parser says; whatever it stumbles over is a complaint."""
    from google.protobuf.message import DecodeError

    try:
        return how(text)
    except _postgast().PgQueryError as wrong:
        raise NotASafeQuery(f"not SQL: {str(wrong)[:200]}") from None
    except (DecodeError, RecursionError):
        raise NotASafeQuery("too deep; expected fewer parts inside one another") from None


def _postgast() -> Any:
    """The parser, loaded only where there is a query."""
    try:
        import postgast
    except ImportError:
        raise NotConfigured(EXTRA) from None
    return postgast
