"""A curve as a few lines of text, its bound drawn in."""

from collections.abc import Iterator

from tidegate.explain.curves import Curve

_WIDTH, _HEIGHT = 60, 6
_POINT, _BOUND, _BOTH = "•", "─", "◉"


def chart_lines(curve: Curve) -> Iterator[str]:
    """Nothing where there is no curve: one point is none."""
    if len(curve.points) < 2:
        return
    values = [value for _, value in curve.points]
    low, high = min(values), max(values)
    if curve.bound is not None:
        low, high = min(low, curve.bound), max(high, curve.bound)
    rows = [[" "] * _WIDTH for _ in range(_HEIGHT)]

    def row(value: float) -> int:
        return _HEIGHT - 1 - round((_HEIGHT - 1) * ((value - low) / (high - low) if high > low else 0.5))

    if curve.bound is not None:
        rows[row(curve.bound)] = [_BOUND] * _WIDTH
    first, last = curve.points[0][0], curve.points[-1][0]
    span = (last - first).total_seconds() or 1.0
    for at, value in curve.points:
        column, place = round((_WIDTH - 1) * (at - first).total_seconds() / span), row(value)
        rows[place][column] = _BOTH if curve.bound is not None and place == row(curve.bound) else _POINT
    for number, cells in enumerate(rows):
        label = f"{high:.3g}" if number == 0 else f"{low:.3g}" if number == _HEIGHT - 1 else ""
        label_of_bound = f" bound {curve.bound:.3g}" if curve.bound is not None and number == row(curve.bound) else ""
        yield f"{label:>8} │{''.join(cells)}{label_of_bound}"
    yield f"{curve.unit[-8:]:>8} └{first:%b %d %H:%M}{f'{last:%b %d %H:%M} UTC':>{_WIDTH - 12}}"
