"""Our tables of the schemas against the published ones: the same documents are valid, whatever is done to them."""

from __future__ import annotations

import copy
import random
from pathlib import Path

import pytest
from bondmate_connectors.formats.cap import codes
from bondmate_connectors.formats.cap.soundness import is_sound
from bondmate_connectors.formats.cap.structure import SCHEMAS, breaches
from bondmate_connectors.formats.xml import XmlRefused, namespace_of, parse_xml
from lxml import etree

SEED, MUTANTS = 20260301, 8
FILES = {codes.CAP_10: "cap10.xsd", codes.CAP_11: "CAP-v1.1.xsd", codes.CAP_12: "CAP-v1.2.xsd"}
TEXTS = ["", " ", "Actual", "alert", "Alert ", "Very Likely", "Observed", "2020-01-01T00:00:00Z", "2020-01-01T00:00:00-00:00",
         "2020-02-30T00:00:00-00:00", "2020-01-01T00:00:00.5+01:00", "2020-01-01T00:00:00", "en_US", "en-US", "12", "1.5", "x"]  # fmt: skip


@pytest.fixture(scope="module")
def schemas(corpus: Path):
    return {namespace: etree.XMLSchema(etree.parse(corpus / "cap/schema" / file)) for namespace, file in FILES.items()}


@pytest.fixture(scope="module")
def alerts(corpus: Path):
    found = []
    for path in sorted((corpus / "cap/alerts").rglob("*.*")):
        try:
            root = parse_xml(path.read_bytes())
        except XmlRefused:
            continue
        found += [alone(alert) for alert in list(root.iter(*(f"{{{ns}}}alert" for ns in SCHEMAS)))[:3]]
    assert len(found) > 40
    return found


def alone(alert):
    return etree.fromstring(etree.tostring(alert, with_tail=False))


def as_version(alert, namespace):
    return etree.fromstring(etree.tostring(alert).replace(namespace_of(alert).encode(), namespace.encode()))


@pytest.mark.parametrize("namespace", sorted(FILES))
def test_recorded_alerts_are_judged_as_by_the_published_schema(schemas, alerts, namespace):
    """Each alert as it is, and as if it were of every other version."""
    for alert in alerts:
        one = as_version(alert, namespace)

        assert schemas[namespace].validate(one) == (not list(breaches(one, "alert"))), schemas[namespace].error_log


@pytest.mark.parametrize("namespace", sorted(FILES))
def test_changed_alerts_are_judged_as_by_the_published_schema(schemas, alerts, namespace):
    chance = random.Random(SEED)
    verdicts = set()
    for alert in alerts:
        for _ in range(MUTANTS):
            one = as_version(alert, namespace)
            change(one, chance)
            verdict = schemas[namespace].validate(one)
            verdicts.add(verdict)
            text = etree.tostring(one).decode()

            assert verdict == (not list(breaches(one, "alert"))), (schemas[namespace].error_log, text)
            # The quick look is never more lenient; where it is stricter, the tables decide.
            assert verdict or not is_sound(one), text
    assert {True, False} == verdicts


def change(alert, chance):
    elements = [each for each in alert.iter() if each is not alert and namespace_of(each) != codes.XMLDSIG]
    one = chance.choice(elements)
    match chance.randrange(7):
        case 0:
            one.getparent().remove(one)
        case 1:
            one.addnext(copy.deepcopy(one))
        case 2 if one.getnext() is not None:
            one.getnext().addnext(one)
        case 3:
            one.tag = chance.choice([chance.choice(elements).tag, "{urn:x}y", "z"])
        case 4:
            one.set(chance.choice(["a", "{urn:x}b"]), "c")
        case 5:
            one.append(etree.Element(chance.choice(elements).tag))
        case _ if one.tag.rpartition("}")[2] not in {"web", "uri"}:  # libxml2's idea of a URI is its own
            one.text = chance.choice(TEXTS)


def test_remarks_name_the_place_and_never_a_value():
    alert = parse_xml(
        b'<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><sender>s</sender><identifier>SECRET</identifier>'
        b"<sent>2020-01-01T00:00:00-00:00</sent><status>SECRET</status><msgType>Alert</msgType><scope>Public</scope>"
        b"<info><SECRET/></info></alert>"
    )
    remarks = list(breaches(alert, "alert"))

    assert ("cap_order", "alert/identifier") in {(remark.code, remark.path) for remark in remarks}
    assert ("cap_value", "alert/status") in {(remark.code, remark.path) for remark in remarks}
    assert "SECRET" not in str(remarks)
