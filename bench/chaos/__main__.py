"""`make chaos`: run the scenarios one after another, print a table, exit 1 when a promise was broken.

Usage: python -m bench.chaos [--only PART…] [--broker embedded|apache|cluster] [--rounds N] [--seed N] [--long]
    [--spoiled] [--list] [--json FILE] [--keep FOLDER]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bondmate_hub.roles.fast_loop import run_fast
from rich.console import Console
from rich.table import Table

from bench.chaos.bite import PLANTS, unseen
from bench.chaos.checker import Verdict, check, p99_seconds
from bench.chaos.lab import FAR, NEAR, Lab, laboratory
from bench.chaos.load import FIXES
from bench.chaos.scenarios import SCENARIOS, SPOILED, Scenario
from bench.chaos.spoil import SPOILS

_BEFORE_SECONDS = 5.0
"""The load runs so long before the fault begins."""
_DEVICES = 900
"""Beside two for each alert: half of all raise, one alert each, the others walk."""
_FEWEST_ACCEPTED = 2_000
"""A scenario with less load than this proves nothing."""
_LONGEST_SECONDS = 300
"""Of one scenario, whatever hangs: ten times as long for a long one."""
_GRACE_SECONDS = 45.0
"""What has not come by its time may come so much later: then it was late and not lost."""


@dataclass(slots=True)
class Result:
    """What came of one scenario."""

    name: str
    number: str
    broker: str
    scale: str
    accepted: int = 0
    asked_again: int = 0
    verdict: Verdict = field(default_factory=Verdict)
    caught_up_seconds: float = 0.0
    seconds: float = 0.0
    evidence: list[str] = field(default_factory=list)
    far_p99_ms: tuple[float, float] = (0.0, 0.0)
    """To the room that is left alone: before the fault, and from then on."""
    meant: list[str] = field(default_factory=list)
    """What the checker must find, since roles were spoiled for that."""
    failed: str = ""
    """Why it proves nothing: the fault did not bite, or the laboratory itself failed."""

    @property
    def held(self) -> bool:
        """Whether every promise held, and that was proven; of a spoiled hub: whether the checker found it."""
        found = [bool(getattr(self.verdict, finding)) for finding in self.meant] or [not self.verdict.broken]
        return not self.failed and all(found)


async def run(scenario: Scenario, folder: Path, seed: int) -> Result:
    """Run one scenario in an empty folder."""
    result = Result(scenario.name, scenario.number, scenario.broker, scenario.scale)
    result.meant = [SPOILS[name].finding for name in scenario.spoils]
    begun = time.monotonic()
    try:
        devices = 2 * scenario.alerts + _DEVICES
        async with laboratory(folder, scenario.broker, devices, seed, crash=scenario.crash,
                              small_disk=scenario.small_disk, cad=scenario.cad,
                              guard=scenario.guard, follows=scenario.follows,
                              spoils=scenario.spoils) as lab:  # fmt: skip
            async with asyncio.timeout(_LONGEST_SECONDS * (10 if scenario.is_long else 1)):
                await _ordeal(scenario, lab, result)
    except Exception as error:  # noqa: BLE001  # one scenario's failure must not end the table
        result.failed = "; ".join(dict.fromkeys(_causes(error)))
    result.seconds = time.monotonic() - begun
    return result


def _causes(error: BaseException) -> Iterator[str]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _causes(inner)
    else:
        yield f"{type(error).__name__}: {error}"


async def _ordeal(scenario: Scenario, lab: Lab, result: Result) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(lab.load.run(scenario.alerts, scenario.alerts_a_second, scenario.batches_a_second,
                                       follows=scenario.follows))  # fmt: skip
        if scenario.follows:
            group.create_task(lab.dispatch.run(scenario.started))
        await asyncio.sleep(_BEFORE_SECONDS)
        began = time.time()
        await scenario.fault(lab)
    ended = time.monotonic()
    grace = 0 if scenario.spoils else _GRACE_SECONDS
    late = await _outstanding(lab, scenario.late_seconds) and await _outstanding(lab, grace)
    result.caught_up_seconds = time.monotonic() - ended
    # What comes twice comes soon after a restart: a second effect must not be missed.
    await asyncio.sleep(1)
    await asyncio.to_thread(lab.count_dead)
    if scenario.follows:
        await asyncio.to_thread(lab.read_written)
        await asyncio.to_thread(lab.read_pages)
    result.accepted = lab.book.accepted_events
    result.asked_again = lab.load.asked_again
    # A machine that is too busy for its messages is too busy for its answers.
    busy_seconds = 2 * p99_seconds(lab.book, FAR, 0, time.time())
    help_seconds = max(scenario.help_seconds, busy_seconds)
    result.verdict = check(lab.book, [NEAR, FAR], help_seconds, FAR)
    if result.caught_up_seconds > scenario.late_seconds and not late:
        result.verdict.late.append(f"all was there after {result.caught_up_seconds:.0f} s only")
    result.evidence = lab.evidence
    before, since = (p99_seconds(lab.book, FAR, *times) * 1e3 for times in ((0, began), (began, time.time())))
    result.far_p99_ms = round(before, 1), round(since, 1)
    if result.accepted < _FEWEST_ACCEPTED:
        result.failed = f"only {result.accepted} events were accepted, fewer than {_FEWEST_ACCEPTED}"
    elif not lab.book.withdrawn[FAR]:
        result.failed = "the far room took no help back"
    elif scenario.follows and not scenario.spoils and (passed := await asyncio.to_thread(_unseen, lab, help_seconds)):
        result.failed = f"planted, and not seen by the checker: {', '.join(passed)}"
    elif scenario.far_p99_ms and since > max(2 * before, scenario.far_p99_ms):
        result.failed = f"the far room felt it: p99 {before:.0f} ms before, {since:.0f} ms since"


def _unseen(lab: Lab, help_seconds: float) -> list[str]:
    """Return the planted faults that the checker does not see in the book of this scenario."""
    passed = [*unseen(lab.book, (NEAR, FAR), help_seconds, FAR)]
    read = Counter(each.about for room in (NEAR, FAR) for each in lab.book.updates[room])
    written = sum(each.is_position for room in (NEAR, FAR) for each in lab.book.written[room])
    told = ", ".join(f"{count} of {about}" for about, count in sorted(read.items()))
    lab.evidence.append(f"updates: {told}; {written} of position written")
    lab.evidence.append(f"{len(PLANTS) - len(passed)} planted faults seen")
    return passed


async def _outstanding(lab: Lab, seconds: float) -> int:
    """Wait for what was accepted, so long at most; gives how much is not there."""
    end = time.monotonic() + seconds
    while (outstanding := lab.missing() + lab.unmapped() + lab.unheard()) and time.monotonic() < end:  # noqa: ASYNC110  # all change it
        await asyncio.sleep(0.3)
    return outstanding


def table_of(results: list[Result]) -> Table:
    """Give the table of results."""
    table = Table(title="Chaos: everything accepted against everything that arrived")
    for name in ("scenario", "R", "broker", "scale", "accepted", *Verdict().found, "repeats", "caught up", "far p99 ms",
                 "evidence"):  # fmt: skip
        table.add_column(name, justify="right" if name in {"accepted", "lost", "repeats"} else "left")
    for r in results:
        v = r.verdict
        broken = (str(len(each)) for each in v.found.values())
        far = "{:.0f} > {:.0f}".format(*r.far_p99_ms)
        told = (str(v.repeats), f"{r.caught_up_seconds:.1f} s", far, r.failed or "; ".join(r.evidence))
        row = (r.name, r.number, r.broker, r.scale, f"{r.accepted:,}", *broken, *told)
        table.add_row(*row, style="" if r.held else "bold red")
    return table


def main() -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(prog="bench.chaos", description=__doc__)
    parser.add_argument("--only", nargs="+", default=[], help="parts of the names of scenarios")
    parser.add_argument("--broker", choices=["embedded", "apache", "cluster"])
    parser.add_argument("--seed", type=int, default=112)
    parser.add_argument("--rounds", type=int, default=1, help="repeat all, each time with other seeds")
    parser.add_argument("--long", action="store_true", help="also what takes longer than three minutes")
    parser.add_argument("--spoiled", action="store_true", help="instead: hubs that break a rule, and must be found")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--keep", type=Path, help="keep the folders of the runs here")
    asked = parser.parse_args()
    scenarios = SPOILED if asked.spoiled else SCENARIOS
    wanted = [s for s in scenarios if not asked.only or any(part in s.name for part in asked.only)]
    wanted = [s for s in wanted if asked.broker in {None, s.broker} and (asked.long or not s.is_long)]
    if not wanted:
        parser.error("no scenario is meant by this --only and --broker; --list shows their names")
    if asked.list:
        for scenario in wanted:
            print(f"{scenario.broker:9} {scenario.number:4} {scenario.name}")
        return 0
    wanted *= asked.rounds
    console = Console(width=max(160, Console().width))
    console.print(
        f"{len(wanted)} scenarios, seed {asked.seed}; each alert has 4 messages, each batch {FIXES} positions"
    )
    results = []
    for number, scenario in enumerate(wanted, 1):
        folder = Path(tempfile.mkdtemp(prefix="bondmate-chaos-", dir=asked.keep))
        result = run_fast(run(scenario, folder, asked.seed + number))
        results.append(result)
        word = "held  " if result.held else "BROKEN"
        console.print(f"{number:3}/{len(wanted)} {word} {result.broker} {result.name}: {result.accepted:,} accepted, "
                      f"{result.verdict.broken} broken, {result.seconds:.0f} s {result.failed}")  # fmt: skip
        for line in _findings(result)[:10]:
            console.print(f"      {line}")
        if not asked.keep:
            shutil.rmtree(folder, ignore_errors=True)
    console.print(table_of(results))
    total = sum(result.accepted for result in results)
    broken = [result for result in results if not result.held]
    console.print(f"{len(results)} scenarios, {total:,} accepted events, {len(broken)} broken")
    if asked.json:
        asked.json.write_text(json.dumps([asdict(result) for result in results], indent=1), encoding="utf-8")
    return 1 if broken else 0


def _findings(result: Result) -> list[str]:
    return [f"{kind}: {line}" for kind, lines in result.verdict.found.items() for line in lines]


if __name__ == "__main__":
    sys.exit(main())
