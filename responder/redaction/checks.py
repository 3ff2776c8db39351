"""Second looks at what a pattern found: check digits, and whether a value can be what its name says."""

from __future__ import annotations

import base64
import binascii
import re


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
    compact = b"".join(value.split()).decode("ascii")
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


def is_random(value: bytes) -> bool:
    """Whether it is so long and mixed that it can only be a secret, after a name that often says something else."""
    return looks_random(value) and _LONG.fullmatch(value) is not None and _WORDS.fullmatch(value) is None


_LONG = re.compile(rb"[\w+/=~%.-]{16,}")
_PIECE = rb"(?:[A-Z]?[a-z]+(?:[A-Z][a-z]+){0,3}|[A-Z]{1,12})"
_WORDS = re.compile(rb"%b(?:[._-]%b)+" % (_PIECE, _PIECE))  # X-PagerDuty-Signature, aiohttp.ClientSession


def is_no_word(value: bytes) -> bool:
    """Whether `auth=` or `the password is` is followed by a secret rather than by `oauth2`, `required` or `8`."""
    return len(value) >= 5 and looks_random(value) and _METHOD.fullmatch(value) is None


_NAME = rb"(?:[A-Z]?[a-z]+|[A-Z]+)"
_METHOD = re.compile(
    rb"(?:%b[/-])*(?:(?i:md5|sha-?\d+|oauth2?|oidc|saml2?|v\d+)|%b|\d{1,5}|[\d:.TZ-]+)(?:-[a-z]+)*" % (_NAME, _NAME)
)


def is_no_file(value: bytes) -> bool:
    """Whether a password follows PASS, as in FTP, rather than the file that passed its tests."""
    return b"/" not in value and is_no_word(value)


def is_no_count(value: bytes) -> bool:
    """Whether `pass=` is followed by a password rather than by how many passed."""
    return not value.isdigit() or len(value) > 5


def is_cnp(value: bytes) -> bool:
    """Whether date, county and check digit of a Romanian personal number fit
    (https://ro.wikipedia.org/wiki/Cod_numeric_personal_(România))."""
    digits = [it - 0x30 for it in value]
    month, day, county = int(value[3:5]), int(value[5:7]), int(value[7:9])
    if not (1 <= month <= 12 and 1 <= day <= 31 and (1 <= county <= 48 or county in (51, 52, 70))):
        return False
    rest = sum(one * weight for one, weight in zip(digits, _CNP_WEIGHTS, strict=False)) % 11
    return digits[12] == (1 if rest == 10 else rest)


_CNP_WEIGHTS = (2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9)


def has_digits(value: bytes) -> bool:
    """Whether there are so many digits in it that it can be a number of somebody's."""
    return len(_digits(value)) >= 4
