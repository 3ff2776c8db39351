"""The import contracts hold, and each of them would notice."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
LINT = Path(sys.executable).with_name("lint-imports")


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(LINT), "--no-cache"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
        env={"PYTHONPATH": str(folder)},
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(REPOSITORY / "responder", tmp_path / "responder", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_contracts_hold(copy: Path) -> None:
    assert "4 kept, 0 broken" in lint(copy).stdout


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        pytest.param(
            "store/work.py", "import responder.delivery.sink", "The path of an alert is layered", id="upwards"
        ),
        pytest.param(
            "report/rank.py", "import responder.severity.decide", "The path of an alert is layered", id="sideways"
        ),
        pytest.param(
            "diagnostics/http_status.py",
            "import aiohttp",
            "Only clients may reach a network library",
            id="past the doors",
        ),
        pytest.param(
            "severity/decide.py", "import asyncio", "What only decides touches no clock, network or log", id="impure"
        ),
        pytest.param(
            "clients/http.py",
            "import responder.store.store",
            "Readers hold no door that writes",
            id="a reader that can write",
        ),
    ],
)
def test_a_broken_contract_is_noticed(copy: Path, module: str, line: str, contract: str) -> None:
    file = copy / "responder" / module
    file.write_text(
        file.read_text().replace(
            "from __future__ import annotations\n", f"from __future__ import annotations\n{line}\n", 1
        )
    )

    done = lint(copy)

    assert done.returncode == 1
    assert f"{contract} BROKEN" in " ".join(done.stdout.split())
