"""`python .ci/build_site.py`: build the site of the documents in `build/site`; fail where a link leads nowhere.

The documents link across the whole project (README, packages, source files), as they are read where it is hosted. So a
copy of every page and of what it links is laid into `build/site-source` in the project's own order, and Zensical builds
that: every link is checked, headings too, and none has to be written twice.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "build" / "site-source"
CONFIG = ROOT / "build" / "zensical.toml"
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)(#[^)\s]*)?\)")
CODE = re.compile(r"^( *)(```|~~~).*?^\1\2|`[^`\n]*`", re.MULTILINE | re.DOTALL)
SECTIONS = {
    "Start": ("README.md", "docs/index.md", "docs/architecture.md", "docs/glossary.md", "docs/runbook.md"),
    "How to": ("docs/how-to/*.md",),
    "Reference": ("docs/reference/*.md",),
    "Connectors": ("connectors/*/README.md",),
    "Decisions": ("docs/adr/[0-9]*.md",),
    "Project": ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "docs/releases.md", "*/README.md"),
}


def tracked() -> set[str]:
    """Return the paths of the pages: what git has, without fragments and templates."""
    done = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S607
    return {path for path in done.stdout.split() if not re.match(r"\.github/|changelog\.d/(?!README)", path)}


def lay_out(pages: set[str]) -> list[str]:
    """Copy pages and what they link; return the links that lead nowhere."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    broken = []
    for page in sorted(pages):
        text = (ROOT / page).read_text(encoding="utf-8")
        _put(page, text)
        for target in _links(text):
            found = (ROOT / page).parent.joinpath(target).resolve()
            if not found.exists() or not found.is_relative_to(ROOT):
                broken.append(f"{page}: {target}")
            elif found.is_dir():
                _list_folder(found, pages)
            elif found.suffix != ".md":
                _copy(found)
            elif str(found.relative_to(ROOT)) not in pages:
                broken.append(f"{page}: {target} is no page of the site")
    return broken


def _links(text: str) -> Iterator[str]:
    yield from (match[1] for match in LINK.finditer(CODE.sub("", text)))


def _put(page: str, text: str) -> None:
    """Write a page; a link to a folder becomes one to the page that lists it."""
    path = SOURCE / page
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = (ROOT / page).parent
    text = LINK.sub(lambda link: _to_page(link[0], link[1], folder), text)
    path.write_text(text, encoding="utf-8")


def _to_page(link: str, target: str, folder: Path) -> str:
    if not (folder / target).is_dir():
        return link
    name = "README.md" if (folder / target / "README.md").is_file() else "index.md"
    return link.replace(target, f"{target.rstrip('/')}/{name}")


def _list_folder(folder: Path, pages: set[str]) -> None:
    inside = SOURCE / folder.relative_to(ROOT)
    if any((folder / name).is_file() for name in ("README.md", "index.md")):
        return
    inside.mkdir(parents=True, exist_ok=True)
    rows = [
        f"- [{_title(page)}]({Path(page).relative_to(folder.relative_to(ROOT))})\n"
        for page in sorted(pages)
        if (ROOT / page).is_relative_to(folder)
    ]
    (inside / "index.md").write_text(f"# {folder.relative_to(ROOT)}\n\n{''.join(rows)}", encoding="utf-8")


def _copy(found: Path) -> None:
    path = SOURCE / found.relative_to(ROOT)
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(found, path)


def _title(page: str) -> str:
    found = re.search(r"^# +(.+)", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
    return re.sub(r"[`*]", "", found[1]) if found else page


def configure(pages: set[str]) -> None:
    """Write Zensical's settings: the sections with their pages; what nobody named stands in the last."""
    left = set(pages)
    nav = []
    for section, patterns in SECTIONS.items():
        named = [page for pattern in patterns for page in sorted(left) if fnmatch(page, pattern)]
        left -= set(named)
        entries = ", ".join(f"{{ {json.dumps(_title(page))} = {json.dumps(page)} }}" for page in dict.fromkeys(named))
        nav.append(f"  {{ {json.dumps(section)} = [{entries}] }}")
    rows = ",\n".join(nav)
    CONFIG.write_text(
        f'[project]\nsite_name = "BondMate integration hub"\ndocs_dir = "site-source"\n'
        f'site_dir = "site"\nnav = [\n{rows}\n]\n\n[project.theme]\nfont = false\n'
        "\n[project.markdown_extensions.toc]\npermalink = true\n",
        encoding="utf-8",
    )


def main() -> int:
    """Build it; return 1 when a link is broken or Zensical warns."""
    pages = tracked()
    if broken := lay_out(pages):
        print("\n".join(f"leads nowhere: {link}" for link in broken))
        return 1
    configure(pages)
    zensical = Path(sys.executable).with_name("zensical")
    return subprocess.run([zensical, "build", "--strict", "--clean", "--config-file", CONFIG], check=False).returncode  # noqa: S603


if __name__ == "__main__":
    sys.exit(main())
