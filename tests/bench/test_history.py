"""What `make bench` measured is kept line by line, and drawn: each figure once, its limit, machines apart."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

from bench.history import Figure, append, file_name, files, plot, runs, series

SVG = "{http://www.w3.org/2000/svg}"


def test_a_run_adds_one_line_and_takes_none_away(tmp_path: Path) -> None:
    kept = tmp_path / "history.jsonl"
    append([Figure("lost", "events", 0, 0)], load_before=0.2, kept=kept)
    first = kept.read_text()
    append([Figure("lost", "events", 3, 0), Figure("speed", "1/s", 7.12345)], load_before=9.0, kept=kept)

    assert kept.read_text().startswith(first)
    assert [0, 3] == [run["figures"][0]["value"] for run in runs(kept)]
    assert {"at", "version", "commit", "machine", "load_before", "figures"} == set(runs(kept)[1])
    assert {"name": "speed", "unit": "1/s", "value": 7.123, "limit": None} == json.loads(
        kept.read_text().splitlines()[1]
    )["figures"][1]


def test_a_figure_is_drawn_inside_its_frame_with_its_limit_and_a_line_a_machine(tmp_path: Path) -> None:
    kept = tmp_path / "history.jsonl"
    for value in (12, 90, 30):
        append([Figure("time to <room>, p99", "ms", value, 40)], load_before=0.0, kept=kept)
    found = runs(kept)
    found[1]["machine"] = "another"

    ((name, points),) = series(found).items()
    picture = ET.fromstring(plot(name, points))

    assert 2 == len(list(picture.iter(f"{SVG}polyline")))
    assert 3 == len(list(picture.iter(f"{SVG}circle")))
    assert 1 == sum("stroke-dasharray" in path.attrib for path in picture.iter(f"{SVG}path"))
    for circle in picture.iter(f"{SVG}circle"):
        assert 0 < float(circle.attrib["cx"]) < 640
        assert 20 < float(circle.attrib["cy"]) <= 152


def test_the_page_shows_each_plot_and_each_run_and_says_so_when_there_is_none(tmp_path: Path) -> None:
    kept = tmp_path / "history.jsonl"
    (empty,) = files(runs(kept)).values()
    append([Figure("lost", "events", 0, 0)], load_before=0.25, kept=kept)
    page, drawn = files(runs(kept)).values()

    assert "No run has been kept yet." in empty
    assert "(bench-history/lost.svg)" in page
    assert "| 0.25 |" in page
    assert drawn.startswith("<svg")
    assert "post-to-tak-p50.svg" == file_name("POST to TAK, p50")
