"""Writes the Grafana dashboards of deploy/grafana: python tools/build_grafana.py

They are made with Grafana's own library, so they have the form that Grafana reads.
`grafana_panels.py` beside this file has what they show.
"""

import json
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.builders import dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.builders.common import (
    ReduceDataOptions,
    StackingConfig,
    VizLegendOptions,
)
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    LegendDisplayMode,
    LegendPlacement,
    StackingMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataSourceRef,
    GridPos,
    Threshold,
    ThresholdsMode,
    VariableOption,
    VariableRefresh,
)
from grafana_panels import DASHBOARDS, Chart, Stat

FOLDER = Path(__file__).parent.parent / "deploy" / "grafana"
_SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
_COLUMNS = 24  # of Grafana's grid


def _query(number: int, expr: str, legend: str) -> prometheus.Dataquery:
    query = prometheus.Dataquery().datasource(_SOURCE).ref_id(chr(ord("A") + number)).expr(expr)
    return query.legend_format(legend)


def _stat(one: Stat) -> stat.Panel:
    panel = stat.Panel().with_target(_query(0, one.expr, "").instant())
    colour = BigValueColorMode.NONE if one.bad is None else BigValueColorMode.VALUE
    steps = [Threshold(value=None, color="green")]
    if one.bad is not None:
        steps.append(Threshold(value=one.bad, color="red"))
    thresholds = dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)
    last = ReduceDataOptions().calcs(["lastNotNull"])
    return panel.color_mode(colour).thresholds(thresholds).reduce_options(last)


def _chart(one: Chart) -> timeseries.Panel:
    panel = timeseries.Panel().min(0.0)
    for number, (expr, legend) in enumerate(one.queries):
        panel = panel.with_target(_query(number, expr, legend))
    legend = VizLegendOptions().display_mode(LegendDisplayMode.LIST)
    panel = panel.legend(legend.placement(LegendPlacement.BOTTOM).show_legend(True))
    if one.stacked:
        panel = panel.fill_opacity(40.0).stacking(StackingConfig().mode(StackingMode.NORMAL))
    return panel


def built(name: str) -> str:
    """Return a dashboard as JSON."""
    one = DASHBOARDS[name]
    source = dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus")
    made = (
        dashboard.Dashboard(one.title)
        .uid(name)
        .description(one.about)
        .tags(["fixfeed"])
        .timezone("utc")
        .refresh("10s")
        .time("now-1h", "now")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(source)
        .with_variable(
            dashboard.QueryVariable("instance")
            .label("Instance")
            .datasource(_SOURCE)
            .query(f"label_values({one.instances}, instance)")
            .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
            .multi(True)
            .include_all(True)
            .all_value(".*")
            .current(VariableOption(selected=True, text="All", value="$__all"))
        )
    )
    identity, down = 0, 0
    for row in one.rows:
        identity += 1
        place = GridPos(h=1, w=_COLUMNS, x=0, y=down)
        made = made.with_row(dashboard.Row(row.title).id(identity).grid_pos(place))
        down += 1
        right = 0
        for shown in row.panels:
            width, height = shown.size
            if right + width > _COLUMNS:
                right, down = 0, down + height
            identity += 1
            panel: Any = _stat(shown) if isinstance(shown, Stat) else _chart(shown)
            place = GridPos(h=height, w=width, x=right, y=down)
            panel = panel.title(shown.title).description(shown.about).unit(shown.unit).id(identity)
            made = made.with_panel(panel.datasource(_SOURCE).grid_pos(place))
            right += width
        down += row.panels[-1].size[1]
    return json.dumps(made.build(), cls=JSONEncoder, indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    for name in DASHBOARDS:
        (FOLDER / f"{name}.json").write_text(built(name))
