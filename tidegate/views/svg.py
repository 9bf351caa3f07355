"""Small drawings without any library: shapes of an SVG document, everything in them escaped."""

from collections.abc import Iterable, Sequence
from html import escape

_STYLE = (
    "text{font:11px system-ui,sans-serif;fill:#333}.title{font-size:14px;font-weight:600}.quiet{fill:#767676}"
    ".frame{fill:none;stroke:#bbb}.bound{fill:none;stroke:#b3261e;stroke-width:1.5;stroke-dasharray:5 3}"
    ".curve{fill:none;stroke:#1a5fb4;stroke-width:1.5}.now{stroke:#767676;stroke-dasharray:2 2}"
    ".well{fill:#d9ead3}.unsure{fill:#fbe8b5}.no-data{fill:#8c8c8c}.fired{fill:#b3261e}.base{fill:#f2f2f2}"
)


def drawing(width: int, height: int, title: str, parts: Iterable[str]) -> str:
    """A whole SVG document; the title is what is read aloud."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    title_part = f'role="img"><title>{escape(title)}</title><style>{_STYLE}</style>'
    return f'{head} {title_part}<rect width="{width}" height="{height}" fill="#fff"/>{"".join(parts)}</svg>\n'


def text(x: float, y: float, words: str, name: str = "", anchor: str = "start") -> str:
    """Words at a place."""
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{name}" text-anchor="{anchor}">{escape(words)}</text>'


def box(x: float, y: float, width: float, height: float, name: str) -> str:
    """A filled rectangle."""
    return f'<rect x="{x:.2f}" y="{y:.1f}" width="{width:.2f}" height="{height:.1f}" class="{name}"/>'


def line(x1: float, y1: float, x2: float, y2: float, name: str) -> str:
    """A straight line."""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{name}"/>'


def curve(points: Sequence[tuple[float, float]], name: str) -> str:
    """A line through points; one point alone is a dot."""
    if len(points) == 1:
        return f'<circle cx="{points[0][0]:.1f}" cy="{points[0][1]:.1f}" r="2" class="fired"/>'
    return f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}" class="{name}"/>'
