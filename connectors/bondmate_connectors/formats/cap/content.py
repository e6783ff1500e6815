"""What `info` blocks say: one content for a message, of its gravest blocks, in the language of the gravest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from bondmate_schemas.models import Area, Position

from bondmate_connectors.formats.cap import codes
from bondmate_connectors.formats.cap.areas import FIXED_AT, position_of, read_areas
from bondmate_connectors.formats.cap.notes import Notes
from bondmate_connectors.formats.cap.texts import Attribute, InfoTexts
from bondmate_connectors.formats.cap.values import read_time

_DEFAULT_LANGUAGE: Final = "en-US"
"""CAP 1.2, 3.2.2 `language`: what an info without one is written in."""
_LONGEST_LANGUAGE: Final = 35
_CHOSEN: Final[Mapping[str, Callable[[list[tuple[datetime, str]]], tuple[datetime, str]]]] = {
    "effective": min, "onset": min, "expires": max,
}  # fmt: skip
"""Of the times that blocks of one kind say, the one that holds for the areas of all."""
_RESPONSE: Final = f"{codes.ATTRIBUTE}responseType"
_SCALES: Final = (
    ("severity", codes.SEVERITIES), ("urgency", codes.URGENCIES), ("certainty", codes.CERTAINTIES),
)  # fmt: skip
_RANKS: Final = tuple((name, {value.casefold(): rank for rank, value in enumerate(values)}) for name, values in _SCALES)


@dataclass(slots=True)  # frozen ones take three times as long to make
class Content:
    """The gravest blocks of one language, with the areas of all of them; empty where there is none."""

    first: InfoTexts
    """The block whose words count."""
    attributes: tuple[Attribute, ...]
    ours: tuple[Attribute, ...]
    """Parameters by which a hub says what CAP cannot, without what their names begin with."""
    areas: tuple[Area, ...]
    position: Position | None
    language: str | None
    is_ours: bool
    """Whether a hub like this one wrote it."""
    others: tuple[InfoTexts, ...] = ()
    """Blocks of the same kind."""

    @classmethod
    def of(cls, infos: Sequence[InfoTexts], sent: datetime, notes: Notes, *, is_ours: bool) -> Content:
        """Gather the content of the blocks; what is not taken of them is noted."""
        if not infos:
            return cls(InfoTexts(""), (), (), (), None, None, is_ours)
        first, *others = infos if len(infos) == 1 else _gravest(_of_one_language(infos, notes), notes)
        if others:
            first = _with_times_of(first, others, notes)
        attributes = first.attributes
        for other in others:
            attributes = _joined(first, attributes, other, notes)
        own = {one.name: one.text for one in first.ours}
        areas = first.areas if not others else [area for info in (first, *others) for area in info.areas]
        read = read_areas(areas, notes, is_fix=is_ours and FIXED_AT in own)
        # What we wrote of an event without a position has areas, and still none.
        standing_in = read.first if not is_ours or FIXED_AT in own else None
        position = position_of(standing_in, own, sent) if standing_in else None
        return cls(
            first,
            tuple(attributes),
            tuple(first.ours),
            read.areas,
            position,
            _stated(_language_of(first)),
            is_ours,
            tuple(others),
        )

    @property
    def texts(self) -> Mapping[str, str]:
        """The single elements by name."""
        return self.first.texts

    def text(self, name: str) -> str:
        """Return what an element says, nothing where it is not there."""
        return self.first.texts.get(name, "")

    def paths(self, name: str) -> list[str]:
        """Return where a single element says what counts."""
        said, blocks = self.first.texts[name], (self.first, *self.others)
        return [f"{block.path}/{block.steps.get(name, name)}" for block in blocks if block.texts.get(name) == said]

    def area_paths(self) -> list[str]:
        """Return where the areas stand."""
        return [area.path for block in (self.first, *self.others) for area in block.areas]

    def time(self, name: str) -> datetime | None:
        """Return the time that an element says; None where it says none that can be read."""
        text = self.first.texts.get(name)
        time = read_time(text) if text else None
        return time[0] if time else None

    def occurred_at(self, sent: datetime) -> datetime:
        """Return when it happened: what our own messages say beside `sent`, else `sent`."""
        time = read_time(self.own("occurred_at")) if self.is_ours else None
        return time[0] if time else sent

    def own(self, name: str) -> str:
        """Return the value of our own parameter `name`, or nothing; the last of a name counts."""
        return next((own.text for own in reversed(self.ours) if own.name == name), "") if self.ours else ""


def _of_one_language(infos: Sequence[InfoTexts], notes: Notes) -> list[InfoTexts]:
    """Return the blocks in the language of the gravest, of the first of these; others most often say it again."""
    languages = [_language_of(info).casefold() for info in infos]
    if len(set(languages)) == 1:
        return [*infos]
    taken = _language_of(min(infos, key=_gravity)).casefold()
    blocks = [info for info, language in zip(infos, languages, strict=True) if language == taken]
    said = {(_gravity(block), where) for block in blocks for where in (_where(block), frozenset())}
    for info, language in zip(infos, languages, strict=True):
        if language == taken:
            continue
        notes.lose(info.path, f"an event has one language, and this is {_language_of(info)[:_LONGEST_LANGUAGE]}")
        if (_gravity(info), _where(info)) not in said:
            notes.remark(codes.BLOCKS_DIFFER, info.path, "says another event or place than the language that is taken")
    return blocks


def _language_of(info: InfoTexts) -> str:
    return info.texts.get("language", "").replace("_", "-") or _DEFAULT_LANGUAGE


def _stated(language: str) -> str | None:
    return None if language.casefold() == codes.UNDETERMINED else language


def _where(block: InfoTexts) -> frozenset[tuple[str, str]]:
    """Return the shapes of a block, else its codes; names of places and codes beside a shape may be translated."""
    shapes = {(shape.element, " ".join(shape.text.split())) for area in block.areas for shape in area.shapes}
    return frozenset(shapes or {code for area in block.areas for code in area.geocodes})


def _gravest(blocks: list[InfoTexts], notes: Notes) -> list[InfoTexts]:
    """Return the gravest block, then those of the same kind: senders split one warning over several."""
    if len(blocks) == 1:
        return blocks
    first = min(blocks, key=_gravity)
    kind = _kind(first)
    for block in blocks:
        if _kind(block) != kind:
            notes.remark(codes.BLOCKS_DIFFER, block.path, "another event than the gravest block's; not taken")
            notes.lose(block.path, "a message becomes one event, of its gravest block")
    return [first, *(block for block in blocks if block is not first and _kind(block) == kind)]


def _kind(block: InfoTexts) -> tuple[object, ...]:
    """Return what two blocks must share so that the areas of both are those of one event."""
    return (_gravity(block), block.texts.get("event"), _responses(block))


def _gravity(block: InfoTexts) -> tuple[int, ...]:
    """Return how grave a block is, the gravest first; that all is clear, or past, comes last."""
    clear = _responses(block) == {"AllClear"} or block.texts.get("urgency", "").casefold() == "past"
    return (int(clear), *(ranks.get(block.texts.get(name, "").casefold(), len(ranks)) for name, ranks in _RANKS))


def _responses(block: InfoTexts) -> frozenset[str]:
    return frozenset(one.text for one in block.attributes if one.name == _RESPONSE)


def _with_times_of(first: InfoTexts, others: Sequence[InfoTexts], notes: Notes) -> InfoTexts:
    """Return the first block with times that hold for the areas of all: none of them begins later or ends sooner."""
    texts, blocks = dict(first.texts), (first, *others)
    for name, choose in _CHOSEN.items():
        times = [(read[0], text) for block in blocks if (text := block.texts.get(name)) and (read := read_time(text))]
        chosen = choose(times)[1] if len(times) == len(blocks) else None
        if chosen == texts.pop(name, None):
            texts |= {name: chosen} if chosen else {}
            continue
        texts |= {name: chosen} if chosen else {}
        if name in first.texts:
            notes.lose(f"{first.path}/{name}", "does not hold for the areas of all blocks")
        notes.remark(codes.BLOCKS_DIFFER, first.path, f"its {name} is that of no other block; the widest is taken")
    return replace(first, texts=texts)


def _joined(
    first: InfoTexts, attributes: list[Attribute], other: InfoTexts, notes: Notes
) -> list[Attribute]:  # fmt: skip
    """Return the attributes with what another block of this kind adds; where it says otherwise, the first counts."""
    known = {one[:2] for one in attributes}
    new = [one for one in other.attributes if one[:2] not in known]
    lost = [f"{other.path}/{name}" for name, text in other.texts.items() if text != first.texts.get(name, "")]
    lost += [other.path_of(one) for one in other.ours]
    for path in lost:
        notes.lose(path, "another block says it otherwise; the first is taken")
    if lost:
        notes.remark(codes.BLOCKS_DIFFER, other.path, "says it in other words; its areas are taken")
    elif not first.texts.keys() <= other.texts.keys():
        notes.remark(codes.BLOCKS_DIFFER, other.path, "does not say all that is taken to hold for its areas")
    return [*attributes, *new]
