"""The page of the architecture names what is there: modules, what stands in them, topics; and draws every hop once."""

from __future__ import annotations

from pkgutil import resolve_name
from xml.etree import ElementTree as ET

import pytest
from bondmate_hub.docs.architecture import WAYS, Way, architecture_page
from bondmate_hub.docs.architecture_drawing import drawing
from bondmate_schemas import catalogue

TOPICS = {topic.name for topic in catalogue.topics(destinations=("<destination>",))}


def hops(way: Way):
    return [(band, hop) for band in way.bands for hop in band.hops]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.file)
def test_each_hop_is_a_topic_of_the_catalogue_or_stands_in_the_code_under_its_name(way: Way) -> None:
    for band, hop in hops(way):
        if band.is_topic:
            assert hop.name in TOPICS
        elif hop.module:
            assert hop.module == getattr(resolve_name(hop.name), "__module__", hop.module)
        else:
            assert "control room" == hop.name


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.file)
def test_the_drawing_shows_each_hop_inside_its_frame(way: Way) -> None:
    picture = ET.fromstring(drawing(way))
    _, _, wide, high = map(int, picture.attrib["viewBox"].split())
    words = [text.text or "" for text in picture.iter("{http://www.w3.org/2000/svg}text")]

    topics = [hop.name for band, hop in hops(way) if band.is_topic]
    for number, (band, hop) in enumerate(hops(way), start=1):
        if band.is_topic:  # a way may come by one twice
            assert topics.count(hop.name) == words.count(hop.name)
        else:
            assert 1 == words.count(f"{number} {hop.title}")
    for box in picture.iter("{http://www.w3.org/2000/svg}rect"):
        assert int(box.attrib.get("x", 0)) + int(box.attrib["width"]) <= wide
        assert int(box.attrib.get("y", 0)) + int(box.attrib["height"]) <= high


def test_the_page_shows_every_way_and_links_every_module() -> None:
    page = architecture_page()

    for way in WAYS:
        assert f"(architecture/{way.file}.svg)" in page
        for _, hop in hops(way):
            assert not hop.module or f"[{hop.module}](../" in page
