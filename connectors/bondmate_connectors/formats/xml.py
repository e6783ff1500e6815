"""XML from strangers: the one place where bytes become elements, and where hostile ones are refused; and XML to them.

What is parsed is never what was sent but its text, decoded here and given to libxml2 as UTF-8 without a declaration: so
the parser cannot see another document than the checks before it did.

| code | what it means |
|---|---|
| `xml_too_large` | more bytes than the bound |
| `xml_encoding` | unknown encoding, a declaration that lies, bytes that do not decode |
| `xml_doctype` | a DOCTYPE, whatever is in it |
| `xml_too_deep` | more nested elements than the bound |
| `xml_xinclude` | an element that would draw in another document; nobody sends one by chance |
| `xml_malformed` | not well-formed, or beyond libxml2's own limits |
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Final

from lxml import etree

XML_TOO_LARGE: Final = "xml_too_large"
XML_ENCODING: Final = "xml_encoding"
XML_DOCTYPE: Final = "xml_doctype"
XML_TOO_DEEP: Final = "xml_too_deep"
XML_XINCLUDE: Final = "xml_xinclude"
XML_MALFORMED: Final = "xml_malformed"
XML_CODES: Final = frozenset({XML_TOO_LARGE, XML_ENCODING, XML_DOCTYPE, XML_TOO_DEEP, XML_XINCLUDE, XML_MALFORMED})
"""Every code `XmlRefused` can carry."""

MAX_BYTES: Final = 10 * 1024 * 1024
MAX_DEPTH: Final = 100
_MAX_PROLOG_ITEMS: Final = 1000
_LONG_TEXT: Final = 6_000

_BOMS: Final = (
    # UTF-32's first: that of UTF-16 little endian is its beginning.
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_PATTERNS: Final = (
    # XML 1.0 appendix F: how `<` or `<?` looks in the families without a byte order mark.
    (b"<\0\0\0", "utf-32-le"),
    (b"\0\0\0<", "utf-32-be"),
    (b"<\0", "utf-16-le"),
    (b"\0<", "utf-16-be"),
)
_DECLARATION: Final = re.compile(
    r"""<\?xml\s+version\s*=\s*(?:"1\.[0-9]"|'1\.[0-9]')"""
    r"""(?:\s+encoding\s*=\s*(?:"([A-Za-z][\w.-]*)"|'([A-Za-z][\w.-]*)'))?"""
    r"""(?:\s+standalone\s*=\s*(?:"(?:yes|no)"|'(?:yes|no)'))?\s*\?>""",
    re.ASCII,
)
_DECLARATION_LENGTH: Final = 200
_USUAL_BEGINNING: Final = re.compile(
    r"""(?:<\?xml version=(?:"1\.0"|'1\.0') encoding=(?:"UTF-8"|'UTF-8')(?: standalone=(?:"yes"|'yes'))?\?>"""
    r"""[ \t\r\n]*)?(?=<\w)"""
)
"""A declaration that most senders write, or none, and nothing else before the first element: no DOCTYPE."""
_FAMILY: Final = {"utf-16": ("utf-16-le", "utf-16-be"), "utf-32": ("utf-32-le", "utf-32-be")}
_KNOWN: Final = re.compile(
    r"utf-?8|us-ascii|ascii|iso-?8859-?\d{1,2}|latin-?1|(windows-|cp)125\d|koi8-[ru]|gb2312|gbk|gb18030|big5|shift_jis|"
    r"euc-(jp|kr)|utf-?(16|32)(-?(le|be))?",
    re.IGNORECASE,
)
"""Names of encodings that senders use: not UTF-7 or EBCDIC, which hide markup, nor codecs that are no encoding."""
_UTF_8_BEGINNINGS: Final = (
    b"<?xml version='1.0' encoding='UTF-8'", b'<?xml version="1.0" encoding="UTF-8"',
    b"<?xml version='1.0' encoding='utf-8'", b'<?xml version="1.0" encoding="utf-8"', b"<event ", b"<alert ",
)  # fmt: skip
_new_parser: Final = partial(
    etree.XMLParser, encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False,
    attribute_defaults=False, huge_tree=False, remove_comments=True, remove_pis=True,
)  # fmt: skip
_PARSER: Final = _new_parser()
_XINCLUDES: Final = "{http://www.w3.org/2001/XInclude}*"


class XmlRefused(Exception):  # the name is the outcome
    """The bytes are not XML that we take; `code` is one of `XML_CODES`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def parse_xml(data: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> etree._Element:
    """Parse `data` and return the root element, comments and processing instructions left out.

    Nothing is opened: no DTD, no entity, no network, no XInclude, whatever the document asks for. A leading byte order
    mark and white space before the document are let pass.

    Raises:
        XmlRefused: with the code; the same bytes will always be refused.
    """
    if len(data) > max_bytes:
        raise XmlRefused(XML_TOO_LARGE)
    text = _decode(data)
    usual = _USUAL_BEGINNING.match(text)
    if usual:
        text = text[usual.end() :]
    else:
        text = _without_declaration(text)
        _refuse_doctype(text)
    root = _parse(text)
    # Every element around the deepest has an end tag, and a namespace stands there in plain unless a reference hides
    # it. To look for them in a long text costs more than to ask the tree.
    is_long = len(text) > _LONG_TEXT
    if (is_long or text.count("</") >= max_depth) and _is_deeper(max_depth)(root):
        raise XmlRefused(XML_TOO_DEEP)
    if (is_long or "XInclude" in text or "&" in text) and next(root.iter(_XINCLUDES), None) is not None:
        raise XmlRefused(XML_XINCLUDE)
    return root


@cache
def _is_deeper(depth: int) -> etree.XPath:
    return etree.XPath("boolean(" + "/*" * (depth + 1) + ")")


def text_of(element: etree._Element | None) -> str:
    """Return the text directly inside `element` without white space around it; empty when there is none."""
    if element is None:
        return ""
    text = element.text or ""
    return (text + "".join([child.tail or "" for child in element]) if len(element) else text).strip()


def local_name(element: etree._Element) -> str:
    """Return the name without its namespace."""
    return name_of(element)[1]


def namespace_of(element: etree._Element) -> str:
    """Return the namespace, empty when there is none."""
    return name_of(element)[0]


def name_of(element: etree._Element) -> tuple[str, str]:
    """Return the namespace, empty when there is none, and the local name.

    lxml spells the tag `{namespace}name`.
    """
    namespace, _, name = element.tag.rpartition("}")
    return namespace[1:], name


def values_of(element: etree._Element) -> dict[str, str]:
    """Return the attributes by name."""
    return dict(element.items())  # type: ignore[arg-type]  # bytes, say the stubs: of HTML in Python 2


_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NOT_PLAIN: Final = re.compile("[^ !#-%'-;=?-~]")
"""What may need another spelling somewhere; most of what the hub writes has none of it."""
_IN_TEXT: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
_IN_ATTRIBUTE: Final = {**_IN_TEXT, **str.maketrans({'"': "&quot;", "\t": "&#9;", "\n": "&#10;"})}


def legal_text(text: str) -> str:
    """Return `text` with every character that XML 1.0 cannot carry replaced by U+FFFD (XML 1.0, production 2)."""
    return _NOT_XML.sub("\ufffd", text)


def written(text: str) -> str:
    """Return `text` escaped to stand between tags, whatever is in it; a parser reads back its `legal_text`."""
    return legal_text(text).translate(_IN_TEXT) if _NOT_PLAIN.search(text) else text


def attributes(values: Mapping[str, str | None]) -> str:
    """Return `values` escaped to stand in a tag, whatever is in them; those that are None are left out."""
    given = [(name, value) for name, value in values.items() if value is not None]
    if _NOT_PLAIN.search("".join([value for _, value in given])):
        given = [(name, legal_text(value).translate(_IN_ATTRIBUTE)) for name, value in given]
    return "".join([f' {name}="{value}"' for name, value in given])


def _decode(data: bytes) -> str:
    # Most senders write UTF-8, and say so in one of few ways or not at all.
    body, encoding = (data, "utf-8") if data.startswith(_UTF_8_BEGINNINGS) else _body_and_encoding(data)
    try:
        return body.decode(encoding)
    except UnicodeDecodeError:
        # `from None`: the text of the error quotes the input.
        raise XmlRefused(XML_ENCODING) from None


def _body_and_encoding(data: bytes) -> tuple[bytes, str]:
    actual, mark = _sniff(data)
    body = data[len(mark) :]
    head = body[: 4 * _DECLARATION_LENGTH].decode(actual or "latin-1", errors="replace").lstrip()[:_DECLARATION_LENGTH]
    match = _DECLARATION.match(head)
    declared = _python_name((match[1] or match[2]) if match else None)
    return body, _agreed(actual, declared)


def _sniff(data: bytes) -> tuple[str | None, bytes]:
    """Return the encoding that the first bytes prove, if any, and the byte order mark."""
    for mark, name in _BOMS:
        if data.startswith(mark):
            return name, mark
    for pattern, name in _PATTERNS:
        if data.startswith(pattern):
            return name, b""
    return None, b""


def _python_name(declared: str | None) -> str | None:
    if declared is None:
        return None
    if not _KNOWN.fullmatch(declared):
        raise XmlRefused(XML_ENCODING)
    try:
        return codecs.lookup(declared).name
    except LookupError:
        raise XmlRefused(XML_ENCODING) from None


def _agreed(actual: str | None, declared: str | None) -> str:
    """Return the one encoding that bytes and declaration agree on."""
    if actual is None:
        if declared is not None and declared.startswith(("utf-16", "utf-32")):
            raise XmlRefused(XML_ENCODING)
        return declared or "utf-8"
    if declared not in (None, actual) and actual not in _FAMILY.get(declared or "", ()):
        raise XmlRefused(XML_ENCODING)
    return actual


def _without_declaration(text: str) -> str:
    text = text if text.startswith("<") else text.lstrip("\ufeff \t\r\n")
    match = _DECLARATION.match(text, 0, _DECLARATION_LENGTH)
    if match is None and text[:6].rstrip() == "<?xml":
        raise XmlRefused(XML_MALFORMED)
    return text[match.end() :] if match else text


def _refuse_doctype(text: str) -> None:
    """Walk over white space, comments and processing instructions; a DOCTYPE can stand nowhere else."""
    at = 0
    for _ in range(_MAX_PROLOG_ITEMS):
        at = text.find("<", at)
        if at < 0:
            raise XmlRefused(XML_MALFORMED)
        if text[at + 1 : at + 2] not in {"!", "?"}:
            return
        if text.startswith("<!--", at):
            end = text.find("-->", at + 4)
        elif text.startswith("<?", at):
            end = text.find("?>", at + 2)
        else:
            raise XmlRefused(XML_DOCTYPE)
        if end < 0:
            raise XmlRefused(XML_MALFORMED)
        at = end
    raise XmlRefused(XML_MALFORMED)


def _parse(text: str) -> etree._Element:
    try:
        root = _tree(text.encode())
    except etree.XMLSyntaxError as error:
        raise XmlRefused(_code_of(error)) from None
    except (UnicodeEncodeError, ValueError):
        raise XmlRefused(XML_MALFORMED) from None
    if "<!DOCTYPE" in text and root.getroottree().docinfo.internalDTD is not None:
        raise XmlRefused(XML_DOCTYPE)
    return root


def _tree(data: bytes) -> etree._Element:
    try:
        return etree.fromstring(data, _PARSER)
    except etree.XMLSyntaxError as error:
        if error.code != etree.ErrorTypes.ERR_NO_MEMORY:  # type: ignore[attr-defined]  # left out of the stubs
            raise
    # Every name that a thread has ever parsed is kept while the thread lives, and libxml2 bounds what it keeps: whoever
    # sends ever new names would have good messages refused from then on. Another thread's parser has none yet.
    with ThreadPoolExecutor(max_workers=1) as fresh:
        return fresh.submit(lambda: etree.fromstring(data, _new_parser())).result()


def _code_of(error: etree.XMLSyntaxError) -> str:
    deep = "depth" in (error.msg or "").lower()
    return XML_TOO_DEEP if deep else XML_MALFORMED
