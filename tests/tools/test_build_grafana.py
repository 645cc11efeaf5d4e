"""The shipped dashboards are those that the tool builds, and fit together."""

import itertools
import json
import re
from pathlib import Path

import pytest

from fixfeed.pipelines.instruments import COUNTED, GATEWAY, TOLD

ROOT = Path(__file__).parents[2]
SHIPPED = sorted((ROOT / "deploy" / "grafana").glob("*.json"))
OF_THE_PROCESS = {"process_resident_memory_bytes", "process_cpu_seconds_total"}


def panels(file):
    return json.loads(file.read_text())["panels"]


def test_the_shipped_dashboards_are_those_that_are_built(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    from build_grafana import DASHBOARDS, built

    assert {file.stem for file in SHIPPED} == set(DASHBOARDS)
    for file in SHIPPED:
        assert file.read_text() == built(file.stem)


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_panels_have_a_place_of_their_own(file):
    cells = [
        {
            (place["x"] + right, place["y"] + down)
            for right in range(place["w"])
            for down in range(place["h"])
        }
        for place in (panel["gridPos"] for panel in panels(file))
    ]
    assert all(one.isdisjoint(other) for one, other in itertools.combinations(cells, 2))
    assert max(right for one in cells for right, _ in one) == 23
    identities = [panel["id"] for panel in panels(file)]
    assert len(set(identities)) == len(identities)


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_queries_ask_for_metrics_that_there_are_where_the_user_says(file):
    known = {*COUNTED, *TOLD, *GATEWAY, *OF_THE_PROCESS}
    known |= {f"{name}_bucket" for name in known}
    shown = json.loads(file.read_text())
    assert shown["uid"] == file.stem
    assert [one["name"] for one in shown["templating"]["list"]] == ["datasource", "instance"]
    for panel in panels(file):
        for target in panel.get("targets", []):
            assert target["datasource"]["uid"] == "${datasource}"
            assert 'instance=~"$instance"' in target["expr"]
            names = re.findall(r"\b(?:fixfeed|process)_\w+", target["expr"])
            assert names
            assert set(names) <= {*known, "fixfeed_source_lag_"}
