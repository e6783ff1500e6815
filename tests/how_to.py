"""Runs a how-to word by word: writes the files it shows, runs its commands in one shell, compares what it says they print.

| in the page | is |
|---|---|
| a block with `title="FILE"` | that file, in the folder where the commands before it ended; more of the same title goes to its end, after the empty lines that Python has there |
| a block `sh` | commands, which succeed |
| a block `console` | commands after `$`, which succeed, and what they print; `…` stands for anything, on a line of its own for lines |
| any other block | shown, not run |
"""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_BLOCK = re.compile(r'^```(\w*)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
_END = "END_OF_THE_BLOCK"


@dataclass(frozen=True)
class Block:
    """What stands between two fences."""

    language: str
    title: str
    text: str


@dataclass(frozen=True)
class Ran:
    """What a page's commands printed."""

    out: str
    errors: str


class HowTo:
    """A page of `docs/how-to`; `ports` takes the place of those it shows, by number."""

    def __init__(self, name: str, ports: Mapping[str, str] | None = None) -> None:
        text = (ROOT / "docs" / "how-to" / f"{name}.md").read_text(encoding="utf-8")
        for shown, taken in (ports or {}).items():
            text = text.replace(shown, taken)
        self.blocks = [Block(*found) for found in _BLOCK.findall(text)]

    def texts(self, language: str) -> list[str]:
        """Return the blocks of a language, in order."""
        return [block.text for block in self.blocks if block.language == language]

    def files(self) -> dict[str, str]:
        """Return the files that the page shows, by their names."""
        found: dict[str, str] = {}
        for block in self.blocks:
            if block.title:
                found[block.title] = found[block.title] + _below(block) if block.title in found else block.text
        return found

    def run(
        self, folder: Path, *, before: Mapping[str, str] | None = None, after: Sequence[str] = (), **env: str
    ) -> Ran:
        """Run the page in `folder`, and hold what it says its commands print against what they print.

        Args:
            folder: an empty folder.
            before: commands to run before each block in which this pattern is found: what the page says in words.
            after: commands to run at the end.
            env: changes of the environment.
        """
        shown = folder / ".shown"
        shown.mkdir()
        script = ["trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT", *self._script(shown, before or {}), *after]
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-euc", "\n".join(script)],
            cwd=folder,
            env={**os.environ, "PATH": path, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **env},
            capture_output=True,
            text=True,
            check=False,
        )
        last = max(shown.iterdir(), default=None, key=lambda file: int(file.name))
        printed = last.read_text()[-3000:] if last else ""
        assert 0 == done.returncode, f"{done.stdout[-1000:]}{done.stderr[-2000:]}{printed}"
        for number, (command, expected) in enumerate(self._shown()):
            found = (shown / str(number)).read_text()
            assert _pattern(expected).fullmatch(found), f"$ {command}\nshown:\n{expected}\nprinted:\n{found}"
        return Ran(done.stdout, done.stderr)

    def _script(self, shown: Path, before: Mapping[str, str]) -> Iterator[str]:
        number, begun = 0, set[str]()
        for block in self.blocks:
            yield from (commands for pattern, commands in before.items() if re.search(pattern, block.text))
            if block.title:
                name, text, arrow = shlex.quote(block.title), block.text, ">"
                if block.title in begun:
                    text, arrow = _below(block), ">>"
                begun.add(block.title)
                yield f"mkdir -p $(dirname {name}); cat {arrow} {name} <<'{_END}'\n{text}{_END}"
            elif block.language == "sh":
                yield block.text
            elif block.language == "console":
                for command, _ in _commands(block.text):
                    yield f"{{ {command}\n}} > {shlex.quote(str(shown / str(number)))} 2>&1"
                    number += 1

    def _shown(self) -> Iterator[tuple[str, str]]:
        for block in self.blocks:
            if block.language == "console":
                yield from _commands(block.text)


def free_ports(*shown: str) -> dict[str, str]:
    """Return a free port for each that a page shows."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in shown]
    taken = [str(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return dict(zip(shown, taken, strict=True))


def listening(port: str) -> str:
    """Return the command that waits until somebody listens."""
    return f"until (echo > /dev/tcp/127.0.0.1/{port}) 2>/dev/null; do sleep 0.1; done"


def _below(block: Block) -> str:
    """Return what goes to the end of a file: a method after one empty line, all else after two."""
    return ("\n" if block.text.startswith(" ") else "\n\n") + block.text


def _commands(text: str) -> Iterator[tuple[str, str]]:
    """Yield each command of a console with what is shown below it."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, printed = part.partition("\n")
        yield command, printed


def _pattern(expected: str) -> re.Pattern[str]:
    lines = (r"(?:.*\n)*" if line == "…" else _line(line) for line in expected.splitlines())
    return re.compile("".join(lines))


def _line(line: str) -> str:
    return ".*".join(map(re.escape, line.split("…"))) + r"\n"
