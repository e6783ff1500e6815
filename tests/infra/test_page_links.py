"""Links by which a page is taken, and the page behind them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from bondmate_hub.broker.child import free_port
from bondmate_hub.pages.book import over, taken
from bondmate_hub.pages.link_server import LinkServer, NotTakenError
from bondmate_hub.pages.links import LinkRefusedError, Taker, link_token, taker_of
from bondmate_hub.settings.pages import LinkSection
from bondmate_schemas.enums import Mode
from bondmate_schemas.models import OperationsPage
from hypothesis import given
from hypothesis import strategies as st

KEY = b"a-key-of-tests-only"
NOW = datetime(2026, 12, 1, 3, tzinfo=UTC)
PAGE = OperationsPage(page_id="page-1", reason="alert_unanswered", subject="<b>&", mode=Mode.ACTUAL, raised_at=NOW)


@given(st.text(min_size=1, max_size=60))
def test_a_link_names_its_page_and_step_until_it_expires(page_id: str):
    token = link_token(KEY, page_id, "duty", NOW + timedelta(minutes=1))

    assert Taker(page_id, "duty") == taker_of(KEY, token, NOW + timedelta(seconds=59))
    with pytest.raises(LinkRefusedError, match="expired"):
        taker_of(KEY, token, NOW + timedelta(seconds=60))


@given(st.data())
def test_no_other_text_is_a_link(data: st.DataObject):
    token = link_token(KEY, "page-1", "duty", NOW + timedelta(days=1))
    place = data.draw(st.integers(0, len(token) - 1))
    other = token[:place] + data.draw(st.characters(exclude_characters=token[place])) + token[place + 1 :]

    for wrong in (other, token + "A", token[:-1], data.draw(st.text(max_size=600))):
        with pytest.raises(LinkRefusedError, match="not_a_link"):
            taker_of(KEY, wrong, NOW)
    with pytest.raises(LinkRefusedError, match="not_a_link"):
        taker_of(b"another-key-of-tests", token, NOW)


class Takes:
    """Pages that are taken in memory."""

    def __init__(self) -> None:
        self.end, self.taken_by, self.fails = None, [], False

    def look(self, page_id):
        if self.fails:
            raise NotTakenError
        return (PAGE if page_id == PAGE.page_id else None), self.end

    async def take(self, taker, name):
        self.taken_by.append((taker.step, name))
        self.end = taken(taker.page_id, NOW, name, "by link", taker.step)
        return True


@pytest.fixture
async def served():
    """The address that links begin with, and what they take from."""
    config = LinkSection(url="https://hub.example/pages/", secret=KEY.decode(), port=free_port())
    takes = Takes()
    async with LinkServer(config, takes).serving(), aiohttp.ClientSession() as session:
        yield f"http://127.0.0.1:{config.port}/pages/", takes, session


def token(page_id: str = PAGE.page_id, minutes: float = 5) -> str:
    return link_token(KEY, page_id, "duty", datetime.now(UTC) + timedelta(minutes=minutes))


async def asked(session, method: str, url: str, **form: str) -> tuple[int, str]:
    async with session.request(method, url, data=form or None) as answer:
        assert "no-store" == answer.headers.get("Cache-Control", "no-store")
        return answer.status, await answer.text()


async def test_looking_takes_nothing_and_posting_takes_once(served):
    url, takes, session = served

    looked = await asked(session, "GET", url + token())
    assert [] == takes.taken_by
    took = await asked(session, "POST", url + token(), operator="  kim\n of the duty room " + "x" * 100)
    again = [await asked(session, method, url + token()) for method in ("POST", "GET")]

    assert (200, True) == (looked[0], '<form method="post">' in looked[1])
    assert "&lt;b&gt;&amp;" in looked[1]
    assert 200 == took[0]
    assert [410, 410] == [status for status, _ in again]
    assert [("duty", ("kim of the duty room " + "x" * 100)[:80])] == takes.taken_by


async def test_a_link_that_is_none_or_too_old_or_of_no_page_takes_nothing(served):
    url, takes, session = served

    found = [(await asked(session, "POST", url + each))[0] for each in ("x", token(minutes=-1), token("page-2"))]

    assert [404, 410, 404] == found
    assert [] == takes.taken_by


async def test_while_the_pager_does_not_know_it_asks_to_come_again_and_what_is_over_says_so(served):
    url, takes, session = served

    takes.fails = True
    unknown = await asked(session, "POST", url + token())
    takes.fails, takes.end = False, over(PAGE, NOW)
    ended = await asked(session, "GET", url + token())

    assert (503, 410, True) == (unknown[0], ended[0], "<h1>over</h1>" in ended[1])
