"""A skip passes on a desk and fails in CI, on one process and on several."""

from __future__ import annotations

from pathlib import Path

import pytest

CONFTEST = Path(__file__).with_name("conftest.py").read_text(encoding="utf-8")
ONE_PROCESS: list[str] = []
TWO_WORKERS = ["-n", "2", "--dist", "loadfile"]


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Give an empty project under our conftest, with CI unset."""
    monkeypatch.delenv("CI", raising=False)
    pytester.makeconftest(CONFTEST)
    return pytester


@pytest.mark.parametrize(
    "arguments", [ONE_PROCESS, pytest.param(TWO_WORKERS, marks=pytest.mark.system)], ids=["one process", "xdist"]
)
def test_a_skipped_test_fails_the_run_only_in_ci(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    project.makepyfile(
        test_some="import pytest\ndef test_runs(): pass\ndef test_waits(): pytest.skip('no engine answers')"
    )

    desk = project.runpytest_subprocess(*arguments)
    monkeypatch.setenv("CI", "true")
    ci = project.runpytest_subprocess(*arguments)

    desk.assert_outcomes(passed=1, skipped=1)
    assert pytest.ExitCode.OK == desk.ret
    assert pytest.ExitCode.TESTS_FAILED == ci.ret
    ci.stdout.fnmatch_lines(["*a skip in CI is a failure*", "*test_some.py::test_waits: Skipped: no engine answers"])


@pytest.mark.parametrize(
    "arguments", [ONE_PROCESS, pytest.param(TWO_WORKERS, marks=pytest.mark.system)], ids=["one process", "xdist"]
)
def test_a_file_skipped_while_it_is_collected_fails_the_run_in_ci(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    project.makepyfile(
        test_some="def test_runs(): pass",
        test_whole_file="import pytest\npytest.importorskip('no_such_package')\ndef test_never(): pass",
    )
    monkeypatch.setenv("CI", "true")

    ci = project.runpytest_subprocess(*arguments)

    assert pytest.ExitCode.TESTS_FAILED == ci.ret
    ci.stdout.fnmatch_lines(["*test_whole_file.py: Skipped: could not import 'no_such_package'*"])


def test_passed_and_expected_failures_stay_green_in_ci(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.makepyfile("import pytest\ndef test_runs(): pass\n@pytest.mark.xfail\ndef test_known(): assert 0")
    monkeypatch.setenv("CI", "true")

    ci = project.runpytest_subprocess()

    ci.assert_outcomes(passed=1, xfailed=1)
    assert pytest.ExitCode.OK == ci.ret


def test_the_corpus_is_where_the_environment_says_and_a_missing_one_is_named(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = project.mkdir("recorded")
    project.makepyfile(f"def test_reads(corpus): assert corpus.samefile({str(recorded)!r})")
    monkeypatch.setenv("BONDMATE_CORPUS", str(recorded))

    found = project.runpytest_subprocess()
    recorded.rmdir()
    missing = project.runpytest_subprocess("-rs")

    found.assert_outcomes(passed=1)
    missing.assert_outcomes(skipped=1)
    missing.stdout.fnmatch_lines(["*no corpus of recorded messages at *recorded; set BONDMATE_CORPUS*"])
