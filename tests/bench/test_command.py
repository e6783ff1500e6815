"""The command of the fault laboratory does not call a run sound in which nothing was run."""

from __future__ import annotations

import pytest

from bench.chaos.__main__ import main


def test_a_name_that_means_no_scenario_is_refused_and_one_that_means_some_lists_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["bench.chaos", "--list", "--only", "no such scenario"])
    with pytest.raises(SystemExit) as ended:
        main()

    assert 2 == ended.value.code
    assert "--list shows" in capsys.readouterr().err

    monkeypatch.setattr("sys.argv", ["bench.chaos", "--list", "--only", "streams killed"])

    assert 0 == main()
    assert 2 == len(capsys.readouterr().out.splitlines())
