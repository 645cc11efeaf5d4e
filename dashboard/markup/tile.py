"""A number with its name and how it went over time, as a tile that leads to what it counts."""

from collections.abc import Sequence

from fixfeed.dashboard.markup.text import escaped

__all__ = ["tile_of", "tiles_of"]


def tile_of(
    title: str, value: int, told: str, address: str, line: Sequence[int] = (), *, bad: bool = False
) -> str:
    """Return a tile: `told` is said below the number, `line` is drawn beside it."""
    red = " ff-tile-bad" if bad else ""
    return (
        f'<a class="ff-tile{red}" href="{escaped(address)}" target="_self">'
        f'<span class="ff-fact">{escaped(title)}</span><b>{value:,}</b>'
        f'<span class="ff-place">{escaped(told) or "&nbsp;"}</span>{_bars(line)}</a>'
    )


def tiles_of(tiles: Sequence[str]) -> str:
    """Return tiles side by side, below each other where there is no room."""
    return f'<div class="ff-tiles">{"".join(tiles)}</div>'


def _bars(line: Sequence[int]) -> str:
    most = max(line, default=0)
    if most <= 0:
        return ""
    bars = "".join(
        f'<i style="height:{max(4, 100 * one // most) if one else 0}%"></i>' for one in line
    )
    return f'<span class="ff-bars" aria-hidden="true">{bars}</span>'
