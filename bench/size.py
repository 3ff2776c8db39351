"""How much code there is: lines by folder and lengths of functions. Nothing is imported, only read."""

from __future__ import annotations

import ast
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

Function = ast.FunctionDef | ast.AsyncFunctionDef
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """`lines` hold code: not blank, not only a comment, not of a docstring. Lengths of functions likewise."""

    lines: dict[str, int]
    functions: int
    median_function: float
    ninth_decile_function: float
    longest_function: int
    longest_is: str


def size_of(package: Path) -> Size:
    """Read every module below `package`."""
    lines: dict[str, int] = {}
    lengths: list[tuple[int, str]] = []
    for file in sorted(package.rglob("*.py")):
        text = file.read_text("utf-8")
        tree = ast.parse(text)
        code = _code_lines(text, tree)
        inside = file.relative_to(package).parts
        folder = f"{inside[0]}/" if len(inside) > 1 else inside[0]
        lines[folder] = lines.get(folder, 0) + len(code)
        lengths += [
            (_length(it, code), f"{file.relative_to(package)}:{it.lineno} {it.name}") for it in _functions(tree)
        ]
    only = sorted(it for it, _ in lengths)
    longest, longest_is = max(lengths)
    return Size(
        lines=lines,
        functions=len(only),
        median_function=statistics.median(only),
        ninth_decile_function=statistics.quantiles(only, n=10)[8],
        longest_function=longest,
        longest_is=longest_is,
    )


def _functions(tree: ast.AST) -> Iterator[Function]:
    return (it for it in ast.walk(tree) if isinstance(it, ast.FunctionDef | ast.AsyncFunctionDef))


def _length(function: Function, code: set[int]) -> int:
    """From `def` to the last line, without decorators, a function inside counted with it."""
    return len(code & set(range(function.lineno, (function.end_lineno or function.lineno) + 1)))


def _code_lines(text: str, tree: ast.AST) -> set[int]:
    """Line numbers that hold code."""
    written = {number for number, line in enumerate(text.splitlines(), 1) if line.strip() and line.lstrip()[0] != "#"}
    return written - {number for it in ast.walk(tree) for number in _docstring_lines(it)}


def _docstring_lines(node: ast.AST) -> range:
    if isinstance(node, DOCUMENTED) and node.body:
        first = node.body[0]
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            return range(first.lineno, (first.end_lineno or first.lineno) + 1)
    return range(0)
