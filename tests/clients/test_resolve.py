from pathlib import Path

import pytest

from responder.clients.known_secrets import secrets_of
from responder.clients.resolve import resolve
from responder.errors import NotConfigured
from responder.model.pack import Target

HTTP = frozenset({"http", "https"})
ANY = HTTP | {"redis", "postgresql"}


def target(address: object, **more: object) -> Target:
    return Target(name="api", kind="http", address=address, **more)  # type: ignore[arg-type]


def test_variables_and_files_are_put_in(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("abc123\n")
    given = target("${URL}/base/", headers={"Authorization": f"Bearer ${{file:{secret}}}"})

    resolved = resolve(given, {"URL": "https://ann:pw@example.com:8443"}, HTTP)

    assert resolved.shown == "https://example.com:8443"
    assert (resolved.address.path, resolved.address.user, resolved.address.password) == ("/base", "ann", "pw")
    assert resolved.headers == {"Authorization": "Bearer abc123"}


@pytest.mark.parametrize("environment", [{}, {"PROMETHEUS_URL": ""}])
def test_an_unset_variable_leaves_the_target_not_configured(environment: dict[str, str]) -> None:
    with pytest.raises(NotConfigured) as caught:
        resolve(target("${PROMETHEUS_URL}"), environment, HTTP)

    assert str(caught.value) == "PROMETHEUS_URL is not set"


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotConfigured) as caught:
        resolve(target(f"${{file:{tmp_path / 'none'}}}"), {}, HTTP)

    assert str(caught.value) == f"{tmp_path / 'none'} cannot be read: No such file or directory"


@pytest.mark.parametrize(
    "address",
    [
        "redis://user:p@ss:w/ord@host:6379/0",
        "redis://user:p#ord@host",
        "redis://user:p?ord@host",
        "redis://ord:12/x@host",
        "http://user:ord pass@host",
        "ftp://user:ord@host",
        "http://user:ord@host:notaport",
        "http://user:ord@[::1",
        "ord",
        "http://user:ord@",
        "http://user:ord@host\\evil",
        "http://user:ord@host/\nX-Header: 1",
    ],
)
def test_an_address_that_cannot_be_read_is_never_quoted(address: str) -> None:
    with pytest.raises(NotConfigured) as caught:
        resolve(target("${URL}"), {"URL": address}, ANY)

    says = str(caught.value).replace("password", "").replace("ord percent", "")
    assert "target api" in says
    assert "ord" not in says
    assert "p@ss" not in says


def test_an_address_that_is_no_text_is_refused() -> None:
    with pytest.raises(NotConfigured, match="target api: expected an address as text, got dict"):
        resolve(target({"kubeconfig": "x"}), {}, HTTP)


def test_a_header_cannot_smuggle_in_another_one() -> None:
    given = target("http://host", headers={"X-Token": "${TOKEN}"})

    with pytest.raises(NotConfigured, match="header X-Token has a line break") as caught:
        resolve(given, {"TOKEN": "abc\r\nX-Other: secret"}, HTTP)

    assert "secret" not in str(caught.value)


def test_a_complaint_loses_every_form_of_a_secret() -> None:
    given = target("https://ann:p%40ss%2Fword@h", headers={"X-Key": "Token ${KEY}"})
    resolved = resolve(given, {"KEY": "key-value"}, HTTP)

    said = resolved.clean("ann p@ss/word p%40ss%2Fword YW5uOnBAc3Mvd29yZA== key-value is\n wrong")

    assert said == "*** *** *** *** *** is wrong"


def test_a_long_complaint_is_cut() -> None:
    resolved = resolve(target("http://h"), {}, HTTP)

    assert resolved.clean("x" * 400) == "x" * 299 + "…"


def test_nothing_that_is_printed_shows_a_secret() -> None:
    given = target("http://ann:s3cret@h", headers={"Authorization": "Bearer s3cret"})

    assert "s3cret" not in repr(resolve(given, {}, HTTP))


def test_the_secrets_of_targets_are_passwords_and_what_is_put_into_headers(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("of-a-file\n")
    environment = {"DATABASE_URL": "postgresql://reader:p%40ss@db/app", "WORD": "in-the-middle", "TOKEN": "of-a-header"}
    targets = [
        Target(name="a", kind="postgres", address="${DATABASE_URL}"),
        Target(name="b", kind="redis", address="redis://:${WORD}@cache"),
        Target(name="c", kind="http", address="https://c", headers={"X": "Bearer ${TOKEN}", "Y": "${UNSET}"}),
        Target(name="d", kind="http", address="${UNSET}", headers={"X": f"${{file:{tmp_path}/token}}"}),
        Target(name="e", kind="kubernetes", address={"kubeconfig": "/etc/kube"}),
    ]

    assert set(secrets_of(targets, environment)) == {"p%40ss", "p@ss", "in-the-middle", "of-a-header", "of-a-file"}


def test_a_token_behind_the_host_and_a_credential_written_out_are_secrets_and_a_host_is_none() -> None:
    targets = [
        Target(name="a", kind="http", address="https://${HOST}/hook/${TOKEN}?key=${KEY}"),
        Target(name="b", kind="http", address="https://h", headers={"Authorization": "Bearer written-out", "X": "no"}),
    ]
    environment = {"HOST": "metrics.example.com", "TOKEN": "token-in-the-path", "KEY": "key-in-the-query"}

    assert set(secrets_of(targets, environment)) == {"token-in-the-path", "key-in-the-query", "written-out"}
