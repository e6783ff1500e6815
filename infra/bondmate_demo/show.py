"""What a person sees of the demo: progress while it runs, then a summary."""

from __future__ import annotations

import time

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bondmate_demo import ledger
from bondmate_demo.running import Running
from bondmate_demo.summary import Summary

WAITED_SECONDS = 90.0
"""How long the demo waits for the far ends once its load has ended."""


class Screen:
    """The demo's screen: on a terminal it is drawn anew each second, elsewhere a line every ten."""

    def __init__(self) -> None:
        # Progress goes to stderr, so that the last line of stdout can be JSON.
        self._console = Console(stderr=True)
        self._begun = time.monotonic()
        self._live: Live | None = None
        self._last_line = 0.0

    def say(self, stage: str, text: str) -> None:
        """Show what happens now."""
        self._console.print(f"[dim]{time.monotonic() - self._begun:6.1f} s[/dim] [bold]{stage:<7}[/bold] {text}")
        if stage == "load" and self._console.is_terminal:
            self._live = Live(console=self._console, refresh_per_second=2, transient=True)
            self._live.start()

    def update(self, running: Running) -> None:
        """Draw how it stands."""
        if self._live:
            self._live.update(_picture(running))
        elif time.monotonic() - self._last_line > 10:  # noqa: PLR2004
            self._last_line = time.monotonic()
            counts = running.fleet.counts
            there = {name: len(book.events) for name, book in _books(running).items()}
            self.say("running", f"accepted {dict(counts)}; events at {there}; positions at tak {running.tak.positions}")

    def summary(self, summary: Summary) -> None:
        """Show the end."""
        if self._live:
            self._live.stop()
        self._console.print(_result(summary))
        self._console.print(_latencies(summary))
        if summary.cap:
            self._console.print("recorded CAP alerts, re-dated to now and made EXERCISE:",
                                ", ".join(f"{name} {number}" for name, number in summary.cap.items()))  # fmt: skip
        self._console.print(
            f"sent {summary.sent}; answers that came back to the devices that listened {summary.answers_at_devices}; "
            f"duplicates {summary.duplicates}; dead letters {summary.dead_lettered}; first alert after "
            f"{summary.first_alert_seconds:.1f} s; memory {summary.resident_mib:.0f} MiB in all"
        )
        colour = "red" if summary.lost else "green"
        self._console.print(f"[bold {colour}]lost {summary.lost}[/bold {colour}]")
        if summary.lost:
            what = ", ".join(f"{number} {name}" for name, number in summary.lost_of.items())
            self._console.print(
                f"lost: {what}. Accepted from the devices, not there, and nothing more came for {WAITED_SECONDS:g} s. "
                "A machine too slow for this load, or busy, needs longer: try --alerts 5 --positions 50. "
                f"Logs: {summary.logs}",
                soft_wrap=True,
            )


def _books(running: Running) -> dict[str, ledger.Book]:
    return {ledger.TAK: running.tak, ledger.CAP: running.cap}


def _picture(running: Running) -> RenderableType:
    counts = running.fleet.counts
    columns = ("", "alerts + reports", "accepted there", "acknowledged by a person", "p50", "p99")
    table = _table("BondMate hub, EXERCISE", *columns)
    sent = sum(counts[kind] for kind in ("alert", "report"))
    table.add_row("devices (202 from the hub)", str(sent), "", "", *_p(running, "post_to_accepted"))
    for name, book in _books(running).items():
        figures, _ = ledger.count(running.fleet.accepted, book, frozenset())
        table.add_row(f"→ {name}", str(figures.delivered), str(figures.accepted), str(figures.acknowledged),
                      *_p(running, f"post_to_{name}"))  # fmt: skip
    roles = Text("  ".join(sorted(running.supervisor.pids)), style="dim")
    return Group(table, Text(f"positions {counts['position']} sent, {running.tak.positions} at tak"), roles)


def _table(title: str, first: str, *others: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column(first)
    for column in others:
        table.add_column(column, justify="right")
    return table


def _p(running: Running, hop: str) -> tuple[str, str]:
    found = ledger.latencies(running.fleet.accepted, _books(running))[hop]
    return (f"{found['p50']} ms", f"{found['p99']} ms") if found else ("", "")


def _result(summary: Summary) -> Table:
    columns = ("destination", "delivered", "accepted", "acknowledged", "dead-lettered")
    table = _table("What the far ends wrote down", *columns)
    for name, c in summary.destinations.items():
        table.add_row(name, str(c.delivered), str(c.accepted), str(c.acknowledged), str(c.dead_lettered))
    return table


def _latencies(summary: Summary) -> Table:
    table = _table("From the device's POST, milliseconds", "to", "p50", "p95", "p99")
    for hop, found in summary.latency_ms.items():
        table.add_row(hop.removeprefix("post_to_"), *(str(found.get(p, "")) for p in ("p50", "p95", "p99")))
    return table
