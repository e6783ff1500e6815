"""A feed that gives nothing, or a part of what it holds, never looks healthy and without news (F7)."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from bondmate_connectors.contract import Status
from bondmate_connectors.platforms.cap_pickup.config import FeedConfig
from bondmate_connectors.platforms.cap_pickup.feed import Feed
from bondmate_connectors.testing import Reported, context

NEXT = '<link rel="next" href="{}"/>'
LINK = '<entry><link type="application/cap+xml" href="{}"/></entry>'
OUTSIDE = "https://cdn.example.org/a.cap"
INSIDE = (
    '<entry><content type="text/xml"><alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><identifier>{}</identifier>'
    "</alert></content></entry>"
)


def feed(*entries):
    return f'<feed xmlns="http://www.w3.org/2005/Atom">{"".join(entries)}</feed>'


@asynccontextmanager
async def serving(pages):
    async def answer(request):
        page = pages.get(request.path)
        return web.Response(text=page, content_type="application/xml") if page else web.Response(status=404)

    app = web.Application()
    app.router.add_get("/{any:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/feed"
    finally:
        await runner.cleanup()


async def looked(pages, **settings):
    """The names of what one look finds, and what the feed says of itself last."""
    reported = Reported()
    async with serving(pages) as url:
        place = Feed(FeedConfig(url=url, **settings), context("pickup", reported), max_bytes=1 << 20)
        await place.open()
        try:
            found = [each.name for each in await place.look(lambda _: False)]
        finally:
            await place.close()
    return found, reported.statuses[-1], place.without_alert


@pytest.mark.parametrize("link", [OUTSIDE, "file:///a.cap", "http://user@127.0.0.1/a.cap"])
async def test_links_to_places_that_are_not_allowed_are_counted_and_said(link):
    found, (status, said), without = await looked({"/feed": feed(LINK.format(link), LINK.format(OUTSIDE))})
    assert ([], Status.RECOVERABLE_ERROR) == (found, status)
    assert "feed.link_hosts" in said
    assert len({link, OUTSIDE}) == without

    found, (status, said), without = await looked({"/feed": feed(LINK.format("/a"), LINK.format(link)), "/a": "<a/>"})
    assert (["/a"], Status.OK, 1) == (found, status, without)
    assert said.startswith("1 links to a place that is not allowed")


@pytest.mark.parametrize(
    ("second", "status", "said"),
    [
        ("<html/>", Status.RECOVERABLE_ERROR, "cannot be had|no feed"),
        ("<status/>", Status.RECOVERABLE_ERROR, "no feed"),
        ("<broken", Status.RECOVERABLE_ERROR, "no feed"),
        (feed(NEXT.format("/third"), LINK.format("/b")), Status.OK, "feed.most_pages"),
    ],
)
async def test_pages_that_are_not_read_are_said(second, status, said):
    pages = {"/feed": feed(NEXT.format("/second"), LINK.format("/a")), "/second": second, "/a": "<a/>", "/b": "<b/>"}
    found, told, _ = await looked(pages, most_pages=2)

    assert "/a" in found
    assert status is told[0]
    assert any(one in told[1] for one in said.split("|"))


async def test_a_page_elsewhere_is_said():
    _, told, _ = await looked({"/feed": feed(NEXT.format(OUTSIDE), LINK.format("/a")), "/a": "<a/>"})

    assert Status.RECOVERABLE_ERROR is told[0]
    assert "feed.link_hosts" in told[1]


async def test_alerts_inside_a_page_are_taken_beside_what_it_links_to():
    first = feed(NEXT.format("/second"), INSIDE.format("a"), LINK.format("/a"))
    second = feed(INSIDE.format("b"), LINK.format("/b"))
    pages = {"/feed": first, "/second": second, "/a": "<a/>", "/b": "<b/>"}

    assert (["/feed", "/second", "/a", "/b"], (Status.OK, ""), 0) == await looked(pages)
