"""Rule files that mean harm, or come out of a broken tool: none of them may load, hang or kill what reads them."""

from __future__ import annotations

RULE = "rules: [{name: one, match: ['a=\"b\"']}]\n"
DEEP = 100_000
MIB = 1024 * 1024


def _laughs() -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    return "\n".join(lines) + "\n"


# What is refused at once; `bench/hostile.py` measures how soon.
FILES: dict[str, bytes] = {
    name: text if isinstance(text, bytes) else text.encode()
    for name, text in {
        "anchor": "a: &x 1\n",
        "alias": "a: &x 1\nb: *x\n",
        "alias of nothing": "a: *x\n",
        "billion laughs": _laughs(),
        "merge key": "a: {b: 1}\n<<: {c: 2}\n",
        "tag": "a: !!python/object/apply:os.system [id]\n",
        "local tag": "a: !ENV ${HOME}\n",
        "duplicate key": "rules: []\nrules: []\n",
        "duplicate key, quoted": "rules: []\n'rules': []\n",
        "many duplicate keys": "a: 1\n" * (MIB // 5 - 1),
        "nested lists": "[" * DEEP,
        "nested lists, closed": "[" * DEEP + "]" * DEEP,
        "nested mappings": "{a: " * DEEP,
        "nested entries": "- " * DEEP + "a\n",
        "nested keys": "? " * DEEP + "a\n",
        "nested by indentation": "".join(f"{' ' * n}a:\n" for n in range(1_400)),
        "tab": "rules:\n\t- {name: one}\n",
        "tabs only": "\t" * 1000,
        "NUL": "rules: []\x00\n",
        "NULs only": "\x00" * 1000,
        "control character": "rules: [\x07]\n",
        "line separator": "a: b\u2028c: d\n",
        "byte order mark inside": "a: \ufeffb\n",
        "not UTF-8": b"a: \xff\xfe\n",
        "UTF-16": "a: b\n".encode("utf-16"),
        "10 MB": "# " + "x" * (10 * MIB) + "\n" + RULE,
        "10 MB of lists": "[" * (10 * MIB),
        "two documents": f"{RULE}---\n{RULE}",
        "octal to some": "targets: {a: {http: 'http://x', concurrency: 010}}\n",
        "infinite": "a: .inf\n",
        "infinite by its exponent": "a: 1e999\n",
        "not a number": "a: .nan\n",
        "quote without end": "a: 'b\n" + "c: d\n" * 10_000,
        "directive": "%YAML 9.9\n---\na: b\n",
        "key of a list": "? [a]\n: b\n",
        "a million digits": "targets: {a: {http: 'http://x', concurrency: " + "9" * 1_000_000 + "}}\n",
        "brackets of a query": f"signals: {{s: {{unit: count, prometheus: {{query: '{'(' * 100_000}'}}}}}}\n",
        "brackets of JMESPath": f"signals: {{s: {{unit: count, json: {{path: /, value: '{'[' * 100_000}'}}}}}}\n",
        "brackets of a template": f"templates: {{update: '{'{{(' * 6_000}'}}\n",
        "brackets of a matcher": f"rules: [{{name: a, match: ['a=~\"{'(' * 100_000}\"']}}]\n",
        "a pattern that repeats": "rules: [{name: a, match: ['a=~\"((x{1000}){1000}){1000}\"']}]\n",
    }.items()
}
# What is refused, and takes its time for being big.
BIG: dict[str, bytes] = {
    name: text.encode()
    for name, text in {
        "unknown sections": "".join(f"a{n}:\n" for n in range(100_000)),
        "unknown names": "rules:\n" + "".join(f"  - {{name: r{n}, diagnose: [x{n}]}}\n" for n in range(20_000)),
        "rules of the wrong shape": "rules:\n" + "  - []\n" * 100_000,
        "unknown contacts": "contacts:\n"
        + "".join(f"  contact-{n}: {{slack: '@x'}}\n" for n in range(10_000))
        + "rules:\n"
        + "".join(f"  - {{name: r{n}, match: [a=b], notify: {{now: [contcat-{n}]}}}}\n" for n in range(10_000)),
        "groups in a ring": "contacts:\n"
        + "".join(f"  c{n}: {{group: [c{(n + 1) % 20_000}]}}\n" for n in range(20_000)),
        "bundles in one another": "bundles:\n"
        + "".join(f"  b{n}: [b{n + 1}, b{n + 2}]\n" for n in range(20_000))
        + "  b20000: []\n  b20001: []\n",
    }.items()
}
