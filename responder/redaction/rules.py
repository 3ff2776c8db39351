"""What is taken out of texts, as data: one `Rule` a kind, in the order in which they are tried.

Patterns are google-re2 syntax: linear time, no look-around. Group 1 is what goes; the rest of the match stays. In a
`keyed` rule group 1 is the opening quote (or nothing) before the value, whose end is found by `values.value_end`.
A pattern may not use `^`, `$` or `\\z` to *narrow* a match: the prefilter sees many texts joined into one.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One kind. `holds`: a second look at the value, None when the pattern is enough; `alone`: the value must not be
    a part of a longer word, number or name; `keyed`: the value follows the match."""

    kind: str
    pattern: str
    holds: Callable[[bytes], bool] | None = None
    alone: bool = False
    keyed: bool = False


def _digits(value: bytes) -> bytes:
    return bytes(it for it in value if 0x30 <= it <= 0x39)


def is_card_number(value: bytes) -> bool:
    """Whether an issuer's prefix and length and the Luhn sum fit (ISO/IEC 7812)."""
    digits = _digits(value)
    lengths = next((lengths for low, high, lengths in _ISSUERS if low <= digits[: len(low)] <= high), ())
    if len(digits) not in lengths:
        return False
    odd = sum(it - 0x30 for it in digits[-1::-2])
    even = sum(sum(divmod(2 * (it - 0x30), 10)) for it in digits[-2::-2])
    return (odd + even) % 10 == 0


# Visa's 13 and 19 digits are left out: a trace id or a nanosecond count has that shape one time in ten.
_ISSUERS: tuple[tuple[bytes, bytes, tuple[int, ...]], ...] = (
    (b"4", b"4", (16,)),
    (b"51", b"55", (16,)),
    (b"2221", b"2720", (16,)),
    (b"34", b"34", (15,)),
    (b"37", b"37", (15,)),
    (b"6011", b"6011", (16,)),
    (b"644", b"659", (16,)),
    (b"300", b"305", (14,)),
    (b"36", b"36", (14,)),
    (b"38", b"38", (14,)),
    (b"35", b"35", (16,)),
    (b"62", b"62", (16, 17, 18, 19)),
)


def is_iban(value: bytes) -> bool:
    """Whether the check digits fit (ISO 13616, modulo 97)."""
    compact = value.replace(b" ", b"").decode("ascii")
    if not 15 <= len(compact) <= 34:
        return False
    return int("".join(str(int(it, 36)) for it in compact[4:] + compact[:4])) % 97 == 1


def is_basic_credential(value: bytes) -> bool:
    """Whether base64 of `user:password` stands there, as `Basic` alone is an ordinary word."""
    try:
        return b":" in base64.b64decode(value + b"=" * (-len(value) % 4), validate=True)
    except binascii.Error:
        return False


def looks_random(value: bytes) -> bool:
    """Whether it can be a secret rather than a word: a digit in it, or capitals inside, or very long."""
    return any(0x30 <= it <= 0x39 for it in value) or value[1:] != value[1:].lower() or len(value) >= 32


def is_no_path(value: bytes) -> bool:
    """Whether it is something else than the working directory of `PWD=/var/lib`."""
    return _PATH.fullmatch(value) is None


_PATH = re.compile(rb"/(?:[a-z][\w.-]*(?:/[\w.-]+)*/?)?")


def is_mail_address(value: bytes) -> bool:
    """Whether it is a person's address rather than `git@github.com`, `celery@worker` or `getty@tty1.service`."""
    local, _, domain = value.lower().partition(b"@")
    return local not in _NO_PERSONS and domain.rpartition(b".")[2] not in _UNIT_SUFFIXES


_NO_PERSONS = frozenset((b"git", b"celery", b"root", b"kubelet", b"ubuntu", b"ec2-user"))
_UNIT_SUFFIXES = frozenset((b"service", b"socket", b"timer", b"mount", b"slice", b"scope", b"target", b"device"))

# A name of a field is secret when it *ends* so: DB_PASSWORD and adminPassword are, secretName and token_count are not.
_GUARDED_WORD = (
    r"(?:pass(?:word|wd|phrase|code)|[_-]pass|secret|token|api[_ -]?key|auth[_-]?key"
    r"|(?:access|account|secret|private|encryption|signing|master|session|sharedaccess|shared[_-]access|app|license)"
    r"[_ -]?key|credentials?|session[_-]?id|jsessionid|phpsessid|jwt|auth[_-]?code)"
    r"(?:[_-]?(?:hash|value|text|\d{1,2}))?"
)
_PERSONAL_WORD = (
    r"(?:ssn|social[_ -]?security(?:[_ -]?(?:number|no))?|mrn|medical[_ -]?record(?:[_ -]?(?:number|no|id))?|\bnpi"
    r"|\bdob|date[_ -]?of[_ -]?birth|birth[_ -]?date|patient[_ -]?(?:id|name|number)|first[_ -]?name|last[_ -]?name"
    r"|full[_ -]?name|maiden[_ -]?name|phone(?:[_ -]?(?:number|no))?|mobile[_ -]?(?:number|no)|home[_ -]?address"
    r"|street[_ -]?address|card[_ -]?number|\bcvv|\bcvc)"
)
_QUOTE = r"""\\*["'`]"""
# In JSON text a line break is `\\n`, and its letter touches the word after it.
_START = r"(?:\b|\\[nrt])"
_SEPARATOR = rf"(?:{_QUOTE})?\]?\s*(?::=|=>|[:=])\s*"
_OPENING = rf"((?:{_QUOTE})?)"

SECRET_NAME = rf"(?i)(?:{_GUARDED_WORD}|pwd|authorization|cookie)"
PERSONAL_NAME = rf"(?i){_PERSONAL_WORD}"

_TOKENS = (
    r"(?:AKIA|ASIA|AROA|AIDA|ABIA|ACCA)[A-Z0-9]{16}",  # AWS
    r"AIza[\w-]{35}|ya29\.[\w.-]{20,}|GOCSPX-[\w-]{20,}",  # Google
    r"gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{20,}",  # GitHub, GitLab
    r"xox[abceoprs]-[\w-]{10,}|xapp-[\w-]{10,}",  # Slack
    r"[sr]k_(?:live|test)_\w{10,}|whsec_[\w+/=-]{16,}",  # Stripe, Standard Webhooks
    r"pdus\+[\w-]{10,}|u\+[\w-]{18}",  # PagerDuty
    r"sk-(?:proj|ant|svcacct)-[\w-]{20,}|sk-[A-Za-z0-9]{32,}|hf_[A-Za-z0-9]{30,}",  # model vendors
    r"SG\.[\w-]{16,}\.[\w-]{16,}|SK[0-9a-f]{32}|key-[0-9a-f]{32}",  # SendGrid, Twilio, Mailgun
    r"glsa_\w{32,}|glc_[\w+/=]{32,}|hv[sb]\.[\w-]{20,}|do[opr]_v1_[0-9a-f]{64}",  # Grafana, Vault, DigitalOcean
    r"npm_[A-Za-z0-9]{36}|pypi-[\w-]{50,}|shp(?:at|ss|ca|pa)_[0-9a-f]{32}|dapi[0-9a-f]{32}|NRAK-[A-Z0-9]{20,}",
    r"\d{8,10}:AA[\w-]{33}",  # Telegram
)
_STORES = r"(?:postgres(?:ql)?|mysql|mariadb|redis|rediss|amqps?|mongodb(?:\+srv)?|clickhouse|nats|ldaps?|smtps?|s?ftp)"
_REST = r"[^\s\"'<>`]"
# `https://host:8080/x@y` is a port and a path, so digits before a slash are no password outside of the stores above.
_URL_PASSWORD = rf"\d+|\d*[^\s\d/?#@\"'<>`]{_REST}*|/{_REST}*|\d{{6,}}{_REST}*"

RULES: tuple[Rule, ...] = (
    Rule(
        kind="private-key",
        pattern=r"(?s)(-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----.*?"
        r"(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\z))",
    ),
    Rule(kind="url-password", pattern=rf"(?i){_STORES}(?:\+\w+)?://[^\s:/?#@\"'<>`]*:({_REST}+)@"),
    Rule(kind="url-password", pattern=rf"(?i)[a-z][a-z0-9+.-]*://[^\s:/?#@\"'<>`\[\]]*:({_URL_PASSWORD})@"),
    Rule(kind="url-password", pattern=r"(?i)https?://([\w~.-]{16,})@"),
    Rule(kind="slack-webhook", pattern=r"(?i)hooks\.slack\.com/(?:services|workflows|triggers)/([\w/-]+)"),
    Rule(kind="jwt", pattern=r"(eyJ[\w-]{5,}\.[\w-]{5,}(?:\.[\w-]*)*)"),
    *(Rule(kind="token", pattern=rf"{_START}({it})") for it in _TOKENS),
    Rule(
        kind="authorization",
        pattern=rf"(?i)authorization{_SEPARATOR}{_OPENING}"
        r"(?:(?:bearer|basic|token|digest|negotiate|apikey|api-key|genie ?key|splunk|bot|dpop|aws4-hmac-sha256)\s+)?",
        keyed=True,
    ),
    Rule(kind="cookie", pattern=rf"(?i)\bcookie(?:{_QUOTE})?\s*[:=]\s*(?:{_QUOTE})?([^\r\n\"'`\\]+)"),
    Rule(kind="authorization", pattern=r"(?i)\bbearer\s+([\w.~+/-]{8,}=*)", holds=looks_random),
    Rule(kind="authorization", pattern=r"(?i)\bbasic\s+([A-Za-z0-9+/]{8,}={0,2})", holds=is_basic_credential),
    Rule(kind="secret", pattern=rf"(?i){_GUARDED_WORD}{_SEPARATOR}{_OPENING}", keyed=True),
    Rule(kind="secret", pattern=rf"(?i)pwd{_SEPARATOR}{_OPENING}", keyed=True, holds=is_no_path),
    Rule(
        kind="secret",  # {"name": "DB_PASSWORD", "value": "…"}, as containers have it
        pattern=rf"(?i){_GUARDED_WORD}(?:{_QUOTE})?[,\s]+(?:{_QUOTE})?value(?:{_QUOTE})?\s*[:=]\s*{_OPENING}",
        keyed=True,
    ),
    Rule(kind="secret", pattern=rf"(?i)<[\w:.-]*{_GUARDED_WORD}(?:\s[^<>]*)?>()", keyed=True),
    Rule(kind="secret", pattern=rf"(?i)--[\w-]*{_GUARDED_WORD}[ \t]+{_OPENING}", keyed=True),
    Rule(kind="secret", pattern=r"(?i)(?:identified\s+by|password)\s+(\\*['\"])", keyed=True),
    Rule(
        kind="secret",
        pattern=r"(?i)(?:secret|token|password|passphrase|credential|(?:api|access|encryption|signing|private|master|"
        r"routing|integration|service)[_ -]?key)(?:\s+is|\s*\\*[\"'`]?\s*[:=])?\s*\\*[\"'`]?([A-Za-z0-9+/]{24,}={0,2})",
        holds=looks_random,
    ),
    Rule(
        kind="name",
        pattern=r"\b(?i:patient|(?:patient|member|subscriber|first|last|full)(?:['’]s)?[\s_-]*name)\s*(?:(?i:is)\s|[:=])\s*"
        r"(\p{Lu}[\p{L}'’.-]*(?:,? +\p{Lu}[\p{L}'’.-]*){1,3})",
    ),
    Rule(
        kind="record-number",
        pattern=r"(?i)\b(?:mrn|npi|medical record(?: (?:number|no\.?|id))?)\s*(?:is\s+|no\.?\s*)?[#:=]?\s*#?\s*"
        r"([A-Z]{0,3}-?\d[\d-]{4,14})\b",
    ),
    Rule(
        kind="birth-date",
        pattern=r"(?i)\b(?:dob|date of birth|born(?: on)?|birthday)\s*(?:is\s+)?[#:=]?\s*"
        r"(\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}|\d{1,2}\.? [a-z]{3,9}\.?,? \d{4}|[a-z]{3,9}\.? \d{1,2},? \d{4}|\d{8}\b)",
    ),
    Rule(kind="ssn", pattern=rf"{_START}(\d{{3}}-\d{{2}}-\d{{4}})\b", alone=True),
    Rule(
        kind="ssn",
        pattern=r"(?i)\b(?:ssn|social security(?: (?:number|no\.?))?)\s*(?:is\s+)?[#:=]?\s*"
        r"(\d{3}[ .-]?\d{2}[ .-]?\d{4})\b",
    ),
    Rule(kind="personal", pattern=rf"(?i){_PERSONAL_WORD}{_SEPARATOR}{_OPENING}", keyed=True),
    Rule(
        kind="card",
        pattern=rf"{_START}(\d{{4}}[ -]\d{{4}}[ -]\d{{4}}[ -]\d{{4}}|\d{{4}}[ -]\d{{6}}[ -]\d{{4,5}}|\d{{14,19}})\b",
        holds=is_card_number,
        alone=True,
    ),
    Rule(
        kind="iban",
        pattern=rf"{_START}([A-Z]{{2}}\d{{2}}(?: ?[A-Z0-9]{{4}}){{2,7}}(?: ?[A-Z0-9]{{1,3}})?)\b",
        holds=is_iban,
        alone=True,
    ),
    Rule(kind="email", pattern=r"([\w.!#$&*+/?^{|}~-]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,24})\b", holds=is_mail_address),
    Rule(
        kind="phone",
        pattern=r"((?:\+?1[-. ]?)?\(\d{3}\) ?\d{3}[-. ]\d{4}|\b(?:1[-.])?\d{3}-\d{3}-\d{4}|\b\d{3}\.\d{3}\.\d{4}"
        r"|\+[1-9]\d{9,14}|\+[1-9]\d{0,2}[ .-]\(?\d{1,4}\)?(?:[ .-]\d{2,4}){2,4})\b",
        alone=True,
    ),
)
