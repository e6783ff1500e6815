"""Every code that a person may be shown stands in the one table, and nothing else does."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest
from bondmate_connectors.error_table import FORMATS, error_table, table_of
from bondmate_connectors.runtime import delivery_loop, settlement
from bondmate_gateway.http.problems import ProblemKind
from bondmate_schemas.error_codes import HUB_CODES, OUTSIDE_NUMBERS, UNLISTED, ErrorCode, ErrorTable

ROOT = Path(__file__).parents[2]
PACKAGES = ("schemas", "monitoring", "streams", "connectors", "infra")
CALLS = frozenset({
    "Rejected", "BadEventError", "CodecError", "Ignored", "Refusal", "XmlRefused", "SignatureRefused", "Unreadable",
    "InvalidGeoJsonError", "Frame",
})  # fmt: skip
"""Calls whose first argument that is a code names a reason; `problem` has it second, `dead_letter` by name."""
PLACE = {"problem": 1, "_bury": 3, "_dead_lettered": 1, "_unreadable": 0, "Found": 3, "Frame": 1}
TABLE = error_table()
KINDS = {kind.name for kind in ProblemKind}


def called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")


def argument(node: ast.Call) -> ast.expr | None:
    """Give the argument that is a code, in a call that has one."""
    name = called(node)
    if named := next((word.value for word in node.keywords if word.arg == "code"), None):
        return named if name in {*CALLS, *PLACE, "dead_letter"} else None
    place = PLACE.get(name, 0 if name in CALLS else None)
    return node.args[place] if place is not None and place < len(node.args) else None


def given(node: ast.AST) -> ast.expr | None:
    """Give what is used as a code at `node`: an argument, or what a variable of that name is set to."""
    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "code":
        return node.value
    return argument(node) if isinstance(node, ast.Call) else None


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts[1:]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def texts(node: ast.expr, path: Path) -> Iterator[str]:
    """Give the constants that `node` may be: written out, named in the module, or of a module it imports."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value:
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from (*texts(node.body, path), *texts(node.orelse, path))
    elif (
        isinstance(node, ast.Name | ast.Attribute) and (node.id if isinstance(node, ast.Name) else node.attr).isupper()
    ):
        value = importlib.import_module(module_of(path))
        for part in ast.unparse(node).split("."):
            value = getattr(value, part)
        if isinstance(value, str):
            yield value


def constant_codes() -> Iterator[tuple[str, str]]:
    """Give every constant code in the packages, with its place."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "testing" in path.parts:
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if (found := given(node)) is not None:
                    for text in texts(found, path):
                        yield text, f"{path.relative_to(ROOT)}:{found.lineno}"


CODES = dict(constant_codes())


@pytest.mark.parametrize("code", sorted(CODES))
def test_a_code_that_the_hub_gives_stands_in_the_table(code):
    assert TABLE.find(code) is not UNLISTED, f"{CODES[code]}: add {code} to the error_codes.py of its room"


def test_the_walk_finds_codes_of_every_kind():
    # Written out; named in its module; of a module of codes; a problem's; a keyword's.
    assert {"no_frame", "no_fix", "xml_doctype", "cap_sent", "refused_by_platform", "id_reused"} <= set(CODES)
    assert {"agent_failed", "lane_failed"} <= set(CODES)
    assert {"not_cot", "not_geojson", "bbox_invalid", "no_feature", "frame_too_large"} <= set(CODES)
    made_up = ast.parse("raise Rejected('no_such_code')").body[0]
    assert isinstance(made_up, ast.Raise)
    assert isinstance(made_up.exc, ast.Call)
    assert ["no_such_code"] == list(texts(argument(made_up.exc), Path(__file__)))
    assert UNLISTED is TABLE.find("no_such_code")


def test_nothing_stands_in_the_table_that_the_packages_never_name():
    sources = "\n".join(
        path.read_text(encoding="utf-8")
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if path.name != "error_codes.py"
    )

    assert [] == [entry.code for entry in TABLE.rows if entry.code not in KINDS and f'"{entry.code}"' not in sources]


def test_what_the_runner_gives_up_by_itself_stands_in_the_table():
    assert UNLISTED not in {TABLE.find(settlement.EXPIRED), TABLE.find(delivery_loop.NOT_ACCEPTED)}


def test_every_problem_of_the_gateway_stands_in_the_table():
    assert set() == {name for name in KINDS if TABLE.find(name) is UNLISTED}


def test_codes_and_numbers_are_unique_and_every_row_says_what_to_do():
    assert len(TABLE.rows) == len({entry.code for entry in TABLE.rows}) == len({entry.number for entry in TABLE.rows})
    assert all(entry.meaning and entry.hint and 1000 < entry.number < 9000 for entry in TABLE.rows)


def test_a_number_leads_to_its_code_also_that_of_an_answer_over_http():
    assert ("not_avro", "http_404", "not_avro", "9000") == tuple(
        map(TABLE.code_of, ("1005", "9404", "not_avro", "9000"))
    )
    assert (9404, "Answered over HTTP with status 404.") == (
        TABLE.find("http_404").number,
        TABLE.find("http_404").meaning,
    )
    assert UNLISTED is TABLE.find("http_1000")


ACME = ErrorCode("acme_busy", OUTSIDE_NUMBERS + 1, "Their desk is full.", "Call them; then replay.")
GROUP = "bondmate_hub.connectors"


def outside(tmp_path, monkeypatch, name, codes):
    """Write a package that nobody here knows, with a connector that brings `codes`, and return its entry point."""
    (tmp_path / f"{name}.py").write_text(
        "from bondmate_connectors.contract import ConnectorConfig, ConnectorSpec\n"
        "from bondmate_schemas.error_codes import ErrorCode\n"
        f"CONNECTOR = ConnectorSpec(name={name!r}, summary='s', stability='alpha', owner='acme', accepts=frozenset(),\n"
        f"    config=ConnectorConfig, build=lambda *_: None, error_codes={tuple(codes)!r})\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    return EntryPoint(name, f"{name}:CONNECTOR", GROUP)


def test_a_connector_from_outside_brings_its_own_codes(tmp_path, monkeypatch):
    table = table_of([outside(tmp_path, monkeypatch, "acme_codes", [ACME])], [])

    assert (ACME, "acme_busy") == (table.find("acme_busy"), table.code_of(str(ACME.number)))
    assert UNLISTED is TABLE.find("acme_busy")
    assert set(HUB_CODES) == set(table.rows) - {ACME}


def test_a_code_or_number_that_is_another_s_is_left_out_and_a_broken_connector_brings_none(tmp_path, monkeypatch):
    (tmp_path / "acme_broken.py").write_text("1 / 0")
    theirs = [replace(ACME, code="expired"), replace(ACME, number=2001), ACME]
    points = [outside(tmp_path, monkeypatch, "acme_claims", theirs), EntryPoint("acme_broken", "acme_broken:X", GROUP)]
    table = table_of(points, [])

    assert (theirs[:2], 2001, ACME) == (table.left_out, table.find("expired").number, table.find("acme_busy"))


def test_a_format_that_cannot_be_loaded_and_a_name_given_twice_take_no_row_from_others(tmp_path, monkeypatch):
    (tmp_path / "acme_odd.py").write_text("class Odd:\n    error_codes = ('x', 7)\n")
    formats = [EntryPoint("gone", "acme_no_such:FORMAT", FORMATS), EntryPoint("odd", "acme_odd:Odd", FORMATS)]
    mine = outside(tmp_path, monkeypatch, "acme_twice", [ACME])
    table = table_of([mine, EntryPoint("acme_twice", "acme_no_such:CONNECTOR", GROUP), mine], formats)

    assert (ACME, []) == (table.find("acme_busy"), table.left_out)
    assert set(HUB_CODES) == set(table.rows) - {ACME}


def test_the_rows_of_this_tree_come_first_whatever_others_are_called(tmp_path, monkeypatch):
    of_cap = TABLE.find("cap_sent")
    theirs = [replace(ACME, code="cap_sent"), replace(ACME, number=of_cap.number), replace(ACME, number=9_999)]
    claims = outside(tmp_path, monkeypatch, "a_first_of_all", [*theirs, of_cap, ACME])
    table = table_of([claims, *entry_points(group=GROUP)])

    assert (of_cap, ACME) == (table.find("cap_sent"), table.find("acme_busy"))
    assert theirs == table.left_out
    assert set(TABLE.rows) == set(table.rows) - {ACME}


def test_a_number_that_two_packages_took_is_of_the_first_and_the_second_is_known_by_its_code(tmp_path, monkeypatch):
    other = ErrorCode("other_full", ACME.number, "No room there.", "Call them.")
    points = [
        outside(tmp_path, monkeypatch, name, [row])
        for name, row in (("c_other", other), ("b_other", other), ("a_acme", ACME))
    ]
    table = table_of(points, [])

    assert (replace(other, number=0), "acme_busy") == (table.find("other_full"), table.code_of(str(ACME.number)))
    assert ([other], False) == (table.left_out, other in table.rows)


def test_what_no_letter_leads_back_from_is_not_said_to_be_replayed():
    assert "replay" not in TABLE.find("kind_not_emitted").hint


def test_a_row_that_two_connectors_share_is_one():
    assert [ACME] == list(ErrorTable((ACME, ACME)).rows)
    assert [] == TABLE.left_out


def test_the_hubs_own_module_knows_no_platform():
    assert [] == [
        row.code for row in HUB_CODES if row.code.startswith(("cap_", "cot_", "xml_")) or row.code == "not_cot"
    ]
