"""Lanes that are killed, join and leave on Apache Kafka: a short run of what `make chaos-lane` does with 2,000,000 fixes."""

from __future__ import annotations

import pytest

from bench.lane.checked import Account, main


@pytest.mark.long
@pytest.mark.kafka
@pytest.mark.timeout(300)
@pytest.mark.parametrize("rebalance", ["cooperative", "eager"])
def test_no_fix_is_lost_or_out_of_order_when_lanes_are_killed_join_and_leave(rebalance: str) -> None:
    assert 0 == main(["--fixes", "80000", "--rows", *(["--eager"] if rebalance == "eager" else [])])


def test_the_account_knows_what_is_missing_doubled_and_out_of_order() -> None:
    account = Account.of(devices=2, fixes=4)
    account.take([0, 0, 1, 0, 0, 1], [0, 2, 0, 1, 2, 0])

    assert (4, 6, 2, 1) == (account.lost, account.records, account.twice, account.out_of_order)
