"""What surrounds a role."""

from __future__ import annotations

import threading

import pytest
from bondmate_hub.roles import run
from bondmate_hub.settings import Settings


async def test_the_build_is_asked_for_off_the_event_loop_since_git_may_take_seconds(monkeypatch):
    def asked(_):
        raise LookupError(threading.current_thread() is threading.main_thread())

    monkeypatch.setattr(run.announce, "role", asked)
    with pytest.raises(LookupError) as told:
        async with run._surrounded("streams", Settings()):
            pass

    assert (False,) == told.value.args
