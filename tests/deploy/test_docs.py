"""docs/diagnostics is what the code says, and what it shows was seen."""

from __future__ import annotations

import pytest

from deploy.docs import FOLDER, INDEX, NO_OUTPUT, RECORDED, page, pages, recording, said_of
from responder.diagnostics.catalogue import catalogue
from responder.diagnostics.diagnostic import Diagnostic

WITH_PAGE = [it for it in catalogue().values() if (FOLDER / f"{it.name}.md").is_file()]
STALE = "is not what the code says; run `make docs`"


def test_every_check_has_its_page() -> None:
    lacking = set(catalogue()) - {it.name for it in WITH_PAGE}

    assert lacking == set(), "run `make docs`"
    assert {it.stem for it in FOLDER.glob("*.md")} <= {*catalogue(), "README"}, "run `make docs`"


@pytest.mark.parametrize("diagnostic", WITH_PAGE, ids=lambda it: it.name)
def test_its_page_is_what_the_code_says(diagnostic: Diagnostic) -> None:
    assert (FOLDER / f"{diagnostic.name}.md").read_text() == page(diagnostic), f"{diagnostic.name}.md {STALE}"


def test_the_index_names_every_page_and_those_without_an_output() -> None:
    text = (FOLDER / INDEX).read_text()

    assert text == pages(WITH_PAGE)[INDEX], f"{INDEX} {STALE}"
    for it in WITH_PAGE:
        assert (recording(it.name) is None) == (NO_OUTPUT in page(it))


def test_what_was_recorded_is_of_checks_that_there_are_and_holds_no_secret() -> None:
    for path in RECORDED.glob("*.json"):
        assert path.stem in catalogue()
        assert not [it for it in ("s3cret", "canary") if it in path.read_text()], path.name


def test_what_is_said_of_a_parameter_is_found_again() -> None:
    for it in catalogue().values():
        fields = [field.alias or name for name, field in it.parameters.model_fields.items()]
        assert [name for name in fields if not said_of(it).get(name)] == [], it.name
