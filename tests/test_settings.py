"""Where a secret comes from: the environment before `.env`, in each either itself or a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from responder.errors import UsageError
from responder.settings import load_settings

TOKEN = "RESPONDER_PAGERDUTY_TOKEN"


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("one").write_text("of one\n")
    Path("other").write_text("of other\n")


@pytest.mark.parametrize(
    ("written", "environment", "token"),
    [
        ({"_FILE": "one"}, {}, "of one"),
        ({"_FILE": "one"}, {"": "itself"}, "itself"),
        ({"_FILE": "one"}, {"": ""}, "of one"),
        ({"_FILE": "one"}, {"_FILE": "other"}, "of other"),
        ({"": "itself"}, {"_FILE": "other"}, "of other"),
        ({"": "itself", "_FILE": "/not/there"}, {"_FILE": "other"}, "of other"),
    ],
    ids=str,
)
def test_a_secret_may_be_a_file_in_both_places_and_the_environment_wins(
    written: dict[str, str], environment: dict[str, str], token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(".env").write_text("".join(f"{TOKEN}{form}={value}\n" for form, value in written.items()))
    for form, value in environment.items():
        monkeypatch.setenv(TOKEN + form, value)

    given = load_settings().pagerduty_token

    assert given is not None
    assert given.get_secret_value() == token


def test_both_forms_in_one_place_are_a_mistake() -> None:
    Path(".env").write_text(f"{TOKEN}=itself\n{TOKEN}_FILE=one\n")

    with pytest.raises(UsageError, match=f"{TOKEN} and {TOKEN}_FILE are both set"):
        load_settings()
