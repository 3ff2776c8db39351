"""What may stand in a query of one's own: a list of what is allowed, so that what nobody has thought of is refused.

The names are those of the tree that PostgreSQL's own parser makes (`parsenodes.h`); a field that is not listed, such as
`into_clause` or `locking_clause`, may not be there. Left out on purpose, each can call a function that somebody made:
functions in FROM, TABLESAMPLE, COLLATE, `(x).name`, USING and OPERATOR().
"""

from __future__ import annotations

from collections.abc import Mapping

MAX_BYTES = 8_000
MAX_DEPTH = 50  # brackets inside one another; the parser's own limit is lower for what is not merely brackets

NODES: Mapping[str, frozenset[str]] = {
    name: frozenset(fields.split())
    for name, fields in {
        "SelectStmt": "distinct_clause target_list from_clause where_clause group_clause group_distinct having_clause "
        "sort_clause limit_offset limit_count limit_option with_clause op all larg rarg",
        "ResTarget": "name val location",
        "RangeVar": "schemaname relname inh relpersistence alias location",
        "RangeSubselect": "lateral subquery alias",
        "JoinExpr": "jointype is_natural larg rarg using_clause quals alias",
        "Alias": "aliasname colnames",
        "WithClause": "ctes location",
        "CommonTableExpr": "ctename aliascolnames ctematerialized ctequery location",
        "SortBy": "node sortby_dir sortby_nulls location",
        "ColumnRef": "fields location",
        "A_Star": "",
        "A_Const": "ival fval boolval sval isnull location",
        "A_ArrayExpr": "elements list_start list_end location",
        "A_Expr": "kind name lexpr rexpr rexpr_list_start rexpr_list_end location",
        "BoolExpr": "boolop args location",
        "NullTest": "arg nulltesttype argisrow location",
        "BooleanTest": "arg booltesttype location",
        "CaseExpr": "arg args defresult location",
        "CaseWhen": "expr result location",
        "CoalesceExpr": "args location",
        "MinMaxExpr": "op args location",
        "SQLValueFunction": "op typmod location",
        "SubLink": "sub_link_type testexpr oper_name subselect location",
        "FuncCall": "funcname args agg_order agg_filter agg_within_group agg_star agg_distinct funcformat location",
        "TypeCast": "arg type_name location",
        "TypeName": "names typmods typemod array_bounds location",
        "ParamRef": "number location",
        "List": "items",
        "String": "sval",
        "Integer": "ival",
        "Float": "fval",
        "Boolean": "boolval",
    }.items()
}

FUNCTIONS = frozenset((
    "count", "sum", "avg", "min", "max", "bool_and", "bool_or", "percentile_cont", "percentile_disc", "now",
    "clock_timestamp", "date_trunc", "date_part", "extract", "make_interval", "age", "timezone", "to_timestamp",
    "abs", "ceil", "floor", "round", "length", "lower", "upper", "btrim", "current_setting", "current_database",
    "pg_database_size", "pg_total_relation_size", "pg_relation_size", "pg_table_size", "pg_indexes_size",
    "pg_is_in_recovery", "pg_last_xact_replay_timestamp", "pg_postmaster_start_time", "pg_backend_pid",
    "pg_current_wal_lsn", "pg_last_wal_receive_lsn", "pg_last_wal_replay_lsn", "pg_wal_lsn_diff",
))  # fmt: skip

TYPES = frozenset((
    "int2", "int4", "int8", "numeric", "float4", "float8", "bool", "text", "varchar", "bpchar", "name", "oid",
    "regclass", "xid", "pg_lsn", "uuid", "inet", "date", "time", "timestamp", "timestamptz", "interval", "json",
    "jsonb",
))  # fmt: skip

OPERATORS = frozenset((
    "=", "<>", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "^", "||", "~~", "!~~", "~~*", "!~~*", "~", "!~", "~*",
    "!~*", "->", "->>", "#>", "#>>", "@>", "<@", "&&", "?", "BETWEEN", "NOT BETWEEN", "BETWEEN SYMMETRIC",
    "NOT BETWEEN SYMMETRIC",
))  # fmt: skip

# Views of extensions, which stand in `public` although their names begin as the catalogue's do.
OF_EXTENSIONS = frozenset({"pg_stat_statements", "pg_stat_statements_info", "pg_buffercache", "pg_stat_kcache"})

# How people call what stands in the tree under another name.
SHOWN: Mapping[str, str] = {
    "into_clause": "INTO",
    "locking_clause": "FOR UPDATE or another lock",
    "values_lists": "VALUES",
    "window_clause": "WINDOW",
    "over": "OVER (a window)",
    "func_variadic": "VARIADIC",
    "recursive": "WITH RECURSIVE",
    "catalogname": "a table of another database",
    "RangeFunction": "a function in FROM",
    "RangeTableSample": "TABLESAMPLE",
    "RangeTableFunc": "XMLTABLE",
    "A_Indirection": "`(…).name` or `(…)[…]`, which can call a function",
    "CollateClause": "COLLATE",
    "RowExpr": "ROW(…)",
    "use_op": "ORDER BY … USING an operator",
    "setof": "SETOF",
    "pct_type": "%TYPE",
    "VariableSetStmt": "SET",
    "VariableShowStmt": "SHOW",
    "DeclareCursorStmt": "DECLARE",
    "CreateTableAsStmt": "CREATE TABLE AS",
    "TransactionStmt": "BEGIN, COMMIT or the like",
    "VacuumStmt": "VACUUM or ANALYZE",
}
