"""Secrets, in wordings of our own: written without a look at the rules, so that they measure them."""

from __future__ import annotations

import base64
import json
from random import Random

from tests.redaction.corpus.kind import ALNUM, BASE64, BASE64URL, HEX, LOWER, Kind, keyed, one_of, run_of, shaped


def _password(rng: Random) -> str:
    """As people and generators choose them; no space, quote, comma, semicolon or ampersand."""
    strong = "".join(rng.choices(ALNUM + "!#$%*+-.:?^_~", k=rng.randint(10, 24)))
    weak = rng.choice(("hunter", "Summer", "letmein", "Parola", "dragon", "Welcome")) + str(rng.randint(2, 2999))
    return rng.choice((strong, strong, weak, weak + "!"))


def _spaced(rng: Random) -> str:
    return f"{_password(rng)} {rng.choice('&,;=')}{_password(rng)}"


def _with_quotes(rng: Random) -> str:
    return _password(rng)[:6] + rng.choice(('"', '\\"', '"}', "\\")) + " " + _password(rng)


def _in_address(rng: Random) -> str:
    return "".join(rng.choices(ALNUM + "!$*+-._~", k=rng.randint(8, 20)))


def _unescaped(rng: Random) -> str:
    parts = [run_of(ALNUM, rng.randint(3, 6))(rng) for _ in range(rng.randint(2, 3))]
    return rng.choice("@/:#?").join(parts) + rng.choice(("", "@x9", "/q7"))


def _jwt(rng: Random) -> str:
    def part(value: dict[str, object]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    head = part({"alg": rng.choice(("HS256", "RS256")), "typ": "JWT"})
    body = part({"sub": str(rng.randint(1, 10**9)), "exp": rng.randint(10**9, 2 * 10**9), "scope": "read"})
    return f"{head}.{body}.{run_of(BASE64URL, 43)(rng)}"


def _pem_body(rng: Random) -> str:
    return "\n".join(run_of(BASE64, 64)(rng) for _ in range(rng.randint(3, 8))) + "\n" + run_of(BASE64, 30)(rng) + "=="


def _basic(rng: Random) -> str:
    return base64.b64encode(f"svc-{rng.randint(1, 99)}:{_in_address(rng)}".encode()).decode()


_token = one_of(run_of(BASE64URL, 32), run_of(HEX, 40), run_of(ALNUM, 22), run_of(BASE64, 44))

KEYED: tuple[Kind, ...] = (
    keyed("password", _password, "password={v}", "passwd: {v}", "Password : {v}", "pwd={v}", "login failed pass={v} tries=3",
          "admin_passwd => {v}", "userPassword={v}", "spring.datasource.password={v}", "passphrase={v}"),
    keyed("password in the environment", _password, "PGPASSWORD={v} psql -h db", "export DB_PASSWORD={v}", "MYSQL_ROOT_PASSWORD={v}",
          "env: [REDIS_PASSWORD={v}]", "SMTP_PASS={v}", "KEYSTORE_PASSPHRASE={v}"),
    keyed("password in JSON", _with_quotes, '{"user":"app","password":"{j}","port":5432}', '{"smtp": {"passwd" : "{j}"}}',
          '{"dbPassword":"{j}"}', '[{"name":"DB_PASSWORD","value":"{j}"}]'),
    keyed("password in quotes", _spaced, 'password="{v}" host=db', "password = '{v}'", "db_password: '{v}'", "{'password': '{v}', 'port': 1}",
          'conn(user="app", password="{v}")'),
    keyed("password as an argument", _password, "mytool --password {v} --verbose", "mytool --password={v} run", 'args: ["--db-password","{j}"]',
          "['redis-cli', '-a', 'x', '--pass', '{v}']", "sshpass -p {v} ssh host", "curl -u deploy:{v} https://h/", "curl --user deploy:{v} https://h/"),
    keyed("password in SQL", _password, "ALTER ROLE app WITH PASSWORD '{v}'", "create user app identified by '{v}'",
          "CREATE USER MAPPING FOR app OPTIONS (user 'x', password '{v}')", "SET PASSWORD FOR app = '{v}'"),
    keyed("password in a sentence", _password, "the password is {v}", "new password was set to {v}", "wrong password '{v}' for user bob",
          'password "{v}" is too short'),
    keyed("netrc", _password, "machine git.example.com login bot password {v}", "machine h\n  login bot\n  password {v}"),
    keyed("API key", _token, "X-Api-Key: {v}", "api_key={v}", "apiKey: {v}", '{"apikey":"{j}"}', "API-KEY={v}", "GET /v1?api_key={u}&page=2",
          "DD_API_KEY={v}", "STRIPE_KEY={v}", "using key api-key '{v}'", "ENCRYPTION_KEY={v}", "master_key={v}"),
    keyed("client secret", _token, "client_secret={u}&grant_type=client_credentials", '{"clientSecret": "{j}"}', "OAUTH_CLIENT_SECRET={v}",
          "app-secret: {v}", "secret={v}", "SECRET_KEY_BASE={v}", "shared_secret={v}"),
    keyed("token", _token, "access_token={u}", '{"refresh_token":"{j}","expires_in":3600}', "auth_token: {v}", "VAULT_TOKEN={v}",
          "X-Auth-Token: {v}", "token={v}", "id_token={v}", "X-CSRF-Token: {v}", "csrfToken={v}", "bot_token='{v}'", "--token {v}"),
    keyed("bearer header", _token, "Authorization: Bearer {v}", "authorization=Bearer {v}", '"Authorization": "Bearer {v}"',
          "headers={'Authorization': 'Bearer {v}'}", 'curl -H "Authorization: Bearer {v}" https://h', "Proxy-Authorization: bearer {v}"),
    keyed("basic header", _basic, "Authorization: Basic {v}", '{"authorization":"Basic {v}"}', "proxy-authorization: basic {v}"),
    keyed("other header", _token, "Authorization: Token token={v}", "Authorization: ApiKey {v}", "Authorization: GenieKey {v}",
          "Authorization: token {v}", 'Authorization: Digest username="x", response="{v}"', "X-Amz-Security-Token: {v}", "PRIVATE-TOKEN: {v}"),
    keyed("cookie", run_of(BASE64URL, 40), "Cookie: sessionid={v}; theme=dark", "Set-Cookie: sid={v}; HttpOnly; Path=/",
          "cookie: _app_session={v}", "JSESSIONID={v}", "PHPSESSID={v}", "connect.sid={v}", "session_id={v}"),
    keyed("address with a password", _in_address, "postgresql://app:{v}@db.internal:5432/main", "redis://:{v}@cache:6379/0",
          "amqp://guest:{v}@mq/vhost", "mongodb+srv://svc:{v}@c0.mongodb.net/x?retryWrites=true", "https://bot:{v}@git.example.com/r.git",
          "smtp://mailer:{v}@mail:587", "could not connect to mysql://root:{v}@10.0.0.4/app: timed out"),
    keyed("address with an unescaped password", _unescaped, "redis://default:{v}@cache:6379/0", "postgres://app:{v}@db:5432/main",
          "dial amqp://u:{v}@mq.svc.local:5672 failed", "clickhouse://default:{v}@ch:9000/default"),
    keyed("libpq string", _password, "host=db port=5432 user=app password={v} dbname=main sslmode=require",
          "dsn: user=app password='{v}' host=/run"),
    keyed("ADO string", _password, "Server=tcp:db,1433;User ID=app;Password={v};Encrypt=True", "Data Source=x;Uid=sa;Pwd={v};",
          "jdbc:mysql://h:3306/d?user=app&password={u}&useSSL=true", "jdbc:sqlserver://h;user=sa;password={v};"),
    keyed("storage key", run_of(BASE64, 86), "DefaultEndpointsProtocol=https;AccountName=x;AccountKey={v}==;EndpointSuffix=core.windows.net",
          "Endpoint=sb://x/;SharedAccessKeyName=Root;SharedAccessKey={v}==", "AZURE_STORAGE_KEY={v}=="),
    keyed("signed address", run_of(HEX, 64), "https://b.s3.amazonaws.com/o?X-Amz-Credential=x&X-Amz-Signature={v}&y=1",
          "https://x.blob.core.windows.net/c?sv=2022&sig={v}", "https://storage.googleapis.com/b/o?X-Goog-Signature={v}",
          "https://h/cb?code=1&token={v}#top"),
    keyed("AWS secret key", run_of(BASE64, 40), "aws_secret_access_key = {v}", "AWS_SECRET_ACCESS_KEY={v}", '{"SecretAccessKey":"{v}"}',
          "AWS_SESSION_TOKEN={v}", "secretKey: {v}"),
    keyed("registry credential", _basic, '{"auths":{"images.example.com":{"auth":"{v}"}}}', "//npm.example.com/:_auth={v}", ".dockerconfigjson: {v}"),
    keyed("private key in JSON", _pem_body, '{"type":"service_account","private_key":"-----BEGIN PRIVATE KEY-----\\n{j}\\n-----END PRIVATE KEY-----\\n"}'),
    keyed("signing secret", _token, "webhook_secret={v}", "SLACK_SIGNING_SECRET={v}", "hmac_key={v}", "X-Hub-Signature-256: sha256={v}",
          "jwt_secret: {v}", "COOKIE_SECRET={v}", "salt={v}"),
    keyed("one-time code", lambda rng: f"{rng.randint(0, 999999):06}", "otp={v}", "verification_code: {v}", "mfa_code={v}", "PIN: {v}"),
    keyed("credential", _password, "credentials={v}", "credential: '{v}'", "db_creds={v}", "auth={v}", "login.secret={v}"),
)  # fmt: skip

SHAPED: tuple[Kind, ...] = (
    shaped("PEM", _pem_body, "-----BEGIN RSA PRIVATE KEY-----\n{v}\n-----END RSA PRIVATE KEY-----", "-----BEGIN OPENSSH PRIVATE KEY-----\n{v}\n-----END OPENSSH PRIVATE KEY-----",
           "tls.key: |\n-----BEGIN EC PRIVATE KEY-----\n{v}\n-----END EC PRIVATE KEY-----", "-----BEGIN ENCRYPTED PRIVATE KEY-----\n{v}"),
    shaped("JWT", _jwt, "got {v}", "invalid jwt {v} (expired)", "sub={v}", "wss://h/s?t={v}"),
    shaped("AWS key id", one_of(run_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16, "AKIA"), run_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16, "ASIA")),
           "user {v} denied", "Credential={v}/20261130/eu-west-1/s3/aws4_request", "key id {v}"),
    shaped("Google key", run_of(BASE64URL, 35, "AIza"), "maps?k={v}", "found {v} in config", "({v})"),
    shaped("Google token", run_of(BASE64URL, 60, "ya29."), "got {v}", "creds {v} expired"),
    shaped("GitHub token", one_of(*(run_of(ALNUM, 36, it) for it in ("ghp_", "gho_", "ghu_", "ghs_", "ghr_")), run_of(ALNUM + "_", 82, "github_pat_")),
           "clone with {v} failed", "remote: {v}", '"{v}"'),
    shaped("GitLab token", one_of(run_of(BASE64URL, 20, "glpat-"), run_of(BASE64URL, 20, "glrt-"), run_of(BASE64URL, 20, "gldt-")), "runner {v} gone", "push as {v}"),
    shaped("Slack token", lambda rng: f"xox{rng.choice('bapr')}-{rng.randint(10**10, 10**11)}-{rng.randint(10**10, 10**11)}-{run_of(ALNUM, 24)(rng)}",
           "slack said invalid_auth to {v}", "<{v}>"),
    shaped("Slack app token", lambda rng: f"xapp-1-A{run_of(LOWER.upper(), 10)(rng)}-{rng.randint(10**12, 10**13)}-{run_of(HEX, 64)(rng)}", "socket mode {v}"),
    shaped("Slack hook", lambda rng: f"T{run_of(LOWER.upper(), 9)(rng)}/B{run_of(LOWER.upper(), 9)(rng)}/{run_of(ALNUM, 24)(rng)}",
           "POST https://hooks.slack.com/services/{v} 404", "slack_url=https://hooks.slack.com/services/{v}"),
    shaped("Discord hook", lambda rng: f"{rng.randint(10**17, 10**18)}/{run_of(BASE64URL, 68)(rng)}", "POST https://discord.com/api/webhooks/{v} 404"),
    shaped("Teams hook", lambda rng: f"{run_of(HEX, 32)(rng)}/{run_of(HEX, 8)(rng)}-{run_of(HEX, 4)(rng)}", "https://x.webhook.office.com/webhookb2/u@t/IncomingWebhook/{v}"),
    shaped("Stripe key", one_of(*(run_of(ALNUM, 24, it) for it in ("sk_live_", "rk_live_", "sk_test_")), run_of(ALNUM, 32, "whsec_")), "No such key: {v}", "Invalid API Key provided: {v}"),
    shaped("SendGrid key", lambda rng: f"SG.{run_of(BASE64URL, 22)(rng)}.{run_of(BASE64URL, 43)(rng)}", "mail by {v}"),
    shaped("Twilio key", run_of(HEX, 32, "SK"), "twilio {v} rejected"),
    shaped("Mailgun key", run_of(HEX, 32, "key-"), "mailgun {v}"),
    shaped("OpenAI key", one_of(run_of(BASE64URL, 60, "sk-proj-"), run_of(ALNUM, 48, "sk-"), run_of(BASE64URL, 90, "sk-ant-api03-")),
           "Incorrect API key provided: {v}.", "openai {v}"),
    shaped("package token", one_of(run_of(ALNUM, 36, "npm_"), run_of(BASE64URL, 120, "pypi-AgEIcHlwaS5vcmc"), run_of(HEX, 48, "rubygems_")), "publish with {v}"),
    shaped("Telegram token", lambda rng: f"{rng.randint(10**8, 10**10)}:AA{run_of(BASE64URL, 33)(rng)}", "https://api.telegram.org/bot{v}/sendMessage", "bot {v} down"),
    shaped("Vault token", one_of(run_of(BASE64URL, 90, "hvs."), run_of(BASE64URL, 90, "hvb.")), "lookup {v}"),
    shaped("cloud token", one_of(run_of(HEX, 64, "dop_v1_"), run_of(HEX, 32, "dapi"), run_of(HEX, 32, "shpat_"), run_of(HEX, 40, "pul-"),
                                 run_of(BASE64URL, 40, "dckr_pat_"), run_of(ALNUM, 27, "NRAK-"), run_of(BASE64URL, 40, "glc_")), "rejected {v}", "by {v} at 5"),
    shaped("Grafana token", lambda rng: f"glsa_{run_of(ALNUM, 32)(rng)}_{run_of(HEX, 8)(rng)}", "grafana {v} 401"),
    shaped("Sentry address", run_of(HEX, 32), "https://{v}@o12345.ingest.sentry.io/678", "dsn https://{v}@sentry.example.com/2"),
    shaped("Sentry token", one_of(run_of(BASE64, 80, "sntrys_eyJ"), run_of(HEX, 64, "sntryu_")), "upload with {v}"),
    shaped("age key", run_of("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58, "AGE-SECRET-KEY-1"), "{v}"),
    shaped("crypt hash", lambda rng: f"$2b$12${run_of(ALNUM + './', 53)(rng)}", "row ({v})", "root:{v}:19000:0"),
)  # fmt: skip
