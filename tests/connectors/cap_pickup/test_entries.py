"""Where the entries of strangers' feeds lead: Atom and RSS, typed or not, from whichever base, in several pages."""

from __future__ import annotations

import pytest
from aiohttp import web
from bondmate_connectors.contract import Status
from bondmate_connectors.errors import AuthFailed
from bondmate_connectors.platforms.cap_pickup.config import FeedConfig
from bondmate_connectors.platforms.cap_pickup.entries import entries_of
from bondmate_connectors.platforms.cap_pickup.feed import Feed
from bondmate_connectors.testing import Reported, context
from lxml import etree
from yarl import URL

from .conftest import TOKEN, alert
from .test_pickup import take

FEED = URL("https://wx.example.org/feeds/index.xml")
ATOM = '<feed xmlns="http://www.w3.org/2005/Atom"{}>{}</feed>'


def atom(entry, more=""):
    return entries_of(etree.fromstring(ATOM.format(more, f"<entry>{entry}</entry>")), FEED)


def rss(item):
    return entries_of(etree.fromstring(f"<rss><channel><item>{item}</item></channel></rss>"), FEED)


def urls(found):
    return [str(link.url) for link in found.links]


@pytest.mark.parametrize(
    ("entry", "more", "leads_to"),
    [
        ('<link type="application/cap+xml" href="a"/>', "", "https://wx.example.org/feeds/a"),
        ('<link type="application/cap+xml;charset=utf-8" href="/a"/>', "", "https://wx.example.org/a"),
        ('<link type="application/cap+xml" href="a"/>', ' xml:base="/caps/"', "https://wx.example.org/caps/a"),
        ('<link type="application/cap+xml" href="a" xml:base="x/"/>', ' xml:base="/caps/"',
         "https://wx.example.org/caps/x/a"),
        ('<link type="application/cap+xml" href="a"/>', ' xml:base="https://cdn.example.org/c/"',
         "https://cdn.example.org/c/a"),
        ('<content src="b" type="application/cap+xml"/>', "", "https://wx.example.org/feeds/b"),
        ('<content src="b" type="text/xml"/>', "", "https://wx.example.org/feeds/b"),
        ('<link rel="enclosure" type="application/xml" href="c"/>', "", "https://wx.example.org/feeds/c"),
        ('<link href="d.xml"/>', "", "https://wx.example.org/feeds/d.xml"),
        ('<link type="text/html" href="page"/><link href="d.cap"/>', "", "https://wx.example.org/feeds/d.cap"),
        ('<link type="text/xml" href="meta"/><link type="application/cap+xml" href="e"/>', "",
         "https://wx.example.org/feeds/e"),
    ],
)  # fmt: skip
def test_an_atom_entry_leads_to_its_alert(entry, more, leads_to):
    found = atom(entry, more)

    assert ([leads_to], 0) == (urls(found), found.without)


@pytest.mark.parametrize(
    ("item", "leads_to"),
    [
        ('<enclosure url="/cap/1" type="application/cap+xml" length="9"/>', "https://wx.example.org/cap/1"),
        ('<enclosure url="/cap/2" type="text/xml"/><link>https://wx.example.org/page</link>',
         "https://wx.example.org/cap/2"),
        ("<link>https://wx.example.org/cap/3.xml</link>", "https://wx.example.org/cap/3.xml"),
    ],
)  # fmt: skip
def test_an_rss_item_leads_to_its_alert(item, leads_to):
    found = rss(item)

    assert ([leads_to], 0) == (urls(found), found.without)


@pytest.mark.parametrize(
    "entry",
    [
        "",
        '<link type="application/cap+xml" href="https://xn--a/x.xml"/>',
        '<link type="text/html" href="page"/>',
        '<link rel="self" href="entry.xml"/>',
        '<link href=" "/>',
    ],
)
def test_an_entry_that_leads_to_no_alert_is_counted(entry):
    found = atom(entry)

    assert ([], 1) == (urls(found), found.without)


RDF = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"'


@pytest.mark.parametrize(
    "feed",
    [
        f"<rdf:RDF {RDF}><channel/><item><link>https://wx.example.org/a.cap</link></item></rdf:RDF>",
        '<rss xmlns="http://backend.userland.com/rss2"><channel><item><link>/a.cap</link></item></channel></rss>',
        '<feed xmlns="http://purl.org/atom/ns#"><entry><link type="application/cap+xml" href="/a.cap"/></entry></feed>',
        '<rss xmlns:a="http://www.w3.org/2005/Atom"><channel><item><a:link href="/a.cap"/></item></channel></rss>',
        ATOM.format("", '<entry><link rel=" Alternate" href="/a.cap"/><link rel="SELF" href="/b.cap"/></entry>'),
    ],
)
def test_other_versions_of_feeds_are_read_like_those(feed):
    assert ["https://wx.example.org/a.cap"] == urls(entries_of(etree.fromstring(feed), FEED))


@pytest.mark.parametrize(
    "feed",
    [
        ATOM.format("", '<link rel="NEXT" href="?page=2"/>'),
        '<rss><channel><a:link xmlns:a="http://www.w3.org/2005/Atom" rel="next" href="?page=2"/></channel></rss>',
    ],
)
def test_the_next_page_is_found_wherever_a_feed_names_it(feed):
    assert FEED.with_query("page=2") == entries_of(etree.fromstring(feed), FEED).next_page


async def test_another_document_in_the_place_of_a_feed_does_not_look_like_one_without_news(server, monkeypatch):
    reported = Reported()
    feed = Feed(FeedConfig(url=server.url, token=TOKEN), context("pickup", reported), max_bytes=1 << 20)
    pages = [b"<status>maintenance</status>", ATOM.format("", "").encode()]

    async def said(request):
        return web.Response(body=pages[0], content_type="text/xml")

    monkeypatch.setattr(server, "feed", said)
    await server.shut()
    await server.open()
    await feed.open()
    nothing = await feed.look(lambda _: False)
    pages.pop(0)
    await feed.look(lambda _: False)
    await feed.close()

    assert [] == nothing
    assert [
        (Status.RECOVERABLE_ERROR, "what is at `feed.url` is no feed"), (Status.OK, "")
    ] == reported.statuses  # fmt: skip


def test_the_same_entry_updated_is_another_and_repeated_the_same():
    entry = '<entry><updated>{}</updated><link type="application/cap+xml" href="a"/></entry>'
    found = entries_of(etree.fromstring(ATOM.format("", entry.format(1) * 2 + entry.format(2))), FEED)

    assert ["1", "2"] == [link.updated for link in found.links]


def page(number, pages, base):
    following = (
        f'<link rel="next" href="?page={number + 1}"/>' if number < pages else f'<link rel="next" href="{base}"/>'
    )
    entry = f'<entry><link type="application/cap+xml" href="/alerts/p{number}"/></entry>'
    return ATOM.format("", following + entry).encode()


async def test_every_page_is_followed_once_and_no_more_than_the_settings_allow(server, from_feed, monkeypatch):
    async def paged(request):
        return web.Response(body=page(int(request.query.get("page", 1)), 4, server.url), content_type="text/xml")

    monkeypatch.setattr(server, "feed", paged)
    await server.shut()
    await server.open()
    for number in range(1, 5):
        server.put(f"p{number}", alert(f"p{number}"))
    for most, expected in ((2, {"p1", "p2"}), (10, {"p3", "p4"})):
        connector = from_feed(feed={"most_pages": most})
        await connector.connect()
        taken = {(await take(connector)).header.origin_message_id for _ in expected}
        await connector.close()

        assert expected == taken


@pytest.mark.parametrize("status", [400, 404, 503])
async def test_a_page_that_cannot_be_had_costs_those_before_it_nothing(server, from_feed, monkeypatch, status):
    async def paged(request):
        if "page" in request.query:
            return web.Response(status=server.statuses.get("page 2", 200), body=page(2, 1, server.url))
        return web.Response(body=page(1, 4, server.url), content_type="text/xml")

    monkeypatch.setattr(server, "feed", paged)
    await server.shut()
    await server.open()
    for number in (1, 2):
        server.put(f"p{number}", alert(f"p{number}"))
    server.statuses["page 2"] = status
    connector = from_feed()
    await connector.connect()
    first = (await take(connector)).header.origin_message_id
    server.statuses["page 2"] = 200
    second = (await take(connector)).header.origin_message_id
    await connector.close()

    assert ("p1", "p2") == (first, second)


async def test_a_feed_that_calls_our_request_bad_is_asked_again(server, from_feed):
    connector = from_feed()
    await connector.connect()
    server.status = 400
    with pytest.raises(AuthFailed, match="http_400"):
        await connector.receive()
    server.status = 0
    server.put("a", alert("a"))
    taken = await take(connector)
    await connector.close()

    assert "a" == taken.header.origin_message_id


async def test_a_feed_of_which_nothing_is_understood_does_not_look_like_one_without_news(server):
    reported = Reported()
    feed = Feed(FeedConfig(url=server.url, token=TOKEN), context("pickup", reported), max_bytes=1 << 20)
    server.links["a"] = "/page"
    server.link_type = "text/html"
    await feed.open()
    nothing = await feed.look(lambda _: False)
    server.put("a", alert("a"))
    server.link_type = "application/cap+xml"
    something = await feed.look(lambda _: False)
    await feed.close()

    assert [(Status.RECOVERABLE_ERROR, "1 entries, none leads to CAP"), (Status.OK, "")] == reported.statuses
    assert [0, 1] == [len(nothing), len(something)]
