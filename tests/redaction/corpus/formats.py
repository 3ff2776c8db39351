"""The same values in the formats of other languages and programs: a second set, also written before its rules."""

from __future__ import annotations

from dataclasses import replace

from tests.redaction.corpus.kind import Kind
from tests.redaction.corpus.people import PERSONAL
from tests.redaction.corpus.secrets import KEYED

_BY_NAME: dict[str, Kind] = {it.name: it for it in (*KEYED, *PERSONAL)}


def _also(name: str, of: str, *shapes: str) -> Kind:
    return replace(_BY_NAME[of], name=name, shapes=shapes)


FORMATS: tuple[Kind, ...] = (
    _also("dumps of objects", "password", "{User:app Password:{v} Host:db}", "Config(password={v}, user=app)", "&main.Config{Password:\"{v}\", Port:5432}", "#<Config @password=\"{v}\", @port=1>",
          "Config { user: \"app\", password: \"{v}\" }", "Config{user=app, password={v}}", "<Config password='{v}' port=1>", "namespace(user='app', password='{v}')"),
    _also("Ruby and PHP", "password", 'Parameters: {"user"=>{"password"=>"{v}"}}', "{:password=>\"{v}\", :port=>1}", "{password: \"{v}\"}", "[\"password\"]=> string(9) \"{v}\"", "[password] => {v}", "'password' => '{v}',"),
    _also("configuration files", "password", "[db]\npassword = {v}\nport = 1", "password = \"{v}\"", "db.password={v}", "spring:\n  datasource:\n    password: {v}\n    username: app", "requirepass {v}", "masterauth {v}",
          "bindpw: {v}", "bind_password {v}", "ansible_password={v}", "user app; password {v};", "sasl.jaas.config=ScramLoginModule required username=\"u\" password=\"{v}\";", "DB_PASS={v}", "db_pass: {v}"),
    _also("XML", "password", "<password>{v}</password>", '<user name="app" password="{v}"/>', "<db:Password type=\"x\">{v}</db:Password>", '<property name="password" value="{v}"/>', '<add key="DbPassword" value="{v}"/>'),
    _also("commands", "password", "docker run -e DB_PASSWORD={v} app", "docker login -u bot -p {v} ghcr.io", "mysql -u root -p{v} shop", "redis-cli -a {v} ping", "kubectl create secret generic x --from-literal=password={v}",
          "helm upgrade x --set db.password={v}", "wget --password={v} https://h", "ansible-playbook -e ansible_ssh_pass={v}", "openssl rsa -passin pass:{v}", "pg_dump \"dbname=x password={v}\"", "htpasswd -b f user --password {v}"),
    _also("forms", "password", "username=app&password={u}&x=1", 'Content-Disposition: form-data; name="password"\n\n{v}\n--b', '{"query":"mutation","variables":{"input":{"password":"{j}"}}}', "POST body: username=a&new_password={u}"),
    _also("Redis and others", "password", "AUTH {v}", "AUTH default {v}", "HELLO 3 AUTH default {v}", "CONFIG SET requirepass {v}", "ACL SETUSER app on >{v} ~*", "PASS {v}", "USER app\nPASS {v}"),
    _also("headers of vendors", "token", "x-goog-api-key: {v}", "Ocp-Apim-Subscription-Key: {v}", "X-Vault-Token: {v}", "DD-API-KEY: {v}", "X-Shopify-Access-Token: {v}", "api-key: {v}", "X-Auth-Key: {v}", "Authorization: Key {v}",
          "proxy_set_header Authorization \"Bearer {v}\";", "X-Gitlab-Token: {v}", "apikey: {v}", "X-Api-Token={v}", "Sec-WebSocket-Protocol: access_token, {v}"),
    _also("tokens in code and queries", "token", "https://h/?apikey={u}", "https://h/?key={u}&q=x", "wss://h/?auth={u}", "token => '{v}'", "accessToken={v},", "\"accessToken\": \"{j}\"", "_authToken={v}", "gitlab-ci-token:{v}@h",
          "setToken('{v}')", "token \"{v}\" has expired", "got invalid token: {v}", "refreshToken:{v}", "NPM_TOKEN={v}", "SECRET_KEY = '{v}'", "AccessKeySecret={v}", "consumer_secret={v}", "signingKey: {v}", "private_token={v}"),
    _also("old drivers", "address with a password", "jdbc:oracle:thin:app/{v}@db:1521:x", "mssql+pyodbc://sa:{v}@db/x", "ftp://u:{v}@h/f", "ldap://cn=admin:{v}@ldap:389", "sftp://u:{v}@h", "nats://u:{v}@n:4222", "snowflake://u:{v}@acc/db", "socks5://u:{v}@p:1080"),
    _also("names in dumps", "patient's name", "Patient(name='{v}', id=3)", "{PatientName:{v} Age:3}", '{"patient":{"name":"{j}"}}', '{"patient": {"fullName": "{j}"}}', "patientName={v}", "<PatientName>{v}</PatientName>", "patient.name={v}", "name_of_patient: {v}"),
    _also("e-mail elsewhere", "e-mail", "To: {v}", "email => {v}", "user({v})", "{Email:{v} Age:3}", "rcpt to:<{v}>", "key (email)=({v}) already exists", "/users/{u}/orders", "session:{v}:cart"),
    _also("births elsewhere", "date of birth", "{DateOfBirth:{v} Sex:F}", "<birthDate>{v}</birthDate>", "birth_date => '{v}'", "DOB {v}", "dateOfBirth={v}", '"dob" : "{j}"', "patient born on {v}"),
    _also("numbers elsewhere", "SSN with a keyword", "{SSN:{v} Age:3}", "<ssn>{v}</ssn>", "ssn => {v}", "key (ssn)=({v}) already exists", "social_security_number: {v}", "SSN# {v}", "socialSecurity={v}"),
    _also("records elsewhere", "record number", "key (mrn)=({v}) already exists", "{MRN:{v}}", "<mrn>{v}</mrn>", "GET /patients/mrn/{v}", "Mrn='{v}'", "medical_record_number={v}", "patientId={v}", "PatientID: {v}", "for patient_id {v}"),
    _also("cards elsewhere", "card number", "key (card)=({v}) already exists", "{CardNumber:{v}}", "<pan>{v}</pan>", "ccnum={v}", "visa {v}", "card_number => '{v}'"),
    _also("phones elsewhere", "phone, American", "key (phone)=({v}) already exists", "{Phone:{v}}", "<phone>{v}</phone>", "From: {v}", "caller {v} hung up", "PhoneNumber='{v}'", "to_number: {v}"),
    _also("members elsewhere", "member number", "{MemberID:{v}}", "<memberId>{v}</memberId>", "memberId={v}", "member # {v}", "subscriber id {v}", "policy_no={v}", "insurancePolicyNumber: {v}"),
)  # fmt: skip
