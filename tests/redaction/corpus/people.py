"""Personal data of patients and others, in wordings of our own: written without a look at the rules."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random

from tests.redaction.corpus.kind import LOWER, Kind, one_of, personal, prose, run_of

_GIVEN = ("Maria", "Andrei", "Elena", "Gheorghe", "John", "Aisha", "Wei", "Søren", "Ioana", "Björn", "Priya", "Carlos")
_FAMILY = (
    "Popescu",
    "Ionescu",
    "O'Connor",
    "Nguyen",
    "Smith-Jones",
    "Müller",
    "Ștefănescu",
    "Garcia",
    "Okafor",
    "Kowalski",
)
_STREETS = ("Maple", "Oak Ridge", "Washington", "St. James", "Elm", "Sunset", "Lake View", "Martin Luther King")


def _name(rng: Random) -> str:
    return f"{rng.choice(_GIVEN)} {rng.choice(_FAMILY)}"


def _turned(rng: Random) -> str:
    return f"{rng.choice(_FAMILY)}, {rng.choice(_GIVEN)}"


def _mail(rng: Random) -> str:
    user = rng.choice(("{0}.{1}", "{0}_{1}", "{0}+tag{1}", "{0}{1}", "{0}-{1}.x")).format(
        rng.choice(("ana", "jon", "m")), rng.randint(1, 9999)
    )
    return f"{user}@{rng.choice(('gmail.com', 'mail.example.co.uk', 'clinic.health', 'yahoo.ro', 'sub.domain.museum'))}"


def _american(rng: Random) -> str:
    area, office, line = rng.randint(201, 989), rng.randint(201, 989), rng.randint(0, 9999)
    return rng.choice(
        (
            "({0}) {1}-{2:04}",
            "{0}-{1}-{2:04}",
            "{0}.{1}.{2:04}",
            "+1 {0} {1} {2:04}",
            "+1{0}{1}{2:04}",
            "1-{0}-{1}-{2:04}",
        )
    ).format(area, office, line)


def _european(rng: Random) -> str:
    tail = [f"{rng.randint(0, 999):03}" for _ in range(3)]
    return rng.choice(("+40 7{0} {1} {2}", "+407{0}{1}{2}", "+44 20 7{0} {1}1", "+49 30 {0}{1}", "+33 6 12 34 56 {0}", "07{0}.{1}.{2}", "07{0}-{1}-{2}", "07{0} {1} {2}"))\
        .format(tail[0][:2], tail[1], tail[2])  # fmt: skip


def _ten_digits(rng: Random) -> str:
    return rng.choice((f"07{rng.randint(20_000_000, 99_999_999)}", f"{rng.randint(201_200_0000, 989_999_9999)}"))


def _ssn(rng: Random) -> str:
    area = rng.choice([*range(1, 666), *range(667, 900)])
    return f"{area:03}-{rng.randint(1, 99):02}-{rng.randint(1, 9999):04}"


def _bare_ssn(rng: Random) -> str:
    return _ssn(rng).replace("-", rng.choice(("", " ", "-")))


def _luhn(digits: str) -> str:
    double = [int(it) * 2 for it in digits[::-1][::2]]
    total = sum(it - 9 if it > 9 else it for it in double) + sum(int(it) for it in digits[::-1][1::2])
    return digits + str(-total % 10)


def _card(rng: Random) -> str:
    prefix, length = rng.choice((("4", 16), ("51", 16), ("2221", 16), ("37", 15), ("6011", 16), ("35", 16), ("36", 14)))
    number = _luhn(prefix + "".join(rng.choices("0123456789", k=length - 1 - len(prefix))))
    separator = rng.choice(("", "", " ", "-"))
    sizes = {15: (4, 6, 5), 14: (4, 6, 4)}.get(length, (4, 4, 4, 4))
    starts = [sum(sizes[:at]) for at in range(len(sizes))]
    return separator.join(number[start : start + size] for start, size in zip(starts, sizes, strict=True))


def _npi(rng: Random) -> str:
    """Ten digits; Luhn over 80840 before them (https://www.cms.gov/Regulations-and-Guidance/Administrative-Simplification/NationalProvIdentStand)."""
    return _luhn("80840" + rng.choice("12") + "".join(rng.choices("0123456789", k=8)))[5:]


def _iban(rng: Random) -> str:
    country, body = rng.choice((("RO", "BTRL" + "".join(rng.choices("0123456789", k=16))), ("DE", "".join(rng.choices("0123456789", k=18))),
                                ("GB", "NWBK" + "".join(rng.choices("0123456789", k=14)))))  # fmt: skip
    number = int("".join(str(int(it, 36)) for it in body + country + "00"))
    whole = f"{country}{98 - number % 97:02}{body}"
    return whole if rng.random() < 0.6 else " ".join(whole[at : at + 4] for at in range(0, len(whole), 4))


def _cnp(rng: Random) -> str:
    """Sex and century, date, county, number, check digit (https://ro.wikipedia.org/wiki/Cod_numeric_personal_(România))."""
    born = date(1930, 1, 1) + timedelta(days=rng.randint(0, 28_000))
    first = rng.choice("12" if born.year < 2000 else "56")
    digits = f"{first}{born:%y%m%d}{rng.choice([*range(1, 47), 51, 52]):02}{rng.randint(1, 999):03}"
    rest = sum(int(one) * int(weight) for one, weight in zip(digits, "279146358279", strict=True)) % 11
    return digits + str(1 if rest == 10 else rest)


def _born(rng: Random) -> str:
    born = date(1925, 1, 1) + timedelta(days=rng.randint(0, 36_000))
    return born.strftime(
        rng.choice(("%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%Y%m%d", "%d %B %Y", "%b %d, %Y", "%d-%b-%Y"))
    )


def _record(rng: Random) -> str:
    return rng.choice(("{0}", "MR{0}", "{0}-{1}", "A{0}", "{1}/{0}")).format(
        rng.randint(100_000, 99_999_999), rng.randint(10, 99)
    )


def _member(rng: Random) -> str:
    return rng.choice(("W", "XYZ", "H", "")) + str(rng.randint(10**7, 10**11)) + rng.choice(("", "-01", "A"))


def _mbi(rng: Random) -> str:
    """Medicare's identifier (https://www.cms.gov/medicare/new-medicare-card/understanding-the-mbi-with-format.pdf)."""
    letter, digit = "ACDEFGHJKMNPQRTUVWXY", "0123456789"
    sets = ("123456789", letter, letter + digit, digit, letter, letter + digit, digit, letter, letter, digit, digit)
    drawn = "".join(rng.choice(it) for it in sets)
    return drawn if rng.random() < 0.5 else f"{drawn[:4]}-{drawn[4:7]}-{drawn[7:]}"


def _street(rng: Random) -> str:
    kind = rng.choice(("Street", "St", "Avenue", "Ave.", "Road", "Blvd", "Lane", "Drive", "Court", "Way"))
    return f"{rng.randint(1, 9999)} {rng.choice(_STREETS)} {kind}" + rng.choice(("", "", ", Apt 4B", " #12"))


def _strada(rng: Random) -> str:
    way = rng.choice(
        (
            "Str. Lalelelor",
            "Strada Mihai Viteazul",
            "Bd. Unirii",
            "Calea Victoriei",
            "Aleea Trandafirilor",
            "B-dul Iuliu Maniu",
        )
    )
    return f"{way} nr. {rng.randint(1, 300)}" + rng.choice(("", ", bl. A4, ap. 12"))


PERSONAL: tuple[Kind, ...] = (
    personal("e-mail", _mail, "mail to {v} bounced", "user={v}", '{"email":"{j}"}', "<{v}>", "GET /users?email={u}", "mailto:{v}", "login of {v}: denied"),
    personal("phone, American", _american, "called {v} twice", "phone={v}", '{"mobile":"{j}"}', "SMS to {v} failed", "fax: {v}"),
    personal("phone, European", _european, "sms {v} undelivered", "phone: {v}", '{"contactPhone":"{j}"}', "tel:{v}"),
    personal("phone, ten digits with a keyword", _ten_digits, "phone={v}", '{"phone_number":"{v}"}', "mobile: {v}", "telefon: {v}", "sms to {v} failed"),
    personal("SSN", _ssn, "for {v} nothing found", "ssn={v}", "row (17, {v}, x)", '"{v}"'),
    personal("SSN with a keyword", _bare_ssn, "ssn={v}", "SSN: {v}", '{"socialSecurityNumber":"{v}"}', "social security number {v}", "patient_ssn: '{v}'", "tin={v}"),
    personal("record number", _record, "MRN: {v}", "mrn={v}", '{"medicalRecordNumber":"{j}"}', "medical record no. {v}", "patient_id={v}", '{"patientId":"{j}"}',
             "MRN#{v}", "patient id {v} not found", "chart number: {v}"),
    personal("provider number", _npi, "NPI {v}", "npi={v}", '{"npi":"{v}"}', "provider npi: {v}", "rendering_npi={v}"),
    personal("card number", _card, "card {v} declined", "pan={v}", '{"cardNumber":"{v}"}', "charge on {v} failed", "cc: {v}"),
    personal("card code and date", lambda rng: f"{rng.randint(200, 999)}", "cvv={v}", '{"cvc":"{v}"}', "security_code: {v}", "card_cvv2={v}"),
    personal("IBAN", _iban, "pay to {v} refused", "iban={v}", '{"iban":"{v}"}', "account {v}: closed"),
    personal("account number", lambda rng: str(rng.randint(10**7, 10**12)), "account_number={v}", '{"bankAccount":"{v}"}', "routing_number={v}", "acct no: {v}"),
    personal("CNP", _cnp, "for {v} nothing found", "cnp={v}", '{"cnp":"{v}"}', "CNP: {v}", "row ({v}, 3)"),
    personal("date of birth", _born, "dob={v}", "DOB: {v}", '{"birthDate":"{j}"}', "date of birth: {v}", "born {v}", '{"dateOfBirth": "{j}"}', "date_of_birth='{v}'", "data nasterii: {v}", "birthday={v}"),
    personal("patient's name", one_of(_name, _name, _turned), "patient: {v}", "patient_name='{v}'", '{"patientName":"{j}"}', "full_name=\"{v}\"", "pacient: {v}",
             "patient name = {v}", words=True),
    personal("name in fields", _name, '{"firstName":"{j}"}', "last_name='{v}'", '{"family":"{j}","given":["{j}"]}', 'surname: "{v}"', "insured_name: {v}", "emergency contact: {v}",
             "guardian: {v}", "nume: {v}", words=True),
    personal("member number", _member, "member_id={v}", '{"subscriberId":"{v}"}', "policy number: {v}", "insurance_id={v}", "health plan id: {v}", '{"policyNumber":"{v}"}', "group_number={v}",
             "medicaid id {v}", "beneficiary_id={v}"),
    personal("Medicare number", _mbi, "mbi={v}", "MBI: {v}", "medicare number {v}", '{"medicareId":"{v}"}', "coverage of {v} ended"),
    personal("passport and licence", lambda rng: run_of("ABCDEFGH", 2)(rng) + str(rng.randint(10**5, 10**8)), "passport={v}", '{"passportNumber":"{v}"}', "driver's license: {v}", "license_number={v}",
             "drivers_licence={v}", "passport no {v}"),
    personal("registration with an authority", lambda rng: run_of("ABFM", 1)(rng) + run_of("ABCDEFGHJK", 1)(rng) + str(rng.randint(10**6, 10**7 - 1)), "DEA: {v}", "dea_number={v}", "DEA# {v}"),
    personal("address", _street, "address: {v}", '{"street":"{j}"}', '{"addressLine1":"{j}"}', "address='{v}'", "lives at {v}", "ship to {v}", "home_address={v}"),
    personal("address, Romanian", _strada, "adresa: {v}", '{"address":"{j}"}', "locuieste pe {v}", "livrare: {v}"),
    personal("vehicle", run_of("ABCDEFGHJKLMNPRSTUVWXYZ0123456789", 17), "vin={v}", '{"vin":"{v}"}', "VIN: {v}"),
    personal("HL7", lambda rng: f"{rng.randint(10**6, 10**7)}^^^H^MR||{rng.choice(_FAMILY)}^{rng.choice(_GIVEN)}||{rng.randint(1930, 2019)}0101|F|||9 Elm St^^X^NY", "PID|1||{v}", "cannot parse: PID|||{v}"),
    personal("X12", lambda rng: f"{rng.choice(_FAMILY).upper()}*{rng.choice(_GIVEN).upper()}****MI*{run_of(LOWER.upper(), 10)(rng)}", "NM1*IL*1*{v}~", "segment NM1*QC*1*{v}~ refused"),
    personal("address of a person's machine", lambda rng: ".".join(str(rng.randint(11, 223)) for _ in range(4)), "patient_ip={v}", '{"userIp":"{v}"}', "patient device ip: {v}"),
)  # fmt: skip

# Why excerpts are off unless a rule asks for them.
PROSE: tuple[Kind, ...] = (
    prose("name in a sentence", _name, "Patient {v} not found", "{v} was discharged", "could not notify Dr. {v}", words=True),
    prose("nine bare digits", lambda rng: _ssn(rng).replace("-", ""), "for {v} nothing found", "row ({v}, 3)"),
    prose("ten bare digits", lambda rng: str(rng.randint(201_200_0000, 989_999_9999)), "no answer from {v}"),
)  # fmt: skip
