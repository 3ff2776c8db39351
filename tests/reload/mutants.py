"""Rule files as they come out of a bad edit: what is wrong in each, and where."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

GOOD = """\
targets:
  api: {http: "https://api.example.com"}
  prometheus: {prometheus: http://prometheus:9090}
signals:
  error_rate: {unit: percent, prometheus: {query: errors_per_cent}}
  serving: {unit: percent, http: {target: api, up: [/health, /ready]}}
rules:
  - name: errors
    summary: API answers 5xx
    match: ['alertname="HighErrorRate", service=~"api|gateway"']
    thresholds:
      error_rate: {warning: "> 1% for 5m", critical: "> 5% for 2m", resolve: "< 0.5% for 5m"}
    diagnose:
      - http.status: {paths: [/]}
    suggest:
      - {do: Look at the gateway, when: failing}
  - name: down
    match: ['alertname="ApiDown"']
    thresholds:
      serving: {critical: "< 1%"}
severity:
  hold: 10m
  levels: {P1: , P2: , P3: , P4: }
  decide:
    - {ask: "Is it down?", when: {serving: "< 1%"}, then: P1}
    - {ask: "Many?", when: {error_rate: "> 50%"}, then: {at_least: P2}}
  otherwise: {critical: P2, warning: P3}
"""
KEYS = re.compile(
    r"(?<=[\s{])(unit|query|up|name|summary|match|thresholds|warning|critical|resolve|diagnose|suggest|"
    r"when|do|hold|decide|ask|then|otherwise|targets|signals|rules|severity|at_least)(?=:)"
)
TOKENS = {
    "an operator": (re.compile(r"> (?=\d)|< (?=\d)"), ["=> ", "~ ", "", ">> "]),
    "a duration": (re.compile(r"\b\d+m\b"), ["5mins ago", "5 x", "-5m", "5"]),
    "a unit": (re.compile(r"percent"), ["percents", "%", "", "2"]),
    "a number": (re.compile(r"\b\d+(?=%)"), ["one", "1..5", "nan", "inf"]),
    "a matcher": (re.compile(r'alertname="'), ['alertname "', 'alertname=~"(', '="', 'alertname=="']),
    "a target": (re.compile(r"target: api"), ["target: apii", "target: prometheus", "target: []"]),
    "a mark": (re.compile(r"when: failing"), ["when: faling", "when: {}", "when: [no_such_mark]"]),
    "a level": (re.compile(r"then: P1"), ["then: P0", "then: {}", "then: [P1]"]),
    "a path": (re.compile(r"/health"), ["health", "[]"]),
    "a check": (re.compile(r"http\.status"), ["http.statuss", "status", "http"]),
}


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """`line`: the one that was changed, from 1; 0 where a complaint may stand anywhere."""

    what: str
    text: str
    line: int


def mutants(number: int, seed: int = 14) -> list[Mutant]:
    """So many, always the same for the same seed; none of them is right."""
    chance = random.Random(seed)
    kinds = [_token, _token, _key, _bracket, _cut, _strange, _duplicate, _indent]
    made: dict[str, Mutant] = {}
    while len(made) < number:
        mutant = chance.choice(kinds)(chance)
        made.setdefault(mutant.text, mutant)
    return list(made.values())


def _put(start: int, end: int, new: str, what: str, *, anywhere: bool = False) -> Mutant:
    line = 0 if anywhere else GOOD.count("\n", 0, start) + 1
    return Mutant(what=what, text=GOOD[:start] + new + GOOD[end:], line=line)


def _token(chance: random.Random) -> Mutant:
    what = chance.choice(sorted(TOKENS))
    pattern, wrong = TOKENS[what]
    found = chance.choice(list(pattern.finditer(GOOD)))
    return _put(*found.span(), chance.choice(wrong), what)


def _key(chance: random.Random) -> Mutant:
    """A letter too many, in any of the keys."""
    found = chance.choice(list(KEYS.finditer(GOOD)))
    at = chance.randrange(found.start(), found.end())
    return _put(at, at, chance.choice("qxzjw"), "a key", anywhere=found[0] in ("targets", "signals"))


def _bracket(chance: random.Random) -> Mutant:
    found = chance.choice(list(re.finditer(r"[\[\]{}]", GOOD)))
    return _put(*found.span(), "", "a bracket", anywhere=True)


def _cut(chance: random.Random) -> Mutant:
    """Half-written: the file ends inside of a flow or a quote."""
    open_places = [it.start() for it in re.finditer(r"(?<=[{\['\"]).", GOOD) if _is_open(it.start())]
    return Mutant(what="half a file", text=GOOD[: chance.choice(open_places)], line=0)


def _is_open(end: int) -> bool:
    text = GOOD[:end]
    return text.count("{") + text.count("[") > text.count("}") + text.count("]")


def _strange(chance: random.Random) -> Mutant:
    line = chance.choice(list(re.finditer(r"^ +(?=\S)", GOOD, re.MULTILINE)))
    new = chance.choice(["\t", "\0", "&a ", "*a ", "!!python/object:os.system ", "%", "@", "`"])
    return _put(line.end(), line.end(), new, "a strange letter", anywhere=True)


def _duplicate(chance: random.Random) -> Mutant:
    line = chance.choice(list(re.finditer(r"^ +[a-z_]+: .+\n", GOOD, re.MULTILINE)))
    return _put(line.end(), line.end(), line[0], "a key twice", anywhere=True)


def _indent(chance: random.Random) -> Mutant:
    line = chance.choice(list(re.finditer(r"^ {2,4}(?=[a-z_]+: )", GOOD, re.MULTILINE)))
    return _put(line.start(), line.start(), " ", "an indent", anywhere=True)
