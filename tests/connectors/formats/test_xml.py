"""XML that attacks or lies is refused with a code, soon, and opens nothing."""

from __future__ import annotations

import socket
import sys
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from bondmate_connectors.formats.xml import (
    XML_CODES,
    XmlRefused,
    attributes,
    legal_text,
    name_of,
    parse_xml,
    text_of,
    written,
)
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

SOON_SECONDS, MEMORY_BYTES = 1.0, 32 << 20  # attacks answered in 50 ms on a quiet machine; CI's are not quiet
XI = 'xmlns:xi="http://www.w3.org/2001/XInclude"'
LAUGHS = "<!DOCTYPE a [<!ENTITY x0 'ha'>" + "".join(
    f"<!ENTITY x{n} '{f'&x{n - 1};' * 10}'>" for n in range(1, 10)
) + "]><a>&x9;</a>"  # fmt: skip

ATTACKS = {
    "external entity, file": ("xml_doctype", b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'),
    "external entity, http": ("xml_doctype", b'<!DOCTYPE a [<!ENTITY x SYSTEM "http://127.0.0.1:9/x">]><a>&x;</a>'),
    "parameter entity": ("xml_doctype", b'<!DOCTYPE a [<!ENTITY % x SYSTEM "http://127.0.0.1:9/x"> %x;]><a/>'),
    "billion laughs": ("xml_doctype", LAUGHS.encode()),
    "quadratic": ("xml_doctype", b"<!DOCTYPE a [<!ENTITY x '" + b"x" * 100_000 + b"'>]><a>" + b"&x;" * 100_000 + b"</a>"),
    "harmless doctype": ("xml_doctype", b"<!DOCTYPE a><a/>"),
    "doctype after comments": ("xml_doctype", b'<?xml version="1.0"?><!-- <a> --><?p <a> ?>\n<!DOCTYPE a><a/>'),
    "doctype in small letters": ("xml_doctype", b"<!doctype a><a/>"),
    "doctype in UTF-16, with mark": ("xml_doctype", "<!DOCTYPE a><a/>".encode("utf-16")),
    "doctype in UTF-16, without mark": ("xml_doctype", "<!DOCTYPE a><a/>".encode("utf-16-be")),
    "doctype in UTF-32": ("xml_doctype", "<!DOCTYPE a><a/>".encode("utf-32")),
    "doctype in UTF-7": ("xml_encoding", b'<?xml version="1.0" encoding="UTF-7"?>+ADwAIQ-DOCTYPE a+AD4-<a/>'),
    "EBCDIC": ("xml_encoding", '<?xml version="1.0" encoding="cp037"?><a/>'.encode("cp037")),
    "says UTF-16, is UTF-8": ("xml_encoding", b'<?xml version="1.0" encoding="UTF-16"?><a/>'),
    "says UTF-8, is UTF-16": ("xml_encoding", '<?xml version="1.0" encoding="UTF-8"?><a/>'.encode("utf-16")),
    "says Latin-1, has the mark of UTF-8": ("xml_encoding", b'\xef\xbb\xbf<?xml version="1.0" encoding="ISO-8859-1"?><a/>'),
    "says UTF-8, is Latin-1": ("xml_encoding", '<?xml version="1.0" encoding="UTF-8"?><a>é</a>'.encode("latin-1")),
    "says nothing, is Latin-1": ("xml_encoding", "<a>é</a>".encode("latin-1")),
    "unknown encoding": ("xml_encoding", b'<?xml version="1.0" encoding="klingon"?><a/>'),
    "codec that is no encoding": ("xml_encoding", b'<?xml version="1.0" encoding="zlib"?><a/>'),
    "declaration out of sight": ("xml_malformed", b'<?xml version="1.0"' + b" " * 5000 + b'encoding="UTF-7"?><a/>'),
    "50 MB": ("xml_too_large", b"<a>" + b"x" * 50_000_000 + b"</a>"),
    "10,000 deep": ("xml_too_deep", b"<a>" * 10_000 + b"</a>" * 10_000),
    "10,000 deep, unclosed": ("xml_too_deep", b"<a>" * 10_000),
    "101 deep": ("xml_too_deep", b"<a>" * 101 + b"</a>" * 101),
    "101 deep, the last empty": ("xml_too_deep", b"<a>" * 100 + b"<a/>" + b"</a>" * 100),
    "XInclude": ("xml_xinclude", f'<a {XI}><xi:include href="file:///etc/passwd" parse="text"/></a>'.encode()),
    "XInclude, spelled oddly": ("xml_xinclude", b'<a><x:y xmlns:x="http://www.w3.org/2001/XIncl&#117;de"/></a>'),
    "undefined entity": ("xml_malformed", b"<a>&nbsp;</a>"),
    "a million comments": ("xml_malformed", b"<!---->" * 1_000_000 + b"<a/>"),
    "unclosed comment": ("xml_malformed", b"<!--" * 1_000_000),
    "two roots": ("xml_malformed", b"<a/><b/>"),
    "nul": ("xml_malformed", b"<a>\0</a>"),
    "nothing": ("xml_malformed", b""),
}  # fmt: skip

_opened: list[str] = []
_watching = False


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if _watching and (event == "open" or event.startswith("socket.")):
        _opened.append(f"{event} {arguments[:1]}")


sys.addaudithook(_watch)


@pytest.mark.parametrize("attack", ATTACKS)
def test_attack_is_refused_soon_without_opening_anything(attack):
    global _watching  # noqa: PLW0603  # an audit hook cannot be taken away again
    code, data = ATTACKS[attack]
    with pytest.raises(XmlRefused):  # once before, so that Python has loaded what it decodes with
        parse_xml(data)
    tracemalloc.start()
    started = time.perf_counter()
    _opened.clear()
    _watching = True
    try:
        with pytest.raises(XmlRefused) as refused:
            parse_xml(data)
    finally:
        _watching = False
        seconds, (_, peak) = time.perf_counter() - started, tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert code == refused.value.code
    assert code in XML_CODES
    assert [] == _opened
    assert seconds < SOON_SECONDS
    assert peak < MEMORY_BYTES


def test_the_watch_sees_files_and_sockets(tmp_path):
    global _watching  # noqa: PLW0603
    _opened.clear()
    _watching = True
    try:
        (tmp_path / "x").write_text("")
        socket.socket().close()
    finally:
        _watching = False

    assert 2 <= len(_opened)


def test_a_remote_schema_location_is_only_an_attribute():
    xsi = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:x http://127.0.0.1:9/x.xsd"'

    assert "a" == parse_xml(f"<a {xsi}/>".encode()).tag


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "iso-8859-1", "windows-1252", "gb18030"]
)
def test_honest_encodings_are_read(encoding):
    name = encoding.removesuffix("-sig")
    data = f"<?xml version='1.0' encoding='{name}' standalone='yes'?>\n<a>é</a>".encode(encoding)

    assert "é" == text_of(parse_xml(data))


def test_a_doctype_in_a_text_is_a_text():
    assert "<!DOCTYPE a>" == text_of(parse_xml(b"<a><![CDATA[<!DOCTYPE a>]]></a>"))


def test_a_comment_does_not_cut_a_text_off():
    assert "safe.example" == text_of(parse_xml(b"<a>safe<!-- -->.<?p?>example<b>not</b></a>"))


@given(st.binary(max_size=400))
def test_any_bytes_are_parsed_or_refused(data):
    with suppress(XmlRefused):
        parse_xml(data)


@given(st.text(alphabet=st.characters(codec=None)))
def test_legal_text_can_be_written(text):
    assert "\0" not in legal_text(text)
    parse_xml(f"<a>{legal_text(text).replace('&', '').replace('<', '')}</a>".encode())


@given(st.text(alphabet=st.characters(codec=None), min_size=1), st.text(alphabet=st.characters(codec=None)))
def test_what_is_written_is_what_lxml_writes(text, value):
    element = etree.Element("a", b=legal_text(value))
    element.text = legal_text(text)

    assert etree.tostring(element, encoding="utf-8") == f"<a{attributes({'b': value, 'c': None})}>{written(text)}</a>".encode()  # fmt: skip


@pytest.mark.parametrize("namespace", ["", "urn:x"])
def test_a_name_is_cut_as_lxml_cuts_it(namespace):
    element = parse_xml(f'<a xmlns="{namespace}"/>'.encode())

    assert (namespace, "a") == name_of(element)
    assert (etree.QName(element).namespace or "", etree.QName(element).localname) == name_of(element)


def test_ever_new_names_from_a_stranger_leave_good_documents_readable():
    def attack() -> None:
        for number in range(40):
            names = (f"n{number}.{at}{'x' * 40_000}" for at in range(240))
            parse_xml(f"<a>{''.join(f'<{name}/>' for name in names)}</a>".encode())

    def both() -> str:
        # The names of a thread are its own: they go with it.
        attack()
        return parse_xml(b"<never_seen_before><nor_this>well</nor_this></never_seen_before>")[0].text

    with ThreadPoolExecutor(max_workers=1) as thread:
        assert "well" == thread.submit(both).result()
