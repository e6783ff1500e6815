"""The connector contract: what a platform's connector must do, and what it may count on.

A connector is a `Sink` (hub to platform), a `Source` (platform to hub), or both. The runner owns retry, order, metrics,
logging, dead letters and commits; a connector owns its platform's handshake and nothing else. The runner calls in this
order, for a sink:

1. `check()`, at any time, before `connect` too, from `hub check`;
2. `connect()`, until it returns; after `NotConnected` again, with back-off;
3. `send(event)`, up to `spec.max_in_flight` at a time, never two of one `event.key` at a time;
4. `close()`, once or more, also when `connect` never succeeded.

A source has `receive()` in the place of `send`. Errors are in `errors.py` and say what the runner does next.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Awaitable, Callable, Generator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pkgutil import resolve_name
from typing import Any, Final, Protocol, runtime_checkable

from bondmate_schemas.enums import Level
from bondmate_schemas.error_codes import ErrorCode
from bondmate_schemas.models import Delivery, Record
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from bondmate_connectors.errors import ConnectorError


class ConnectorConfig(BaseModel):
    """Base of every connector's settings: frozen, closed, silent about values; every field is described."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @property
    def delivers(self) -> bool:
        """Whether a connector with these settings delivers at all, where its platform can; else it takes nothing."""
        return True

    @property
    def listens(self) -> Mapping[str, tuple[str, int]]:
        """Host and port of each address that a connector with these settings listens on, by the port's setting."""
        return {}


class Status(StrEnum):
    """Where a connector is in its life."""

    CREATED = "CREATED"
    STARTING = "STARTING"
    OK = "OK"
    RECOVERABLE_ERROR = "RECOVERABLE_ERROR"
    PERMANENT_ERROR = "PERMANENT_ERROR"
    FATAL_ERROR = "FATAL_ERROR"
    PAUSED = "PAUSED"
    """A person has it rest for a time; only the runner says so."""
    STOPPING = "STOPPING"
    STOPPED = "STOPPED"


class Logger(Protocol):
    """A structlog logger: the event is a constant phrase, the values are keys, never personal data."""

    def info(self, event: str, **values: Any) -> Any:
        """Log a change of state."""
        ...

    def warning(self, event: str, **values: Any) -> Any:
        """Log what somebody should look at."""
        ...


@dataclass(frozen=True, slots=True)
class Context:
    """What the runner gives a connector."""

    name: str
    """Name of this instance in the settings: the destination or source."""
    log: Logger
    report: Callable[[Status, str], None]
    """Reports a change of status with a constant reason."""
    clock: Callable[[], datetime]
    """Now, aware, UTC."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the platform proved: the level and, where it names one, its own id of the record."""

    level: Level
    platform_id: str | None = None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Input of a platform that cannot be understood: the runner dead-letters `raw` under `code`."""

    code: str
    raw: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    key: str | None = None


class Proof(StrEnum):
    """How a platform has proved who it is, for one message of its; the connector says so, and by default: not at all.

    An answer counts only from who has proved to be the destination it speaks for (`runtime.authority`).
    """

    NONE = "none"
    """Nothing proves it: a file in a folder, a feed that anybody may read, a port that anybody may write to."""
    LOOPBACK = "loopback"
    """It is on this machine, and nothing else proves it: good for all modes but ACTUAL."""
    LOGIN = "login"
    """By a secret that this connector's settings bind to this one platform or, at the gateway, to one device."""
    MUTUAL_TLS = "mutual_tls"
    """Both ends of the connection showed a certificate that the settings trust."""
    SIGNED = "signed"
    """The message is signed with a key that the settings bind to this one platform."""


class _Settled:
    def __await__(self) -> Generator[None, None, None]:
        yield from ()


SETTLED: Final[Awaitable[None]] = _Settled()
"""What a `settle` returns that is a plain function, never raises, and leaves nothing to wait for: it needs no task."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """One event from a platform and the way to settle it.

    The runner calls `settle` exactly once: with None when the hub has the event durably (Kafka acknowledged, or the
    event came round and is known), with `Rejected` when the dead-letter topic has a `Unreadable`, with `Transient` when
    the hub has not got it and the platform should try again. What `settle` raises (`NotConnected`, `Transient`,
    `AuthFailed`, `Rejected`) is counted; the platform will give the event again. A `settle` with nothing to wait for
    returns `SETTLED`.
    """

    event: Record | Unreadable
    settle: Callable[[ConnectorError | None], Awaitable[None]]
    traceparent: str | None = None
    """The platform's W3C trace context, when it sent one; it goes on with the record."""
    proof: Proof = Proof.NONE
    """How the platform proved who it is. Left out, its answers and its messages to officers are refused."""


@runtime_checkable
class Link(Protocol):
    """What sinks and sources share."""

    async def connect(self) -> None:
        """Open the link; idempotent.

        Raises:
            NotConnected: not now; the runner calls again with back-off.
            AuthFailed: they refuse us; the runner calls again for ever, with pauses that grow from 1 s to 60 s.
            Misconfigured: a setting of ours cannot work; the runner stops this connector.
        """
        ...

    async def check(self) -> None:
        """Prove endpoint, credentials and privilege without creating anything; usable before `connect`.

        Raises:
            AuthFailed: they refuse us.
            Transient: not reachable now.
            Misconfigured: a setting of ours cannot work.
        """
        ...

    async def close(self) -> None:
        """Release everything; safe without `connect`, safe twice, leaves no task, socket or thread behind."""
        ...


class Sink(Link, Protocol):
    """Hub to platform."""

    async def send(self, event: Delivery) -> Receipt:
        """Hand over one event and return at the highest level the protocol can prove.

        `event.id` is the idempotency key: the same id twice makes one remote record and an equal receipt. Runs up to
        `spec.max_in_flight` times at once, never twice at once for one `event.key`.

        Raises:
            NotConnected: the link is gone; the runner connects and sends again. What was under way then goes alone
                next; an event at which the link breaks again and again, while others pass, is dead-lettered.
            Transient, Throttled: later, after `retry_after` seconds when given.
            AuthFailed: they refuse us; all events wait, and one at a time is sent to ask again. When others of its kind
                are taken meanwhile it is this event's own trouble: tried some times more, then dead-lettered.
            Rejected: this event will never be taken; it is dead-lettered under the code.
            Misconfigured: a setting of ours cannot work; the runner stops this connector.
        """
        ...


@runtime_checkable
class LeanSink(Protocol):
    """A sink that can also say an alert with the least that still calls for help: optional, found by its method.

    An alert that alone is refused, or at which the link breaks whenever it alone is on it, is tried once more so before
    it is dead-lettered: fewer bytes, no free text that somebody's parser may fall over, nothing optional.
    """

    async def send_lean(self, event: Delivery) -> Receipt:
        """Hand over an alert in its leanest form: what it is, whose, where, when, its mode and its marking.

        The platform's record, the receipt and the errors are those of `send`. A key that stands for the bytes of one
        message is the form's own: whoever remembers it would answer for the whole.
        """
        ...


class Source(Link, Protocol):
    """Platform to hub."""

    async def receive(self) -> Incoming:
        """Wait for one event; cancelling is safe and loses nothing.

        Raises:
            NotConnected: the link is gone; the runner connects and receives again.
            AuthFailed: they refuse us; the runner asks with `check` until that passes, then receives again. Where the
                connection is gone too, the next `receive` says `NotConnected`.
            Transient: not now; the runner receives again after a pause.
            EndOfStream: there will be no more.
        """
        ...


@runtime_checkable
class GuardedSource(Protocol):
    """A source that knows what refused its secret: optional, found by its method.

    For a platform that guards only some of what is asked of it: what anybody is given proves no secret.
    """

    def is_refused(self) -> bool:
        """Whether what refused our secret last has not taken it since."""
        ...


# Formats


@dataclass(frozen=True, slots=True)
class Remark:
    """Something lenient reading let pass: a constant code, the place, what was found wrong (never a value)."""

    code: str
    path: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Lost:
    """What did not get across, and why.

    Of a writing: a canonical field that the target format could not carry, as `header.received_at`. Of a reading: an
    element of the message that no event carries, by its place in the document; a place has a slash in it, as
    `alert/info/web`, `event/detail/status`, `/features/0/properties/name`, and a canonical field has none.
    """

    path: str
    why: str


@dataclass(frozen=True, slots=True)
class Reading:
    """A message that was understood: its events in order, what was let pass, and what no event carries."""

    events: tuple[Record, ...]
    warnings: tuple[Remark, ...] = ()
    lost: tuple[Lost, ...] = ()


@dataclass(frozen=True, slots=True)
class Ignored:
    """A sound message with nothing in it for the hub."""

    code: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """A message that is refused: hostile, undecodable or meaningless. `path` is the place, never a value."""

    code: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class Writing:
    """A message in the format, and what it could not carry."""

    message: bytes
    lost: tuple[Lost, ...] = ()


class Format(Protocol):
    """Two pure functions per standard: no I/O, no clock."""

    name: str
    media_type: str

    def read(self, message: bytes, received_at: datetime) -> Reading | Ignored | Refusal:
        """Translate a message to canonical events; never raises on any bytes."""
        ...

    def write(self, event: Delivery, now: datetime) -> Writing | Refusal:
        """Translate an event to a message, or say by code why it cannot be expressed; never raises."""
        ...


# Specification


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorSpec:
    """What a connector is: one frozen value `CONNECTOR` per platform folder, found by entry point.

    `accepts` names the Delivery kinds a sink takes, `emits` the records a source gives; `proves` is the highest level
    `Sink.send` can prove. `build` makes the connector from (config, context); a platform whose
    roles share one link returns one object for all. `login` gives the account that the credentials name, if any (a
    password, a client secret): the runner offers a refused secret of it three times, and then every 15 minutes, so that
    it is not locked. `waivers` names rules of the contract suite that do not hold, each
    with its reason.

    `speaks_for` names whom a source's receipts are of, where not of itself: those of the gateway are of the enrolled
    devices, whose agency and mode come from the enrolment. `refusals` says, for each code of
    `runtime.authority.REFUSALS`, how the sender of an answer that is refused is told; "cannot" cites the clause of the
    standard that leaves no way.

    `marks_test` says how its dialect marks a test, so that nobody there takes one for real, and cites the clause. Left
    empty, it cannot: then no drill is ever sent there, whatever the routes say.

    `error_codes` are the codes that it refuses under, beside the hub's own: each with a number from 10,000 on, what it
    means and what a person does. They stand in the table that `hub dlq` shows.

    `alert_position_seconds` is the pace of position updates of an open alert, one in so many seconds, and
    `alert_positions_a_second` that of all alerts together, where the routes name no other; 0 is no bound.
    """

    name: str
    summary: str
    stability: str
    owner: str
    config: type[ConnectorConfig]
    accepts: frozenset[str] = frozenset()
    emits: frozenset[str] = frozenset()
    proves: Level = Level.DELIVERED
    max_in_flight: int = 16
    build: Callable[[Any, Context], Any]
    login: Callable[[Any], Login | None] = lambda _: None
    delivery: str = "at-least-once"
    waivers: Mapping[str, str] = field(default_factory=dict)
    speaks_for: str = ""
    refusals: Mapping[str, str] = field(default_factory=dict)
    marks_test: str = ""
    error_codes: tuple[ErrorCode, ...] = ()
    alert_position_seconds: float = 15.0
    alert_positions_a_second: float = 1.0

    @property
    def is_sink(self) -> bool:
        """Whether it takes Deliveries."""
        return bool(self.accepts)

    @property
    def is_source(self) -> bool:
        """Whether it gives events."""
        return bool(self.emits)


def imported(place: str) -> Callable[[Any, Context], Any]:
    """Return a `build` of the class at `place`, `module:Class`, which is imported when it first builds a connector.

    Who only asks what a connector takes goes without.
    """

    def build(config: Any, context: Context) -> Any:
        return resolve_name(place)(config, context)

    return build


class Login(ConnectorConfig):
    """An account at the platform, and its password."""

    user: str = Field(
        min_length=1, pattern=r"^[^:\x00-\x1f\x7f]+$", description="Name of the account, without a colon."
    )
    password: SecretStr = Field(min_length=1, description="Its password.")

    def basic(self) -> str:
        """Return the value of `Authorization` (RFC 7617, in UTF-8)."""
        pair = f"{self.user}:{self.password.get_secret_value()}"
        return f"Basic {b64encode(pair.encode()).decode()}"
