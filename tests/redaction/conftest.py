"""What the tests of redaction share: the captured texts, where they are at hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CONTRACTS = Path(__file__).parents[2].parent / "shared" / "contracts"


def strings_of(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for name, it in value.items():
                yield name
                yield from strings_of(it)
        case list():
            for it in value:
                yield from strings_of(it)


@pytest.fixture(scope="session")
def captured() -> dict[str, list[str]]:
    """Every string of every captured or hand-made body, by file."""
    if not CONTRACTS.exists():
        pytest.skip("the captured bodies are not beside this repository")
    files = [it for it in sorted(CONTRACTS.rglob("*.json")) if "openapi" not in it.name]
    return {str(it.relative_to(CONTRACTS)): list(strings_of(json.loads(it.read_text()))) for it in files}
