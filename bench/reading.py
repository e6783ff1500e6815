"""What reading a message costs beside a bare parse of the same bytes by lxml, on recorded messages.

The ratio hardly depends on the machine; the figures a second do. Usage: python -m bench.reading
"""

from __future__ import annotations

import os
import re
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


def cost(name: str, reader: Reader, documents: Sequence[bytes]) -> Cost:
    """Measure one format; of several rounds the best counts, of both in turns."""
    read = parsed = float("inf")
    for _ in range(_ROUNDS):
        read = min(read, _seconds(lambda document: reader.read(document, _NOW), documents))
        parsed = min(parsed, _seconds(etree.fromstring, documents))
    mean = sum(map(len, documents)) // len(documents)
    return Cost(name, len(documents), mean, len(documents) / read, len(documents) / parsed)


def _seconds(work: Callable[[bytes], object], documents: Sequence[bytes]) -> float:
    start = time.process_time()
    for document in documents:
        work(document)
    return time.process_time() - start


def costs(folder: Path) -> list[Cost]:
    """Measure CAP, every recorded document and those of about 4 kB, and CoT by what its messages become."""
    documents = cap_documents(folder)
    least, most = _ABOUT_4_KB
    small = [document for document in documents if least < len(document) < most]
    cot = [cost(f"CoT, {kind}", COT, messages) for kind, messages in sorted(cot_documents(folder).items())]
    return [cost("CAP, all", CAP, documents), cost("CAP, 4 kB", CAP, small), *cot]


def main() -> None:
    """Measure and print a line for each."""
    for found in costs(corpus()):
        what = f"{found.name}: {found.documents} documents of {found.mean_bytes} bytes"
        speed = f"{found.read_per_second:.0f} read/s, {found.parsed_per_second:.0f} parsed/s"
        print(f"{what}, {speed}: {found.ratio:.1f} times a bare parse")


if __name__ == "__main__":
    main()
