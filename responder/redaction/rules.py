"""What is taken out of texts, as data: one `Rule` a kind, in the order in which they are tried.

Patterns are google-re2 syntax: linear time, no look-around. Group 1 is what goes; the rest of the match stays. In a
`keyed` rule group 1 is the opening quote (or nothing) before the value, whose end is found by `values.value_end`.
A pattern may not use `^`, `$` or `\\z` to *narrow* a match: the prefilter sees many texts joined into one.
"""

from __future__ import annotations

from responder.redaction.checks import (
    is_basic_credential,
    is_no_count,
    is_no_file,
    is_no_path,
    is_no_word,
    is_random,
    looks_random,
)
from responder.redaction.rule import Rule
from responder.redaction.tokens import HASHED, HOOKS, TELEGRAM, TOKENS
from responder.redaction.words import GUARDED, OPENING, QUOTE, SEPARATOR, START

_STORES = r"(?:postgres(?:ql)?|mysql|mariadb|redis|rediss|amqps?|mongodb(?:\+srv)?|clickhouse|nats|ldaps?|smtps?|s?ftp)"
_REST = r"[^\s\"'<>`]"
# `https://host:8080/x@y` is a port and a path, so digits before a slash are no password outside of the stores above.
_URL_PASSWORD = rf"\d+|\d*[^\s\d/?#@\"'<>`]{_REST}*|/{_REST}*|\d{{6,}}{_REST}*"
_SCHEMES = (
    r"bearer|basic|token|digest|negotiate|apikey|api-key|genie ?key|splunk|bot|dpop|aws4-hmac-sha256"
    r"|key|jwt|ssws|hmac|oauth"
)

_BY_SHAPE: tuple[Rule, ...] = (
    Rule(
        kind="private-key",
        # Not beyond a double quote: in JSON that is the end of the text.
        pattern=r"(-----BEGIN\s[A-Z0-9\s]*PRIVATE\s+KEY(?:\s+BLOCK)?-----(?:[^\"]*?"
        r"-----END\s[A-Z0-9\s]*PRIVATE\s+KEY(?:\s+BLOCK)?-----|(?:[^\"\\]|\\+[^\"\\])*))",
    ),
    Rule(kind="url-password", pattern=rf"(?i){_STORES}(?:\+\w+)?://[^\s:/?#@\"'<>`]*:({_REST}+)@"),
    Rule(kind="url-password", pattern=rf"(?i)[a-z][a-z0-9+.-]*://[^\s:/?#@\"'<>`\[\]]*:({_URL_PASSWORD})@"),
    Rule(kind="url-password", pattern=r"(?i)https?://([\w~.-]{16,})@"),
    # Cut off by somebody before its @.
    Rule(
        kind="url-password", pattern=rf"(?i){_STORES}://[^\s:/?#@\"'<>`]*:(\d*[^\s\d/?#@\"'<>`.…]{_REST}*?)(?:…|\.\.\.)"
    ),
    Rule(kind="url-password", pattern=r"(?i)jdbc:oracle:\w+:[^\s/\"']*/([^\s@\"']+)@"),
    Rule(kind="secret", pattern=r"(?i)[?&](?:key|code|auth|pass|pw|k|t)=([\w%+/=~.-]{16,})", holds=is_random),
    Rule(kind="secret", pattern=r"(?i)\b(?:access_?token|bearer),\s*([\w.~+/=-]{16,})", holds=is_random),
    *(Rule(kind="webhook", pattern=it) for it in HOOKS),
    Rule(kind="jwt", pattern=r"(eyJ[\w-]{5,}\.[\w-]{5,}(?:\.[\w-]*)*)"),
    *(Rule(kind="token", pattern=rf"{START}({it})") for it in TOKENS),
    Rule(kind="token", pattern=TELEGRAM),
    Rule(kind="hash", pattern=HASHED),
)
_HEADERS: tuple[Rule, ...] = (
    Rule(
        kind="authorization",
        pattern=rf"(?is)authorization{SEPARATOR}(?:{QUOTE})?digest\s.{{0,300}}?\bresponse=(?:{QUOTE})?([\w+/=.-]+)",
    ),
    Rule(kind="authorization", pattern=rf"(?i)authorization{SEPARATOR}{OPENING}(?:(?:{_SCHEMES})\s+)?", keyed=True),
    Rule(kind="cookie", pattern=rf"(?i)\bcookie(?:{QUOTE})?\s*[:=]\s*(?:{QUOTE})?([^\r\n\"'`\\]+)"),
    Rule(kind="authorization", pattern=r"(?i)\bbearer\s+([\w.~+/-]{8,}=*)", holds=looks_random),
    Rule(kind="authorization", pattern=r"(?i)\bbasic\s+([A-Za-z0-9+/]{8,}={0,2})", holds=is_basic_credential),
    Rule(
        kind="signature",
        pattern=rf"(?i)(?:signature(?:-256)?|\bsig)(?:{QUOTE})?\s*[:=]\s*(?:{QUOTE})?(?:(?:sha\d+|v\d|t)=)?"
        r"([\w%+/=.-]{20,})",
        holds=is_random,
    ),
)
_BY_NAME: tuple[Rule, ...] = (
    Rule(kind="secret", pattern=rf"(?i){GUARDED}{SEPARATOR}{OPENING}", keyed=True),
    Rule(kind="secret", pattern=rf"(?i)pwd{SEPARATOR}{OPENING}", keyed=True, holds=is_no_path),
    Rule(kind="secret", pattern=rf"(?i)\bpass(?:{QUOTE}\s*:|\s*=)\s*{OPENING}", keyed=True, holds=is_no_count),
    Rule(kind="secret", pattern=rf"(?i)(?:\b|_)auth(?:{QUOTE})?\s*[:=]\s*{OPENING}", keyed=True, holds=is_no_word),
    Rule(kind="secret", pattern=rf"(?i)(?:\bsalt|\bsid|session){SEPARATOR}{OPENING}", keyed=True, holds=is_random),
    Rule(kind="secret", pattern=rf"\b[A-Z][A-Z0-9_]*_KEY{SEPARATOR}{OPENING}", keyed=True, holds=is_random),
    Rule(kind="secret", pattern=rf"(?i)(?:\b|_)(?:otp|pin)(?:{QUOTE})?\s*[:=]\s*(?:{QUOTE})?(\d{{4,8}})\b"),
    Rule(
        kind="secret",  # {"name": "DB_PASSWORD", "value": "…"}, as containers have it
        pattern=rf"(?i){GUARDED}(?:{QUOTE})?[,\s]+(?:{QUOTE})?value(?:{QUOTE})?\s*[:=]\s*{OPENING}",
        keyed=True,
    ),
    Rule(kind="secret", pattern=rf"(?i)<[\w:.-]*{GUARDED}(?:\s[^<>]*)?>()", keyed=True),
    Rule(kind="secret", pattern=rf"(?i)<[\w:.-]*{GUARDED}(?:\s[^<>]*)?>([^<]+)<"),
    # A field of a form of several parts, and `setToken("…")`.
    Rule(kind="secret", pattern=rf"(?i)\bname=(?:{QUOTE})?[\w.-]*{GUARDED}(?:{QUOTE})?\s*\n\s*()", keyed=True),
    Rule(kind="secret", pattern=rf"(?i){GUARDED}\(\s*(\\*[\"'`])", keyed=True, holds=is_no_word),
)
_IN_COMMANDS: tuple[Rule, ...] = (
    Rule(kind="secret", pattern=rf"(?i)--[\w-]*(?:{GUARDED}|-pass)(?:{QUOTE},\s*|\s+){OPENING}", keyed=True),
    Rule(kind="secret", pattern=rf"(?i)--pass(?:{QUOTE},\s*|\s+|=){OPENING}", keyed=True),
    Rule(kind="secret", pattern=rf"\bsshpass\s+-p\s*{OPENING}", keyed=True),
    Rule(kind="secret", pattern=r"\bcurl\s(?:[^\n]*\s)?(?:-u|--user)[\s=]+[\"']?[^\s:\"']+:([^\s\"']+)"),
    Rule(kind="secret", pattern=r"(?i)(?:identified\s+by|password)\s+(\\*['\"])", keyed=True),
    Rule(kind="secret", pattern=r"(?i)\bset\s+password\s+for\s+\S+\s*=\s*(\\*['\"])", keyed=True),
    Rule(kind="secret", pattern=r"(?i)\blogin\s+\S+\s+password\s+()", keyed=True),
)
_ARGUMENTS = r"(?:\s+[\w=.:/@-]+){0,6}?"
_IN_PROGRAMS: tuple[Rule, ...] = (
    Rule(kind="secret", pattern=rf"\b(?:docker|podman|skopeo)\s+login{_ARGUMENTS}\s+-p\s*{OPENING}", keyed=True),
    Rule(kind="secret", pattern=rf"\b(?:mysql\w*|mariadb){_ARGUMENTS}\s+-p([^\s\"'\\]+)", holds=is_no_word),
    Rule(kind="secret", pattern=rf"\bredis-cli{_ARGUMENTS}\s+-a\s+{OPENING}", keyed=True),
    Rule(kind="secret", pattern=r"(?i)-pass(?:in|out)?\s+pass:([^\s\"'\\]+)"),
    Rule(kind="secret", pattern=r"(?i)\b(?:requirepass|masterauth|bindpw|bind_password)\s+()", keyed=True),
    Rule(kind="secret", pattern=r"(?i)\bpassword\s+()", keyed=True, holds=is_no_word),
    Rule(kind="secret", pattern=r"\bAUTH\s+()", keyed=True, holds=is_no_word),
    Rule(kind="secret", pattern=r"\bAUTH\s+\w+\s+()", keyed=True, holds=is_no_word),
    Rule(kind="secret", pattern=r"\bPASS\s+()", keyed=True, holds=is_no_file),
    Rule(kind="secret", pattern=r"(?i)\bsetuser(?:\s+[^\s>]+){0,6}?\s+>([^\s\"']+)"),
)
_IN_SENTENCES: tuple[Rule, ...] = (
    Rule(
        kind="secret",
        pattern=r"(?i)\bpassword(?:\s+(?:for|of)\s+\S+)?(?:\s+(?:is|was|now|set|changed|reset|to))+\s+(\\*[\"'`]?)",
        keyed=True,
        holds=is_no_word,
    ),
    Rule(kind="secret", pattern=r"(?i)(?:api[_ -]?key|token|passphrase)\s+(\\*[\"'`])", keyed=True, holds=looks_random),
    Rule(
        kind="secret",
        pattern=r"(?i)(?:secret|token|password|passphrase|credential|(?:api|access|encryption|signing|private|master|"
        rf"routing|integration|service)[_ -]?key)(?:\s+is|\s*(?:{QUOTE})?\s*[:=])?\s*(?:{QUOTE})?"
        r"([A-Za-z0-9+/]{24,}={0,2})",
        holds=looks_random,
    ),
)

SECRET_RULES: tuple[Rule, ...] = (*_BY_SHAPE, *_HEADERS, *_BY_NAME, *_IN_COMMANDS, *_IN_PROGRAMS, *_IN_SENTENCES)
