"""What is neither secret nor personal: lines as logs, metrics and labels have them, and words that look like keys."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Iterator
from random import Random

from tests.redaction.corpus.kind import HEX, run_of

_APPS = (
    "payments-api",
    "patient-portal",
    "mrn-lookup",
    "email-worker",
    "auth-proxy",
    "token-service",
    "secret-syncer",
    "phone-gateway",
    "ssn-vault-ui",
    "npi-sync",
    "address-book",
)
_POD = "bcdfghjklmnpqrstvwxz2456789"

LINES = (
    "token_count=5", "max_tokens: 4096", "prompt_tokens=1822 completion_tokens=77", "author=joe", "authors: joe, ann", "pwd: /var/lib/app", "PWD=/srv/app", "OLDPWD=/root", "secretName: carecircle-tls",
    "imagePullSecrets: [regcred]", "secretKeyRef: {name: db, key: password}", "volume secret-{n} mounted", "secret/{app} not found", 'secrets "{app}-tls" not found', 'MountVolume.SetUp failed for volume "token-{n}"',
    "password authentication failed for user \"app\"", "password expired", "passwordless login enabled", "password_reset_total {n}", "password=false", "require_password: true", "no password set", "has_password=True",
    "token expired at {time}", "invalid token", "token bucket full: rate=5/s", "unexpected token < in JSON at position {n}", "tokens/s={float}", "token_type=Bearer", "tokenizer=cl100k", "csrf check failed",
    "key={app}", "sort_key=created_at", "partition_key=orders", "primary key (id)", "cache_key=user:{n}", "duplicate key value violates unique constraint \"orders_pkey\"", "key: app.kubernetes.io/name", "foreign_key=patient_id",
    "keys={n}", "keyspace_hits:{n}", "redis key carecircle:queue:emails", "KeyError 'STRIPE_KEY'", "missing environment variable STRIPE_KEY", "api_key is required", "api key not configured", "apiKey: null", "credentials: none",
    "Basic health check passed", "Bearer of bad news", "auth=ok", "auth.py line {n}", "authorization denied for group admins", "authenticated=true", "signature=valid", "session_timeout=30m", "session expired", "cookies enabled",
    "phone verification step {n} of 9", "email=disabled", "email queue depth {n}", "address=10.0.{b}.{b}:5432", "listen address :8080", "bind address 0.0.0.0:{port}", "address already in use", "MAC address 0a:58:0a:{hex2}:{hex2}:{hex2}",
    "patient_count={n}", "patients table {n} rows", "patients waiting: {n}", "patient-api latency {float}ms", "name: {app}", "hostname={app}-0", "dob_index rebuilt", "idx_patient_dob", "birthdate column missing", "mrn index scan", "select mrn from patients",
    "card_number_errors_total {n}", "iban validator v{version}", "policy=Always", "imagePullPolicy: IfNotPresent", "restartPolicy=Always", "PodDisruptionBudget policy/v1", "member {n} of cluster joined", "membership changed", "group=payments", "account=prod",
    "pin: 1.2.{b}", "pinned to version {version}", "vin not found", "otp app started", "salt-minion restarted", "hash={sha}", "etag=\"{hex32}\"", "digest: sha256:{hex64}", "image: ghcr.io/x/{app}:{version}@sha256:{hex64}", "commit {sha}", "rev {n} ({short})",
    "pod {app}-{rs}-{pod} CrashLoopBackOff", "{app}-{rs}-{pod}", "{uuid}", "trace_id={hex32} span_id={hex16}", "request_id={uuid}", "x-request-id: {uuid}", "traceparent: 00-{hex32}-{hex16}-01", "took {float}s", "at={millis}", "ts={micros}", "t={nanos}",
    "offset {n} of {millis}", "lsn 16/B374D848", "txid {n}", "pid={n}", "http_requests_total{code=\"500\",handler=\"/api/v1/users\"} {n}", "process_start_time_seconds {epoch}.{b}", "go_memstats_alloc_bytes {bytes}", "node_filesystem_avail_bytes={bytes}",
    "connections 96 of 100, 41 idle in transaction", "10.0.{b}.{b} - - [{time}] \"GET /healthz HTTP/1.1\" 200 {n}", "dial tcp 10.0.{b}.{b}:{port}: connect: connection refused", "i/o timeout after 30s", "upstream https://api.stripe.com/v1/charges 503",
    "postgresql://db:5432/main unreachable", "redis://cache:6379/0 slow", "GET https://api.example.com/v1/items?page={n}&size=50 200", "arn:aws:iam::{account}:role/{app}", "projects/{app}/locations/eu/revisions/{app}-000{b}-abc", "gs://bucket/{app}/{time}.log",
    "/var/run/secrets/kubernetes.io/serviceaccount/token", "open /etc/ssl/private/key.pem: permission denied", "file auth/token.go:{n}", "-----BEGIN CERTIFICATE-----", "BEGIN TRANSACTION", "deployment.apps/{app} scaled to 3", "node ip-10-0-{b}-{b}.eu-west-1.compute.internal",
    "label app={app} environment=prod severity=critical", "alertname=HighErrorRate service=payments", "runbook https://runbooks.example.com/api-outage#step-{b}", "SLO burn {float}x over 1h", "p95 {float} s, p99 {float} s", "{date} {clock} rollout of {app}", "next backup {date}",
    "version={version}", "v{version}-rc1+build.{n}", "build {n}-{short}", "jdk-17.0.9+11", "kernel 5.15.0-1051-aws", "chrome/119.0.6045.{b}", "user=postgres database=main", "username: admin", "role=replica", "by ci", "owner: team-payments", "contact: #oncall",
    "error code 0x{hex8}", "exit code 137", "memory 512Mi/1Gi", "cpu 250m", "queue depth {n} over 1000", "lag {n} messages in group {app}", "job {app}-{epoch} failed", "cron 0 3 * * 1-5", "range [{n}, {n}]", "tz=Europe/Bucharest", "commit-msg 'fix token refresh'",
    "feature flag new-login=on", "bucket le=\"0.25\" {n}", "cert expires in 13 days (CN={app}.example.com)", "serial 0{hex32}", "fingerprint={hex16}", "groupKey={}:{alertname=\"X\"}", "incident_key={hex64}", "inc-7K3F P1 → P2", "helm release {app} revision {b}",
    "ALTER TABLE users ALTER COLUMN password TYPE text", "SELECT password_hash FROM users", "grant select on secrets to app", "column \"password\" does not exist", "rotating secret", "secrets rotated: {n}", "key rotation finished", "private key loaded", "public_key ok",
    "driver=postgres", "license: Apache-2.0", "passport.js strategy", "street-maps up", "the way 5 pods went", "12 Main loops", "plan: free", "group_number of shards {b}", "id={n}", "user_id={n}", "order {uuid} paid", "amount={float} EUR", "born ready", "guardian: {app}",
    "blob {base64}", "payload bytes={base64}", "{camel}Exception: cannot read field", "at com.example.{camel}.run({camel}.java:{n})", "File \"/app/{app}/auth.py\", line {n}, in login", "Traceback (most recent call last):", "{time} INFO {app} started in {float} s",
)  # fmt: skip


def noise(rng: Random, how_many: int) -> Iterator[str]:
    """So many lines, each wording in turn, the numbers drawn."""
    for number in range(how_many):
        yield _filled(LINES[number % len(LINES)], rng)


def _filled(line: str, rng: Random) -> str:
    for name, draw in _DRAWS.items():
        while name in line:
            line = line.replace(name, str(draw(rng)), 1)
    return line


def _base64_of_words(rng: Random) -> str:
    words = " ".join(rng.choices(("rollout", "healthy", "queue", "metrics", "seven", "pods"), k=5))
    return base64.b64encode(words.encode()).decode()


_DRAWS = {
    "{n}": lambda rng: rng.randint(1, 10 ** rng.randint(1, 7)),
    "{b}": lambda rng: rng.randint(1, 254),
    "{port}": lambda rng: rng.randint(1024, 65535),
    "{app}": lambda rng: rng.choice(_APPS),
    "{rs}": run_of(_POD, 9),
    "{pod}": run_of(_POD, 5),
    "{uuid}": lambda rng: uuid.UUID(int=rng.getrandbits(128), version=4),
    "{sha}": run_of(HEX, 40),
    "{short}": run_of(HEX, 7),
    "{hex2}": run_of(HEX, 2),
    "{hex8}": run_of(HEX, 8),
    "{hex16}": run_of(HEX, 16),
    "{hex32}": run_of(HEX, 32),
    "{hex64}": run_of(HEX, 64),
    "{time}": lambda rng: (
        f"2026-11-{rng.randint(1, 30):02}T{rng.randint(0, 23):02}:{rng.randint(0, 59):02}:07.{rng.randint(0, 999):03}Z"
    ),
    "{date}": lambda rng: f"2026-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}",
    "{clock}": lambda rng: f"{rng.randint(0, 23):02}:{rng.randint(0, 59):02}:11,{rng.randint(0, 999):03}",
    "{float}": lambda rng: f"{rng.random() * 100:.{rng.randint(1, 6)}f}",
    "{epoch}": lambda rng: 1_790_000_000 + rng.randint(0, 10**7),
    "{millis}": lambda rng: 1_790_000_000_000 + rng.randint(0, 10**10),
    "{micros}": lambda rng: 1_790_000_000_000_000 + rng.randint(0, 10**13),
    "{nanos}": lambda rng: 1_790_000_000_000_000_000 + rng.randint(0, 10**16),
    "{bytes}": lambda rng: rng.randint(10**6, 10**12),
    "{account}": lambda rng: rng.randint(10**11, 10**12 - 1),
    "{version}": lambda rng: f"{rng.randint(0, 20)}.{rng.randint(0, 40)}.{rng.randint(0, 99)}",
    "{base64}": _base64_of_words,
    "{camel}": lambda rng: "".join(
        rng.choice(("Payment", "Token", "Secret", "Patient", "Card", "Session")) for _ in range(2)
    ),
}
