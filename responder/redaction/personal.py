"""Rules for what tells who a person is."""

from __future__ import annotations

from responder.redaction.checks import has_digits, is_card_number, is_cnp, is_iban, is_mail_address
from responder.redaction.rule import Rule
from responder.redaction.words import OPENING, PERSONAL, QUOTE, SEPARATOR, START

_WORD = r"\p{Lu}(?:[\p{L}.-]|['’]\p{L})*"
_NAME = rf"{_WORD}(?:,?\s+{_WORD}){{0,3}}"
_IS = rf"(?:{QUOTE})?(?:\s+is)?(?:[\s_]+(?:no\.?|number|nr\.?))?\s*(?:[#:=>/]\s*){{0,2}}(?:{QUOTE})?"
_GAP = r"(?:[.-]|\s{1,4})"  # a folded line begins with white space
_MONTH = r"[\p{L}]{3,9}"
_DATE = (
    rf"\d{{1,4}}[-/.]\d{{1,2}}[-/.]\d{{1,4}}|\d{{1,2}}\.?{_GAP}{_MONTH}\.?,?{_GAP}\d{{4}}"
    rf"|{_MONTH}\.?\s{{1,4}}\d{{1,2}},?\s{{1,4}}\d{{4}}|\d{{8}}\b"
)
_PHONE = (
    rf"(?:\+?1{_GAP}?)?\(\d{{3}}\)\s{{0,4}}\d{{3}}{_GAP}\d{{4}}|\b(?:1[-.])?\d{{3}}-\d{{3}}-\d{{4}}|\b\d{{3}}\.\d{{3}}\.\d{{4}}"
    rf"|\+[1-9]\d{{9,14}}|\+[1-9]\d{{0,2}}{_GAP}\(?\d{{1,4}}\)?(?:{_GAP}\d{{2,7}}){{1,5}}"
    rf"|\b07\d{{2}}{_GAP}?\d{{3}}{_GAP}?\d{{3}}"
)
_MBI_LETTER = "[AC-HJKMNP-RT-Y]"
_MBI_ANY = "[0-9AC-HJKMNP-RT-Y]"
_WAY = (
    r"(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Way|Place|Pl|Terrace|Parkway|Pkwy"
    r"|Circle|Square|Highway|Hwy)"
)
_FLAT = r"(?:(?:,\s*|\s+)(?:(?:Apt|Apartment|Suite|Ste|Unit|ap|et|sc|bl|sector)\b\.?\s*|#)[\w-]+)*"

PERSONAL_RULES: tuple[Rule, ...] = (
    Rule(  # HL7 v2 and X12: the rest of the segments that describe a person
        kind="person", pattern=r"\b(?:PID|NK1|GT1|IN1|PD1)\|(\d*\|[^\r\n\"]*[^\s\"\\])"
    ),
    Rule(kind="person", pattern=r"\b(?:NM1|DMG|N3|N4)\*([^~\r\n\"]+)"),
    Rule(
        kind="name",
        pattern=r"\b(?i:patient|pacient(?:a|ul)?|insured|subscriber|guardian|spouse|next[\s_-]of[\s_-]kin"
        r"|emergency[\s_-]*contact|caregiver|nume|prenume"
        r"|name[\s_]of[\s_]patient|(?:patient|member|subscriber|first|last|full|insured|guardian|contact)(?:['’]s)?"
        r"\W{0,6}(?:full|first|last)?[\s_-]*name)"
        rf"(?:{QUOTE})?\s*(?:(?i:is)\s|[:=>])\s*(?:{QUOTE})?({_NAME})",
    ),
    Rule(
        kind="name",  # FHIR: {"family": "…", "given": ["…", "…"]}
        pattern=rf"{QUOTE}(?:family|given)(?:{QUOTE})\s*:\s*\[?\s*(?:{QUOTE})({_NAME}(?:{QUOTE},\s*{QUOTE}{_NAME})*)",
    ),
    Rule(
        kind="record-number",
        pattern=rf"(?i)\b(?:mrn|npi|medical\s+record|patient[\s_]*id|chart){_IS}([A-Z]{{0,3}}-?\d[\d/-]{{3,14}})\b",
    ),
    Rule(
        kind="birth-date",
        pattern=rf"(?i)\b(?:dob|date[\s_]*of[\s_]*birth|birth[\s_]*date|born(?:\s+on)?|birthday|data\s+na[sșş]terii|n[aă]scut[aă]?)"
        rf"{_IS}({_DATE})",
    ),
    Rule(kind="ssn", pattern=rf"{START}(\d{{3}}-\d{{2}}-\d{{4}})\b", alone=True),
    Rule(
        kind="ssn",
        pattern=rf"(?i)(?:\b|_)(?:ssn|tin|social[\s_]*security){_IS}"
        rf"(\d{{3}}{_GAP}?\d{{2}}{_GAP}?\d{{4}})\b",
    ),
    Rule(kind="address", pattern=rf"\b(\d{{1,5}}\s{{1,4}}(?:\p{{Lu}}[\p{{L}}.'’]*\s+){{1,4}}{_WAY}\b\.?{_FLAT})"),
    Rule(
        kind="address",
        pattern=r"\b((?:Str(?:ada|\.)|Bd\.|B-dul|Bulevardul|Calea|Aleea|Intrarea|[SȘŞ]os(?:eaua|\.))\s*"
        rf"(?:\p{{Lu}}[\p{{L}}.-]*,?\s+){{1,4}}nr\.?\s*\d+\w?{_FLAT})",
    ),
    Rule(
        kind="personal",
        pattern=r"(?i)\b(?:member|subscriber|policy|group|insurance|health\s+plan|medicaid|medicare|beneficiary|passport"
        rf"|driver'?s?\s+licen[cs]e|account|acct)(?:[\s_-]*(?:number|no\b\.?|num\b|id|nr\b\.?)(?:{QUOTE})?\s*[#:=]*"
        rf"|(?:{QUOTE})?\s*[#:=]+)\s*>?(?:{QUOTE})?([A-Z]{{0,3}}\d{{6,12}}(?:-\d{{2}}|[A-Z])?)\b",
        holds=has_digits,
    ),
    Rule(kind="personal", pattern=rf"\b(?i:dea(?:[_ -]?number)?){_IS}([A-Z][A-Z9]\d{{7}})\b"),
    Rule(kind="personal", pattern=rf"(?i)(?:\b|_)vin(?:{QUOTE})?\s*[:=]\s*(?:{QUOTE})?([A-HJ-NPR-Z0-9]{{17}})\b"),
    Rule(
        kind="personal",
        pattern=r"(?i)\b(?:patient|visitor|user)(?:'s)?\s+(?:device\s+)?ip(?:\s+address)?\s*[:=]?\s*"
        r"(\d{1,3}(?:\.\d{1,3}){3})\b",
    ),
    Rule(
        kind="personal",  # Medicare's identifier
        pattern=rf"{START}([1-9]{_MBI_LETTER}{_MBI_ANY}\d-?{_MBI_LETTER}{_MBI_ANY}\d-?{_MBI_LETTER}{{2}}\d{{2}})\b",
        alone=True,
    ),
    Rule(
        kind="card",
        pattern=rf"{START}(\d{{4}}{_GAP}\d{{4}}{_GAP}\d{{4}}{_GAP}\d{{4}}|\d{{4}}{_GAP}\d{{6}}{_GAP}\d{{4,5}}|\d{{14,19}})\b",
        holds=is_card_number,
        alone=True,
    ),
    Rule(kind="cnp", pattern=rf"{START}([1-8]\d{{12}})\b", holds=is_cnp, alone=True),
    Rule(
        kind="iban",
        pattern=rf"{START}([A-Z]{{2}}\d{{2}}(?:\s{{0,4}}[A-Z0-9]{{4}}){{2,7}}(?:\s{{0,4}}[A-Z0-9]{{1,3}})?)\b",
        holds=is_iban,
        alone=True,
    ),
    Rule(kind="email", pattern=r"([\w.!#$&*+/?^{|}~-]+@[A-Za-z0-9.-]*)(?:…|\.\.\.)"),  # cut off by somebody
    Rule(kind="email", pattern=r"([\w.!#$&*+/?^{|}~-]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,24})\b", holds=is_mail_address),
    Rule(
        kind="phone",
        pattern=rf"({_PHONE})\b",
        alone=True,
    ),
    Rule(kind="phone", pattern=r"(?i)\b(?:sms|call|text|fax|tel|phone)(?:ed)?\s*(?:to|for|:)?\s*(\d{10,11})\b"),
    Rule(kind="personal", pattern=rf"(?i)<[\w:.-]*{PERSONAL}(?:\s[^<>]*)?>([^<]+)<"),
    Rule(kind="personal", pattern=r"(?i)\bkey\s+\([^()]*\)=\(([^()]+)\)"),  # a DETAIL of PostgreSQL quotes the row
    Rule(kind="personal", pattern=rf"(?i){PERSONAL}{SEPARATOR}{OPENING}", keyed=True),
)
