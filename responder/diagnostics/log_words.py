"""Which words of a log line say what happened, and which say of whom or how much.

Only the former are ever shown: plain lower-case words, identifiers of code and environment, classes of exceptions,
and a few well-known names. Whatever may be somebody's name, number, address or text of their own becomes `…`.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Iterator

from responder.diagnostics.log_lines import EXCEPTION, LEVELS

GAP = "…"
MOST_WORDS = 24
_QUOTED = re.compile(r"""(?<!\w)(?:'([^']{0,200})'|"([^"]{0,200})"|`([^`]{0,200})`)(?!\w)""")
_OPEN_QUOTE = re.compile(r"""(?<!\w)['"`](?!\x00)""")
_IDENTIFIER = re.compile(r"[A-Za-z]+(?:_[A-Za-z]+)+")
_CONSTANT = re.compile(r"'[A-Z]+(?:_[A-Z]+)+'")
_PLAIN = re.compile(r"[a-z]{1,24}(?:-[a-z]{1,24}){0,3}|[a-z]+n't")
_CAPITAL = re.compile(r"[A-Z][a-z]{1,20}")
_CODE = re.compile(
    r"[A-Za-z]+(?:_[A-Za-z]+)+(?:\.\w*[A-Za-z]\w*)*"  # snake_case, UPPER_CASE
    r"|[a-z_]+(?:\.[A-Za-z_]+){2,6}"  # a.dotted.name; with one dot it may be who.somebody
    r"|(?!(?:Mc|Mac|De|Di|Du|La|Le|Van|Von|Fitz|O)[A-Z])[A-Z][a-z]+(?:[A-Z][a-z]+)+|[a-z]+(?:[A-Z][a-z]+)+"
)
_NUMBER_AFTER = frozenset({"status", "code", "http", "exit", "errno", "signal", "statuscode"})
_SMALL_NUMBER = re.compile(r"[1-9]\d{0,2}")
_TRIMMED = "()[]{}<>,.;:!?*|"
_WELL_KNOWN_TEXT = """
    GET POST PUT PATCH DELETE HEAD OPTIONS HTTP HTTPS TCP UDP TLS SSL SSH DNS SQL API JSON XML YAML HTML CSV URL URI
    ID UUID EOF OOM CPU GPU IO TTL JWT OK NULL SIGTERM SIGKILL SIGSEGV SIGABRT SIGHUP SIGINT AWS GCP S3 LLM AI
    SELECT INSERT UPDATE COMMIT ROLLBACK PostgreSQL Postgres Redis Kafka RabbitMQ Stripe Kubernetes Prometheus Nginx
    Django Flask Celery Sentry OpenAI Twilio Slack Docker Python Java Node Google Amazon Azure Cloudflare
    Elasticsearch MongoDB MySQL ClickHouse Prisma Gunicorn Uvicorn
"""
_WELL_KNOWN = frozenset(_WELL_KNOWN_TEXT.split()) | frozenset(errno.errorcode.values())
_BEGINNINGS_TEXT = """
    aborted access an authentication bad broken cache can cannot circuit client closed command config configuration
    connecting connection could database deadlock disk duplicate empty error errors event exceeded exception
    expected failed failure fatal file health host illegal incoming internal invalid job key killed limit listening
    loading lock lost max memory message migration missing module network no not null operation out payment
    permission pool process processing query queue rate received reconnecting refused rejected request required
    response restarting resource retry retrying running schema server service shutting socket starting started
    stopping stopped task the there thread timed timeout too transaction unable uncaught unexpected unhandled
    unknown unsupported upstream value waiting webhook worker write
"""
_BEGINNINGS = frozenset(_BEGINNINGS_TEXT.split())
_PERSONS_TEXT = """
    patient patients name named mr mrs ms dr doctor nurse physician user username member customer caregiver
    mother father daughter son dear hello hi surname firstname lastname diagnosis diagnosed allergy
    allergic medication
"""
_PERSONS = frozenset(_PERSONS_TEXT.split())
_ORDINARY_TEXT = """
    accept accepted acknowledged acquire address admit again alive all allocate allocated answer any api app applied
    apply appointment attempt attempts available backend batch behind between bill blocked body broker bucket build
    bundle busy call called calling canceled cancelled certificate change charge check checked checkout close closing
    column commit complete completed conflict consumer container content context cookie corrupt count crash crashed
    data date deleting delivery dependency deployment device died directory document domain done down drop dropped
    during each email ended ending endpoint engine enough entity entry environment events every exhausted exit exited
    expire expires export failing falling feature fetch fetching field files filter fine finished first flush folder
    format frontend full function future gateway gave get getting give giving go gone got group handle handled handler
    handling hash header headers healthy heartbeat held high hit hold hook idle ignored ignoring image import index
    input instance integration interface interval invalidated invoice is item items jobs journal keep kept keys label
    last late latency later layer leader lease left less library line link list listener load loaded location log
    login logs long longer loop low made mail make malformed manager many map max method metric metrics min mismatch
    mode model monitor more mount moved never new next node nodes notification now number object off offset old once
    only open opened opening order orders other output overflow overloaded package page pages panic parameter parent
    parse parsing partition path paused payload payments peer pending performed pipeline plan plugin pod pods policy
    port post posted posting prefix previous primary producer product profile program project property protocol
    provider proxy publish published publishing put ran range reached read reader reading ready reconnect recovered
    recovering refresh refund refused region registry release reload remote removing renew renewed replica reply
    report repository reset resolve resolved restart restarted result results resume resumed retried return returned
    role rolled root route row rows rule run running runtime same sample save saved saving scan schedule scheduled
    scheduler scope script search second seconds secret section seen segment send sending sent served serving session
    set settings shard shut shutdown signal site size skip skipped sleep slot slow slower snapshot some source space
    stage stale stalled start state statement status step still stop storage store stream string stuck subscribe
    subscription succeeded success supported sync system tag take taken target tasks template test that them these
    this those thread threads throttled time timer today token tokens too took topic trace transfer tried truncated
    try trying two type unavailable unexpectedly unhealthy unit unlock unreachable until up updating upload url usage
    using valid validate values variable version view volume wait waited went whole window workers write writing
    written wrong yet zone
"""
_SMALL_TEXT = """
    a an and are as at by can cannot could did does error failed for found from had has have id ids in into is its
    lookup may missing must no not of on or record records request service session table timed timeout to unknown
    update was were will with without already added created deleted exists expired logged removed signed updated
    when while
"""
_SMALL = frozenset(_SMALL_TEXT.split())
_BEFORE_ANYBODY = frozenset({"by", "for", "from", "of", "with"})
_ORDINARY = frozenset(_ORDINARY_TEXT.split()) | _BEGINNINGS | _SMALL | _PERSONS


def words(message: str, word_of: Callable[[str], str]) -> Iterator[str]:
    """Each word, or `…` for what is not for others to see; at most 24. `word_of`: `shown`, or a cache before it."""
    before = ""  # at the beginning a word with a colon may be who says it
    for token in _without_quotes(message).split(None, MOST_WORDS)[:MOST_WORDS]:
        word = word_of(token)
        if word is GAP and before in _NUMBER_AFTER and _SMALL_NUMBER.fullmatch(token.strip(_TRIMMED)):
            word = token.strip(_TRIMMED)
        elif _may_name_somebody(before, word):
            yield GAP  # and what follows may be the rest of the name
            continue
        yield word
        before = token.strip(_TRIMMED).lower()


def _may_name_somebody(before: str, word: str) -> bool:
    """`user maria`, `refused for maria`, `maria: hello`; but `user not found` and `refused for service`."""
    inner = word.strip(_TRIMMED)
    if inner in _ORDINARY or word is GAP:
        return False
    if not before:
        return word.endswith(":") and bool(_PLAIN.fullmatch(inner))
    return before in _PERSONS or (before in _BEFORE_ANYBODY and bool(_PLAIN.fullmatch(inner)))


def is_constant(word: str) -> bool:
    """Whether it was quoted and is written as names of the environment are: `'STRIPE_KEY'`."""
    return bool(_CONSTANT.fullmatch(word))


def may_be_a_name(word: str) -> bool:
    """Plain, in lower case, and not among the words that logs are made of."""
    inner = bare(word)
    return bool(_PLAIN.fullmatch(inner)) and inner not in _ORDINARY


def bare(word: str) -> str:
    """Without what stands around it."""
    return word.strip(_TRIMMED)


def shown(token: str) -> str:
    """The word without what stands around it, or `…`. A capitalised one may be a name, unless it is ordinary."""
    if token.startswith("\x00"):
        return _kept_quote(token)
    found = EXCEPTION.search(token)
    if found and token.strip(_TRIMMED).endswith(found[1]):
        return found[1] + (":" if token.endswith(":") else "")
    inner = token.strip(_TRIMMED)
    if _is_shown(inner):
        return inner + (token[-1] if token[-1] in ":," else "")
    name, equals, _ = inner.partition("=")
    return f"{name}={GAP}" if equals and (_PLAIN.fullmatch(name) or _CODE.fullmatch(name)) else GAP


def _is_shown(inner: str) -> bool:
    return bool(
        _PLAIN.fullmatch(inner)
        or (_CAPITAL.fullmatch(inner) and inner.lower() in _ORDINARY)
        or inner in _WELL_KNOWN
        or inner.lower() in LEVELS
        or _CODE.fullmatch(inner)
    )


def _without_quotes(message: str) -> str:
    """Quoted text is only kept where it is an identifier; behind a quote that nobody closes all may be quoted."""
    text = _QUOTED.sub(_quoted, message.replace("\x00", ""))
    open_quote = _OPEN_QUOTE.search(text)
    return f"{text[: open_quote.start()]} {GAP}" if open_quote else text


def _quoted(found: re.Match[str]) -> str:
    inner = found[1] or found[2] or found[3] or ""
    return f" \x00{inner} " if _IDENTIFIER.fullmatch(inner) else f" {GAP} "


def _kept_quote(token: str) -> str:
    return f"'{token[1:]}'" if _IDENTIFIER.fullmatch(token[1:]) else GAP
