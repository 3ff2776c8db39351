"""PromQL in rule files: whether it can be read, and gives a number for each series.

The parser is in Rust and thorough, but not made for hostile text: it falls over at ten thousand brackets, and takes
seconds for thousands of operators. It is asked only about what is small enough.
"""

from __future__ import annotations

import difflib
import re

from responder.model.template import PLACE

MAX_QUERY = 8_000  # characters; a promise of the language, far above any query that people read
MAX_BRACKETS = 200  # inside one another
MAX_OPERATORS = 200

_QUOTED = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|`[^`]*`|#[^\n]*", re.DOTALL)
_OPERATOR = re.compile(r"[-+*/%^<>]|[=!]=|\b(?:and|or|unless|offset|by|without|on|ignoring|bool)\b")
_UNKNOWN_FUNCTION = re.compile(r"unknown function with name '(\w+)'")
_FUNCTIONS = (
    "abs", "absent", "absent_over_time", "avg_over_time", "ceil", "changes", "clamp", "clamp_max", "clamp_min",
    "count_over_time", "day_of_month", "day_of_week", "day_of_year", "days_in_month", "delta", "deriv",
    "double_exponential_smoothing", "exp", "floor", "histogram_avg", "histogram_count", "histogram_fraction",
    "histogram_quantile", "histogram_stddev", "histogram_stdvar", "histogram_sum", "holt_winters", "hour",
    "idelta", "increase", "info", "irate", "label_join", "label_replace", "last_over_time", "ln", "log10", "log2",
    "mad_over_time", "max_over_time", "min_over_time", "minute", "month", "pi", "predict_linear",
    "present_over_time", "quantile_over_time", "rate", "resets", "round", "scalar", "sgn", "sort",
    "sort_by_label", "sort_by_label_desc", "sort_desc", "sqrt", "stddev_over_time", "stdvar_over_time",
    "sum_over_time", "time", "timestamp", "vector", "year", "sum", "min", "max", "avg", "group", "stddev",
    "stdvar", "count", "count_values", "bottomk", "topk", "quantile", "limitk", "limit_ratio",
)  # fmt: skip


def why_not_a_query(text: str) -> str | None:
    """What is wrong with it as people can mend it, or None. Templates in it stand for some text."""
    if len(text) > MAX_QUERY:
        return f"expected at most {MAX_QUERY} characters, got {len(text)}"
    bare = _QUOTED.sub('""', text)
    if _depth(bare) > MAX_BRACKETS:
        return f"expected at most {MAX_BRACKETS} brackets inside one another"
    if len(_OPERATOR.findall(bare)) > MAX_OPERATORS:
        return f"expected at most {MAX_OPERATORS} operators"
    return _why_not_parsed(PLACE.sub("x", text))


def _depth(text: str) -> int:
    deepest = depth = 0
    for letter in text:
        if letter in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif letter in ")]}":
            depth -= 1
    return deepest


def _why_not_parsed(text: str) -> str | None:
    import promql_parser  # in Rust: loaded only where there is a query

    try:
        found = promql_parser.parse(text)
    except ValueError as wrong:
        return _in_our_words(str(wrong))
    while isinstance(found, promql_parser.ParenExpr):
        found = found.expr
    if isinstance(found, promql_parser.MatrixSelector | promql_parser.SubqueryExpr):
        return "expected one number for each series, got a range such as x[5m]; put rate(…) or the like around it"
    if isinstance(found, promql_parser.StringLiteral):
        return "expected one number for each series, got text"
    return None


def _in_our_words(wrong: str) -> str | None:
    unknown = _UNKNOWN_FUNCTION.search(wrong)
    if unknown is None:
        return f"not PromQL: {wrong.splitlines()[0][:200]}"
    close = difflib.get_close_matches(unknown[1], _FUNCTIONS, n=1)
    # A newer Prometheus may well have a function that the parser does not know.
    return f"unknown function `{unknown[1]}`; did you mean `{close[0]}`?" if close else None
