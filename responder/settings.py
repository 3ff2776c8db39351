"""Settings from the environment (prefix `RESPONDER_`), a `.env` file, or files of secrets (`…_FILE`).

Unknown names with our prefix are an error: most are typos, and a setting that is silently ignored is found at 3 a.m.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from dotenv import dotenv_values
from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from responder.errors import UsageError
from responder.model.quantities import parse_duration

SECRET_PART = 16  # characters; a shorter part of a path is a word
PREFIX = "RESPONDER_"
LISTEN = re.compile(r"(?P<host>\[[0-9a-fA-F:]+\]|[^:\s]+):(?P<port>\d{1,5})")
DEFAULT_SOURCE = "default"
WEB_ADDRESS = re.compile(r"https?://[^\s/?#]+[^\s]*")
ALERTMANAGER = re.compile(r"((?P<source>[a-z0-9][a-z0-9-]{0,31})=)?(?P<url>https?://[^\s/?#,]+(/[^\s?#,]*)?)")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
NOT_YET = (
    "slack_token",
    "slack_url",
    "smtp_from",
    "smtp_url",
)
SET_BY_KUBERNETES = re.compile(r"RESPONDER_(\w+_)?(SERVICE_\w+|PORT(_\w+)?)")  # for a Service of our name


def _duration(value: Any) -> Any:
    return timedelta(seconds=parse_duration(value)) if isinstance(value, str) else value


def _several(value: Any) -> Any:
    return tuple(it for part in value.split(",") if (it := part.strip())) if isinstance(value, str) else value


Duration = Annotated[timedelta, BeforeValidator(_duration)]
Secrets = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_several)]


def starter_pack() -> Path:
    """`rules/starter` below the working folder, else the one that came with the package."""
    here = Path("rules/starter")
    packaged = Path(__file__).parent / here
    return packaged if packaged.is_dir() and not os.path.isdir(here) else here


class Settings(BaseSettings):
    """Every setting, with its default; the description is what `responder settings` prints beside it."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        extra="ignore",
        hide_input_in_errors=True,
        frozen=True,
        env_ignore_empty=True,
    )

    name: str = Field("responder", description="this installation, in markers")
    listen: str = Field("127.0.0.1:8080", description="address of the daemon")
    public_url: str = Field("", description="how people reach the web page; links in reports")
    rules: Path = Field(default_factory=starter_pack, description="a pack, or a folder of packs")
    database_url: SecretStr | None = Field(None, description="postgresql://… ; embedded when not set")
    data_dir: Path | None = Field(None, description="the embedded store; ./var, as root /var/lib/responder")
    alertmanager_tokens: Secrets = Field((), description="bearer tokens of that webhook")
    alertmanager_username: str = Field("", description="basic credential of that webhook")
    alertmanager_password: SecretStr = Field(SecretStr(""), description="basic credential of that webhook")
    alertmanager_urls: Secrets = Field(
        (), description="where Alertmanager can be asked: http://host:9093, or source=http://host:9093"
    )
    pagerduty_webhook_secrets: Secrets = Field((), description="signing secrets")
    grafana_tokens: Secrets = Field((), description="bearer tokens of that webhook")
    grafana_secrets: Secrets = Field((), description="HMAC secrets of that webhook")
    generic_tokens: Secrets = Field((), description="bearer tokens of that webhook")
    generic_secrets: Secrets = Field((), description="HMAC secrets of that webhook")
    allow_unauthenticated_webhooks: bool = Field(False, description="serve webhooks that have no credential configured")
    pagerduty_token: SecretStr | None = Field(None, description="REST API key")
    pagerduty_from: str = Field("", description="e-mail of the user whom account-level keys write for")
    pagerduty_url: str = Field("https://api.pagerduty.com", description="REST API")
    pagerduty_events_url: str = Field("https://events.pagerduty.com", description="Events API")
    pagerduty_routing_key: SecretStr | None = Field(None, description="Events v2 key, for watched rules that page")
    slack_token: SecretStr | None = Field(None, description="bot token")
    slack_url: str = Field("https://slack.com/api", description="Slack's API")
    smtp_url: SecretStr | None = Field(None, description="smtp://user:…@host")
    smtp_from: str = Field("", description="sender of e-mail")
    report_webhook_url: SecretStr | None = Field(None, description="a webhook that takes reports")
    report_stdout: bool | None = Field(None, description="print reports; true on a terminal")
    first_report_within: Duration = Field(timedelta(seconds=15), description="deadline of the first report")
    diagnostic_timeout: Duration = Field(
        timedelta(seconds=10), description="each diagnostic, unless the rule says otherwise"
    )
    reopen_within: Duration = Field(timedelta(minutes=10), description="a re-fire within this reopens the incident")
    shadow: bool = Field(False, description="do everything but deliver")
    refuse_write_access: bool = Field(False, description="do not start with credentials that can write")
    retain_webhooks: Duration = Field(timedelta(days=7), description="retention")
    retain_samples: Duration = Field(timedelta(days=7), description="retention")
    retain_quarantine: Duration = Field(timedelta(days=30), description="retention")
    retain_findings: Duration = Field(timedelta(days=90), description="retention")
    retain_incidents: Duration = Field(timedelta(days=400), description="retention")
    api_tokens: Secrets = Field((), description="access to page and API")
    metrics_token: SecretStr | None = Field(None, description="access to /metrics")
    api_open: bool = Field(False, description="serve page, API and metrics to anybody")
    auth_proxy_header: str = Field("", description="header in which a trusted proxy names the user")
    trusted_proxies: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_several)] = Field(
        (), description="addresses"
    )
    log_format: str = Field("", description="console or json; console on a terminal")
    log_level: str = Field("info", description="debug, info, warning or error")
    heartbeat_url: SecretStr | None = Field(None, description="called each minute while nothing is overdue")

    @field_validator("listen")
    @classmethod
    def _is_address(cls, value: str) -> str:
        named = LISTEN.fullmatch(value)
        if named is None or int(named["port"]) > 65535:
            raise ValueError(f'expected an address such as 127.0.0.1:8080, got "{value}"')
        return value

    @field_validator("name")
    @classmethod
    def _is_name(cls, value: str) -> str:
        if not NAME.fullmatch(value):
            raise ValueError(f'expected letters, digits, ".", "_" or "-", got "{value}"')
        return value

    @field_validator("alertmanager_urls")
    @classmethod
    def _are_addresses(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for place, it in enumerate(value, 1):
            if not ALERTMANAGER.fullmatch(it.get_secret_value()):  # it may hold a password
                raise ValueError(f"entry {place}: expected http://host:9093 or source=http://host:9093")
        return value

    @field_validator("heartbeat_url")
    @classmethod
    def _is_web_address(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not WEB_ADDRESS.fullmatch(value.get_secret_value()):
            raise ValueError("expected an address such as https://heartbeats.example.com/ping/…")
        return value

    @field_validator("log_format")
    @classmethod
    def _is_format(cls, value: str) -> str:
        return _one_of(value, ("", "console", "json"))

    @field_validator("log_level")
    @classmethod
    def _is_level(cls, value: str) -> str:
        return _one_of(value.lower(), ("debug", "info", "warning", "error"))

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is handed in, then the environment, then `.env`."""
        return init_settings, env_settings, dotenv_settings

    @property
    def host(self) -> str:
        """The address to listen on."""
        named = LISTEN.fullmatch(self.listen)
        assert named is not None
        return named["host"].strip("[]")

    @property
    def port(self) -> int:
        """The port to listen on; 0 lets the system choose."""
        return int(self.listen.rsplit(":", 1)[1])

    @property
    def log_as_json(self) -> bool:
        """Whether the log is for machines."""
        return self.log_format == "json" or (not self.log_format and not sys.stderr.isatty())

    @property
    def prints_reports(self) -> bool:
        """Whether reports go to standard output."""
        return self.report_stdout if self.report_stdout is not None else sys.stdout.isatty()

    @property
    def alertmanagers(self) -> Mapping[str, tuple[str, ...]]:
        """Source → the addresses of the peers that post to it."""
        found: dict[str, tuple[str, ...]] = {}
        for it in self.alertmanager_urls:
            named = ALERTMANAGER.fullmatch(it.get_secret_value())
            assert named is not None
            source = named["source"] or DEFAULT_SOURCE
            found[source] = (*found.get(source, ()), named["url"])
        return found

    def secret_values(self) -> list[str]:
        """Every secret, for redaction by exact value, and what is secret by itself in those that are addresses. An
        address of Alertmanager is none, but the password in it."""
        found = [urlsplit(it).password or "" for several in self.alertmanagers.values() for it in several]
        for name in (it for it in type(self).model_fields if it != "alertmanager_urls"):
            value = getattr(self, name)
            several = value if isinstance(value, tuple) else (value,)
            found += [it.get_secret_value() for it in several if isinstance(it, SecretStr)]
        return [it for whole in found if whole for it in (whole, *_secret_parts(whole))]


def load_settings(environment: Mapping[str, str] | None = None, **given: Any) -> Settings:
    """Read all settings; raises UsageError that names every mistake at once."""
    environment = os.environ if environment is None else environment
    written = {name: value or "" for name, value in _dotenv().items()}
    problems = _unknown_names({**written, **environment})
    behind = {
        name: value for name, value in written.items() if not _is_settled(name.removesuffix("_FILE"), environment)
    }
    given = _from_files(behind, problems) | _from_files(environment, problems) | given
    try:
        settings = Settings(**given)
    except ValidationError as invalid:
        problems += [_problem(it) for it in invalid.errors()]
    if problems:
        raise UsageError("\n".join(problems))
    return settings


def _dotenv() -> Mapping[str, str | None]:
    try:
        return dotenv_values(".env")
    except OSError as unread:  # of somebody else: a working folder need not be ours
        raise UsageError(f".env: cannot be read: {unread.strerror}; expected a readable file, or none") from None


def not_acted_on(settings: Settings) -> list[str]:
    """Settings that were given and that this version does not act on yet."""
    return [
        PREFIX + name.upper()
        for name in NOT_YET
        if getattr(settings, name) != type(settings).model_fields[name].default
    ]


def _secret_parts(secret: str) -> Iterator[str]:
    """Of an address: the password, and what in its path and query is too long for a word (`hooks.example/T0/B0/…`)."""
    if "://" not in secret:
        return
    parts = urlsplit(secret)
    password = parts.password or ""
    yield from (it for it in {password, unquote(password)} if it)
    values = [value for _, value in parse_qsl(parts.query)]
    yield from (it for it in (*parts.path.split("/"), *values) if len(it) >= SECRET_PART)


def revealed(secrets: tuple[SecretStr, ...]) -> tuple[str, ...]:
    """Their texts, for the one place that compares them."""
    return tuple(it.get_secret_value() for it in secrets)


def _names() -> dict[str, str]:
    return {PREFIX + name.upper(): name for name in Settings.model_fields}


def _is_secret(name: str) -> bool:
    return "SecretStr" in str(Settings.model_fields[name].annotation)


def _unknown_names(environment: Mapping[str, str]) -> list[str]:
    known = _names()
    files = {f"{variable}_FILE" for variable, name in known.items() if _is_secret(name)}
    problems = []
    for variable in sorted(environment):
        if (
            not variable.startswith(PREFIX)
            or variable in known
            or variable in files
            or SET_BY_KUBERNETES.fullmatch(variable)
        ):
            continue
        if variable.startswith(f"{PREFIX}TEST_"):
            continue  # for responder's own tests
        near = difflib.get_close_matches(variable, [*known, *files], n=1)
        problems.append(
            f"{variable}: unknown setting"
            + (f"; did you mean {near[0]}?" if near else "; `responder settings` lists them")
        )
    return problems


def _is_settled(variable: str, environment: Mapping[str, str]) -> bool:
    """Whether the environment says it, in one form or the other: then `.env` has no say."""
    return bool(environment.get(variable) or environment.get(f"{variable}_FILE"))


def _from_files(environment: Mapping[str, str], problems: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for variable, name in _names().items():
        path = environment.get(f"{variable}_FILE")
        if not path:
            continue
        if environment.get(variable):
            problems.append(f"{variable} and {variable}_FILE are both set; expected one of them")
            continue
        try:
            found[name] = Path(path).read_text().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as unread:
            problems.append(
                f"{variable}_FILE: cannot read {path}: {type(unread).__name__}; expected a readable text file"
            )
    return found


def _problem(error: Any) -> str:
    name = PREFIX + "_".join(str(it) for it in error["loc"][:1]).upper()
    return f"{name}: {str(error['msg']).removeprefix('Value error, ')}"


def _one_of(value: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise ValueError(f'expected {" or ".join(it for it in choices if it)}, got "{value}"')
    return value
