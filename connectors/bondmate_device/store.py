"""The device's memory on disk: one SQLite file, since it is in Python, in one file, and survives a lost battery.

Alerts, reports, texts, receipts and messages are on the medium before a method returns (write-ahead log,
`synchronous=FULL`); of positions the last few may be lost with the battery, never with the process (`NORMAL`). A file
has one owner at a time. It holds personal data: only its owner may read it, and what is deleted is overwritten.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from bondmate_device.inbox import DeviceInbox, read
from bondmate_device.model import Cancel, EventKind, Item, Level, Message, RaisedAlert, RefusedEvent

REFUSALS_KEPT: Final = 200
_TOLD_ANEW: Final = frozenset({"answers", "ended_by", "ended_why", "ended_words", "cancel_told"})
_VERSION: Final = 1
_OWNED_ELSEWHERE: Final = 1.0
"""How long to wait for another owner to let go, seconds."""
_TABLES: Final = """
CREATE TABLE outbox (number INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT UNIQUE NOT NULL, kind TEXT NOT NULL,
                     line TEXT NOT NULL, at TEXT NOT NULL, body BLOB NOT NULL, is_cancel INTEGER NOT NULL);
CREATE TABLE standings (alert_id TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE messages (number INTEGER PRIMARY KEY AUTOINCREMENT, message_id TEXT UNIQUE NOT NULL, value TEXT);
CREATE TABLE refusals (number INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, kind TEXT NOT NULL,
                       code TEXT NOT NULL, at TEXT NOT NULL);
CREATE TABLE sequence (reserved INTEGER NOT NULL);
"""


class StoreError(Exception):
    """The disk does not take it: go on without, and tell the user that it would not survive a restart."""


class StoreInUseError(Exception):
    """Another process owns the queue file: end that one, or name another file."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What was on disk."""

    items: tuple[Item, ...]
    statuses: tuple[RaisedAlert, ...]
    inbox: DeviceInbox
    refusals: tuple[RefusedEvent, ...]
    sequence: int | None
    """No fix has a higher number than this; None when this file has numbered none."""
    renewed: bool
    """The file was damaged: it was set aside under another name, and a new one begun."""


class QueueStore:
    """The queue file. Not for several threads at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db: sqlite3.Connection | None = None

    def open(self) -> Kept:
        """Open the file, or make it, and give what it holds; a damaged one is set aside, so that alerts can go out.

        Raises:
            StoreInUseError: another process has it.
            StoreError: it cannot be made, read or written.
        """
        try:
            return self._open(renewed=False)
        except (sqlite3.OperationalError, OSError) as error:
            self.close()
            raise self._translated(error) from None
        except (sqlite3.DatabaseError, ValueError, TypeError, KeyError):
            self.close()
            return self._renew()

    def close(self) -> None:
        """Let go of the file."""
        db, self._db = self._db, None
        if db is not None:
            with contextlib.suppress(sqlite3.Error):
                db.close()

    def keep(self, items: Sequence[Item], statuses: Iterable[RaisedAlert] = ()) -> None:
        """Keep events, and statuses of alerts; the same event twice is kept once."""
        with self._transaction(durable=any(item.kind is not EventKind.FIX for item in items)) as db:
            _put_items(db, items)
            _put_statuses(db, statuses)

    def settle(
        self, done: Iterable[Item], statuses: Iterable[RaisedAlert] = (), refusals: Iterable[RefusedEvent] = ()
    ) -> None:
        """Forget events that are done with. Should this be lost, they are sent again and known again by their ids."""
        with self._transaction(durable=False) as db:
            db.executemany("DELETE FROM outbox WHERE key = ?", [(item.key,) for item in done])
            _put_statuses(db, statuses)
            told = [(one.key, one.kind, one.code, one.at) for one in refusals]
            if told:
                db.executemany("INSERT INTO refusals (key, kind, code, at) VALUES (?, ?, ?, ?)", told)
                db.execute(
                    "DELETE FROM refusals WHERE number <= (SELECT max(number) FROM refusals) - ?", (REFUSALS_KEPT,)
                )

    def hear(self, messages: Iterable[Message], receipts: Iterable[Item], statuses: Iterable[RaisedAlert]) -> None:
        """Keep messages together with the receipts that say so."""
        with self._transaction(durable=True) as db:
            db.executemany(
                "INSERT OR IGNORE INTO messages (message_id, value) VALUES (?, ?)",
                [(message.message_id, json.dumps(asdict(message))) for message in messages],
            )
            _put_items(db, receipts)
            _put_statuses(db, statuses)

    def shown(self, message_id: str, forgotten: Iterable[str] = ()) -> None:
        """Keep of a message that was shown no more than its id, and nothing of those that are forgotten."""
        with self._transaction(durable=True) as db:
            db.execute("UPDATE messages SET value = NULL WHERE message_id = ?", (message_id,))
            db.executemany("DELETE FROM messages WHERE message_id = ?", [(one,) for one in forgotten])

    def forget_alerts(self, alert_ids: Iterable[str]) -> None:
        """Forget closed alerts."""
        with self._transaction(durable=False) as db:
            db.executemany("DELETE FROM standings WHERE alert_id = ?", [(one,) for one in alert_ids])

    def reserve(self, sequence: int) -> None:
        """Promise that no fix up to this number is given it again after a restart."""
        with self._transaction(durable=True) as db:
            db.execute("DELETE FROM sequence")
            db.execute("INSERT INTO sequence VALUES (?)", (sequence,))

    def _open(self, *, renewed: bool) -> Kept:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))  # its log files take over these permissions
        self._db = db = sqlite3.connect(
            self._path, timeout=_OWNED_ELSEWHERE, isolation_level=None, check_same_thread=False
        )
        for pragma in ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "secure_delete=ON", "synchronous=FULL"):
            db.execute(f"PRAGMA {pragma}")
        db.execute("BEGIN EXCLUSIVE")  # taken here and kept until close: the file has one owner
        if db.execute("PRAGMA user_version").fetchone()[0] == 0:
            for statement in _TABLES.split(";")[:-1]:
                db.execute(statement)
            db.execute(f"PRAGMA user_version={_VERSION}")
        db.execute("COMMIT")
        return _read(db, renewed=renewed)

    def _renew(self) -> Kept:
        aside = f"{self._path}.damaged-{time.time_ns()}"
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                Path(f"{self._path}{suffix}").rename(f"{aside}{suffix}")
        try:
            return self._open(renewed=True)
        except (sqlite3.Error, OSError) as error:
            raise self._translated(error) from None

    @contextlib.contextmanager
    def _transaction(self, *, durable: bool) -> Iterator[sqlite3.Connection]:
        db = self._db
        if db is None:
            raise StoreError("the queue file is not open")
        try:
            db.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            db.execute("BEGIN")
            yield db
            db.execute("COMMIT")
        except sqlite3.Error as error:
            with contextlib.suppress(sqlite3.Error):
                db.execute("ROLLBACK")
            raise self._translated(error) from None

    def _translated(self, error: Exception) -> Exception:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
            return StoreInUseError(
                "queue file: another process of this device has it; end that one or name another file"
            )
        reason = getattr(error, "sqlite_errorname", type(error).__name__)
        return StoreError(f"queue file: cannot be used ({reason}); its folder must be writable and the disk have room")


def _put_items(db: sqlite3.Connection, items: Iterable[Item]) -> None:
    db.executemany(
        "INSERT OR IGNORE INTO outbox (key, kind, line, at, body, is_cancel) VALUES (?, ?, ?, ?, ?, ?)",
        [(item.key, item.kind, item.line, item.at, item.body, item.is_cancel) for item in items],
    )


def _put_statuses(db: sqlite3.Connection, statuses: Iterable[RaisedAlert]) -> None:
    db.executemany(
        "INSERT INTO standings VALUES (?, ?) ON CONFLICT (alert_id) DO UPDATE SET value = excluded.value",
        [(one.alert_id, json.dumps(_kept(one))) for one in statuses],
    )


def _read(db: sqlite3.Connection, *, renewed: bool) -> Kept:
    items = db.execute("SELECT key, kind, line, at, body, is_cancel FROM outbox ORDER BY number")
    told = db.execute("SELECT message_id, value FROM messages ORDER BY number").fetchall()
    reserved = db.execute("SELECT reserved FROM sequence").fetchone()
    refusals = db.execute("SELECT key, kind, code, at FROM refusals ORDER BY number")
    waiting = [message for _, value in told if value and (message := read(json.loads(value)))]
    return Kept(
        items=tuple(
            Item(key, EventKind(kind), line, at, body, bool(is_cancel))
            for key, kind, line, at, body, is_cancel in items
        ),
        statuses=tuple(
            _status(json.loads(value)) for (value,) in db.execute("SELECT value FROM standings ORDER BY rowid")
        ),
        inbox=DeviceInbox((message_id for message_id, _ in told), waiting),
        refusals=tuple(RefusedEvent(key, EventKind(kind), code, at) for key, kind, code, at in refusals),
        sequence=reserved[0] if reserved else None,
        renewed=renewed,
    )


def _kept(status: RaisedAlert) -> dict[str, Any]:
    """Return what is kept of a status: what an earlier version of this client can read; the rest is told anew."""
    return {name: value for name, value in asdict(status).items() if name not in _TOLD_ANEW}


def _status(value: dict[str, Any]) -> RaisedAlert:
    levels = tuple((name, level) for name, level in value["destinations"])
    return RaisedAlert(
        **{**value, "level": Level(value["level"]), "cancel": Cancel(value["cancel"]), "destinations": levels}
    )
