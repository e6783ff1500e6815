"""Every file that is generated from the code: written by `hub docs`, held fresh by `hub docs --check`.

A connector's page is written by hand but for what stands between marks; the contract suite holds its table fresh too.
"""

from __future__ import annotations

import importlib
import inspect
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from bondmate_connectors.contract import ConnectorSpec
from bondmate_monitoring.build import version_of_hub
from bondmate_schemas import asyncapi

from bondmate_hub.docs.architecture import WAYS, architecture_page
from bondmate_hub.docs.architecture_drawing import drawing
from bondmate_hub.docs.life_cycle_page import life_cycle_page
from bondmate_hub.docs.outside_package import PackageError, package_connectors
from bondmate_hub.docs.reference_pages import error_codes_page, metrics_page, schemas_page, settings_page, topics_page

__all__ = ["PackageError", "generate", "generate_package", "stale", "write"]

_REFERENCE = Path("docs/reference")
_CONNECTORS = Path("connectors")
_PACKAGES = ("bondmate_gateway", "bondmate_connectors/platforms/*")
_DASHBOARD = Path("monitoring/grafana/dashboards/bondmate-alerts.json")
_BEGIN = "<!-- facts: written by `hub docs` -->"
_END = "<!-- /facts -->"


def generate(root: Path) -> dict[Path, str]:
    """Return the text of every generated file by its path below `root`, the project's folder.

    Raises:
        ImportError: a connector cannot be imported, or `grafana-foundation-sdk` (extra `dev`) is missing.
        ValueError: the AsyncAPI document contradicts itself; its message says where.
    """
    from bondmate_monitoring.dashboard import dashboard_json  # noqa: PLC0415 - needs what only development installs

    return {
        _REFERENCE / "asyncapi.yaml": _asyncapi(),
        _REFERENCE / "gateway-openapi.yaml": _openapi(),
        _REFERENCE / "topics.md": topics_page(),
        _REFERENCE / "schemas.md": schemas_page(),
        _REFERENCE / "metrics.md": metrics_page(),
        _REFERENCE / "error-codes.md": error_codes_page(),
        _REFERENCE / "alert-life-cycle.md": life_cycle_page(),
        _REFERENCE / "settings.md": settings_page(),
        Path("docs/architecture.md"): architecture_page(),
        **{Path(f"docs/architecture/{way.file}.svg"): drawing(way) for way in WAYS},
        _DASHBOARD: dashboard_json(),
        **{folder / "README.md": _connector_page(root, folder) for folder in _connectors(root)},
    }


def generate_package(root: Path) -> dict[Path, str]:
    """Return the page of each connector that the package in `root` gives, by its path below `root`.

    The page is the README beside the connector's module, or that of the package where there is none; it is begun where
    there is neither.

    Raises:
        PackageError: there is no such package, or a connector of it cannot be imported.
    """
    found: dict[Path, str] = {}
    for name, spec in package_connectors(root):
        beside = Path(inspect.getfile(spec.config)).resolve().parent / "README.md"
        page = beside if beside.is_file() and beside.is_relative_to(root.resolve()) else root.resolve() / "README.md"
        path = page.relative_to(root.resolve())
        if path in found:
            raise PackageError(f"{name}: {path} is the page of another connector; put a README.md beside its module")
        found[path] = _page_of(spec, _text_of(page))
    return found


def write(root: Path, texts: dict[Path, str] | None = None) -> list[Path]:
    """Write every generated file that differs from what is there; return their paths below `root`."""
    texts = generate(root) if texts is None else texts
    changed = stale(root, texts)
    for path in changed:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(texts[path], encoding="utf-8")
    return changed


def stale(root: Path, texts: dict[Path, str] | None = None) -> list[Path]:
    """Return the paths below `root` of the generated files that are missing or are not what would be written."""
    wanted = generate(root) if texts is None else texts
    return [path for path, text in wanted.items() if _text_of(root / path) != text]


def _text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


@cache
def _asyncapi() -> str:
    document = asyncapi.document(version_of_hub())
    if wrong := asyncapi.faults(document):
        raise ValueError("AsyncAPI: " + "; ".join(wrong))
    return _yaml(document)


@cache
def _openapi() -> str:
    from bondmate_gateway.http.openapi import openapi  # noqa: PLC0415 - loads a whole platform

    return _yaml(openapi())


class _Plain(yaml.SafeDumper):
    """Writes everything out, without anchors: a reader of the page should not have to jump."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the signature is PyYAML's
        """Return None: nothing is shared."""
        return True


def _yaml(document: dict[str, Any]) -> str:
    body = yaml.dump(document, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=120)
    return f"# Generated by `make docs`; do not edit.\n{body}"


def _connectors(root: Path) -> list[Path]:
    found = (path.parent for name in _PACKAGES for path in (root / _CONNECTORS).glob(f"{name}/__init__.py"))
    return sorted(path.relative_to(root) for path in found)


def _connector_page(root: Path, folder: Path) -> str:
    spec: ConnectorSpec = importlib.import_module(".".join(folder.relative_to(_CONNECTORS).parts)).CONNECTOR
    return _page_of(spec, _text_of(root / folder / "README.md"))


def _page_of(spec: ConnectorSpec, there: str) -> str:
    """Return a connector's page: what is there with its generated parts made new, begun where nothing is."""
    from bondmate_connectors.settings_table import with_settings_table  # noqa: PLC0415 - as above

    page = there or f"# {spec.name}\n\n{spec.summary}\n\n{_BEGIN}\n{_END}\n\n## Settings\n"
    before, mark, rest = page.partition(_BEGIN)
    if mark:
        page = f"{before}{_BEGIN}\n\n{_facts(spec)}\n{_END}{rest.partition(_END)[2]}"
    return with_settings_table(page, spec)


def _facts(spec: ConnectorSpec) -> str:
    facts = [
        f"stability: {spec.stability}; owner: {spec.owner}; delivery: {spec.delivery}",
        f"takes: {_words(spec.accepts)}; gives: {_words(spec.emits)}",
    ]
    if spec.is_sink:
        facts.append(f"proves at once: `{spec.proves.value}`; at most {spec.max_in_flight} in flight")
        facts.append(f"a test there: {spec.marks_test or 'cannot be told from what is real, so it gets no drills'}")
    facts += [f"waived rule `{rule}`: {reason}" for rule, reason in spec.waivers.items()]
    return "".join(f"- {fact}\n" for fact in facts)


def _words(names: frozenset[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names)) or "nothing"
