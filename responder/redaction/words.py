"""Names that give a value away, and what may stand between the two; google-re2 syntax."""

from __future__ import annotations

# A name of a field is secret when it *ends* so: DB_PASSWORD and adminPassword are, secretName and token_count are not.
GUARDED = (
    r"(?:pass(?:word|wd|phrase|code)|parola|bindpw|[_-]pass|secret|token|api[_ -]?key|auth[_-]?key|creds"
    r"|(?:access|account|secret|private|encryption|decryption|signing|master|session|sharedaccess|shared[_-]access|app"
    r"|license|hmac|storage|service|integration|deploy|webhook|subscription|consumer|x-auth|functions)[_ -]?key"
    r"|secret[_-]?key[_-]?base|credentials?"
    r"|session[_-]?id|jsessionid|phpsessid|connect\.sid|jwt|auth[_-]?code|dockerconfigjson"
    r"|(?:verification|mfa|2fa|totp|one[_ -]?time|activation|reset|recovery|backup)[_ -]?(?:code|pin))"
    r"(?:[_-]?(?:hash|value|text|\d{1,2}))?"
)
_NUMBER = r"(?:[_ -]?(?:number|no\b\.?|num\b|id|nr\b\.?|#))"
PERSONAL = (
    r"(?:ssn|social[_ -]?security(?:[_ -]?(?:number|no))?|mrn|medical[_ -]?record(?:[_ -]?(?:number|no|id))?"
    r"|(?:\b|_)npi|(?:\b|_)dob|date[_ -]?of[_ -]?birth|birth[_ -]?(?:date|day)|(?:\b|_)cnp"
    r"|patient[_ -]?(?:id|name|number|uuid)|(?:first|last|full|maiden|middle|given|family|sur|insured)[_ -]?name"
    r"|phone(?:[_ -]?(?:number|no))?|mobile(?:[_ -]?(?:number|no|phone))?|\btelefon|\btelephone|\bfax(?:[_ -]?number)?"
    r"|(?:home|street|mailing|billing|shipping|postal)[_ -]?address|address[_ -]?line[_ -]?\d?"
    r"|card[_ -]?number|(?:\b|_)cv[vc]2?|security[_ -]?code|(?:\b|_)iban"
    r"|(?:account|acct|routing|bank[_ -]?account)[_ -]?(?:number|no\b)|bank[_ -]?account"
    r"|passport[_ -]?(?:number|no\b)|driver'?s?[_ -]?licen[cs]e(?:[_ -]?(?:number|no\b))?|licen[cs]e[_ -]?number"
    rf"|(?:insurance|policy|medicaid|medicare|beneficiary|subscriber){_NUMBER}|(?:\b|_)mbi"
    r"|(?:patient|user|visitor)[_ -]?ip)"
)
QUOTE = r"""\\*["'`]"""
# In JSON text a line break is `\\n`, and its letter touches the word after it.
START = r"(?:\b|\\[nrt])"
# The last: a block of YAML, a dump of PHP.
SEPARATOR = rf"(?:{QUOTE})?\]?\s*(?::=|=>|[:=])\s*(?:[|>][-+]?\s*\n\s*|string\(\d+\)\s*)?"
OPENING = rf"((?:{QUOTE})?)"

SECRET_NAME = rf"(?i)(?:{GUARDED}|pwd|authorization|cookie)"
PERSONAL_NAME = rf"(?i){PERSONAL}"
