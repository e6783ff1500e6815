"""What reading a message costs beside a bare parse of the same bytes by lxml, on recorded messages.

The ratio hardly depends on the machine; the figures a second do. Usage: python -m bench.reading [--against CHECKOUT]

With another checkout of this repository, how many times as fast this one reads: both in turns, each in a process of
its own. Of every document the quickest turn counts, so that what else the machine does is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

from bondmate_connectors.contract import Ignored, Reading, Refusal
from bondmate_connectors.formats.cap import FORMAT as CAP
from bondmate_connectors.formats.cot import FORMAT as COT
from lxml import etree

_NOW: Final = datetime(2026, 3, 1, tzinfo=UTC)
_ROUNDS: Final = 15
_TURNS: Final = 40
_NOT_TAKEN: Final = -1.0
_PACKAGES: Final = ("connectors", "schemas", "streams", "monitoring", "infra")
_ABOUT_4_KB: Final = (3_000, 5_500)
_DATE: Final = re.compile(rb"\d{4}-\d\d-\d\d(?=T)")
_DAYS: Final = 100


class Reader(Protocol):
    """The half of a format that reads."""

    def read(self, message: bytes, received_at: datetime) -> Reading | Ignored | Refusal:
        """Translate a message."""
        ...


@dataclass(frozen=True, slots=True)
class Cost:
    """Documents a second, read and parsed alone."""

    name: str
    documents: int
    mean_bytes: int
    read_per_second: float
    parsed_per_second: float

    @property
    def ratio(self) -> float:
        """How many times a bare parse reading takes."""
        return self.parsed_per_second / self.read_per_second


def corpus() -> Path:
    """Return the folder of recorded messages: BONDMATE_CORPUS, else `shared/corpus` beside the repository."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "corpus"
    return Path(os.environ.get("BONDMATE_CORPUS") or beside)


def cap_documents(folder: Path) -> list[bytes]:
    """Return every recorded CAP document that holds an alert which is taken."""
    documents = [path.read_bytes() for path in sorted((folder / "cap/alerts").rglob("*.*"))]
    return [document for document in documents if isinstance(CAP.read(document, _NOW), Reading)]


def cot_documents(folder: Path) -> dict[str, list[bytes]]:
    """Return the recorded CoT messages that are taken, by what they become; each on many days: few times recur."""
    found: dict[str, list[bytes]] = {}
    for path in sorted((folder / "cot/examples").rglob("*.*")):
        document = path.read_bytes()
        reading = COT.read(document, _NOW)
        if isinstance(reading, Reading):
            found.setdefault(type(reading.events[0]).__name__, []).extend(map(_on_day(document), range(_DAYS)))
    return found


def _on_day(document: bytes) -> Callable[[int], bytes]:
    return lambda day: _DATE.sub((date(2026, 1, 1) + timedelta(day)).isoformat().encode(), document)


def samples(folder: Path) -> dict[str, list[bytes]]:
    """Return CAP, every recorded document and those of about 4 kB, and CoT by what its messages become."""
    documents = cap_documents(folder)
    least, most = _ABOUT_4_KB
    small = [document for document in documents if least < len(document) < most]
    cot = {f"CoT, {kind}": messages for kind, messages in sorted(cot_documents(folder).items())}
    return {"CAP, all": documents, "CAP, 4 kB": small, **cot}


def reading(name: str) -> Callable[[bytes], object]:
    """Return what reads the documents of a sample."""
    reader: Reader = CAP if name.startswith("CAP") else COT
    return lambda document: reader.read(document, _NOW)


def costs(folder: Path) -> list[Cost]:
    """Measure every sample."""
    return [cost(name, documents) for name, documents in samples(folder).items()]


def cost(name: str, documents: Sequence[bytes]) -> Cost:
    """Measure one sample; of several rounds the best of each document counts, of both in turns."""
    read = parsed = [float("inf")] * len(documents)
    for _ in range(_ROUNDS):
        read = best(read, seconds(reading(name), documents))
        parsed = best(parsed, seconds(etree.fromstring, documents))
    mean = sum(map(len, documents)) // len(documents)
    return Cost(name, len(documents), mean, len(documents) / sum(read), len(documents) / sum(parsed))


def seconds(work: Callable[[bytes], object], documents: Sequence[bytes]) -> list[float]:
    """Return what each document takes, in seconds of the processor."""
    found = []
    for document in documents:
        start = time.process_time()
        work(document)
        found.append(time.process_time() - start)
    return found


def best(one: Sequence[float], other: Sequence[float]) -> list[float]:
    """Return the smaller of each two."""
    return list(map(min, one, other))


def compare(folder: Path, other: Path) -> None:
    """Print how many times as fast as another checkout this one reads."""
    measured = samples(folder)
    here, there = _in_turns([Path(__file__).resolve().parents[1], other.resolve()], measured)
    for name in measured:
        both = [each for each in zip(here[name], there[name], strict=True) if _NOT_TAKEN not in each]
        ours, theirs = (sum(times) for times in zip(*both, strict=True))
        speeds = f"{len(both) / ours:.0f} read/s, there {len(both) / theirs:.0f}"
        print(f"{name}: {len(both)} documents that both take, {speeds}: {theirs / ours:.2f} times as fast")


def _in_turns(checkouts: Sequence[Path], measured: dict[str, list[bytes]]) -> list[dict[str, list[float]]]:
    readers = [_reader_of(checkout) for checkout in checkouts]
    task = json.dumps({name: [one.decode("latin-1") for one in documents] for name, documents in measured.items()})
    took = [{name: [float("inf")] * len(documents) for name, documents in measured.items()} for _ in readers]
    for turn in range(_TURNS):
        for place, reader in enumerate(readers):
            assert reader.stdin
            assert reader.stdout
            print("" if turn else task, file=reader.stdin, flush=True)
            found = json.loads(reader.stdout.readline())
            took[place] = {name: best(each, found[name]) for name, each in took[place].items()}
    for reader in readers:
        reader.communicate()
    return took


def _reader_of(checkout: Path) -> subprocess.Popen[str]:
    packages = os.pathsep.join(str(checkout / name) for name in _PACKAGES)
    return subprocess.Popen(
        [sys.executable, __file__, "--turns"],
        env={**os.environ, "PYTHONPATH": packages},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def take_turns() -> None:
    """Read the samples whenever a line comes, of which the first holds them; print what each document took."""
    task: dict[str, list[str]] = {}
    for line in sys.stdin:
        task = task or json.loads(line)
        documents = {name: [one.encode("latin-1") for one in texts] for name, texts in task.items()}
        print(json.dumps({name: _turn(reading(name), some) for name, some in documents.items()}), flush=True)


def _turn(read: Callable[[bytes], object], documents: Sequence[bytes]) -> list[float]:
    took = zip(seconds(read, documents), documents, strict=True)
    return [each if isinstance(read(document), Reading) else _NOT_TAKEN for each, document in took]


def main() -> None:
    """Measure and print a line for each."""
    parser = argparse.ArgumentParser(prog="bench.reading", description=__doc__)
    parser.add_argument("--against", type=Path, help="another checkout of this repository")
    parser.add_argument("--turns", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.turns:
        take_turns()
    elif asked.against:
        compare(corpus(), asked.against)
    else:
        _print_costs()


def _print_costs() -> None:
    for found in costs(corpus()):
        what = f"{found.name}: {found.documents} documents of {found.mean_bytes} bytes"
        speed = f"{found.read_per_second:.0f} read/s, {found.parsed_per_second:.0f} parsed/s"
        print(f"{what}, {speed}: {found.ratio:.1f} times a bare parse")


if __name__ == "__main__":
    main()
