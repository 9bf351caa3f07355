"""What was done and what happened, as marks in a chart: a line, its symbol, and a link to its evidence on the page."""

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from console.dashboard.charts.time_axis import TimeAxis
from tidegate.views.course import Event

_MOST = 40
_APART = 9.0  # what lies nearer is one mark


def marked(events: Iterable[Event]) -> tuple[Event, ...]:
    """Those with a mark, newest first, as many as a chart bears."""
    return tuple([event for event in events if event.mark][:_MOST])


def event_marks(events: Iterable[Event], axis: TimeAxis, top: float, bottom: float) -> Iterator[str]:
    """A line for each place, its symbol above it, and the words for whoever points at it."""
    for group in _groups([event for event in marked(events) if axis.shows(event.at)], axis):
        # The newest of several at one place is what came of the others.
        newest, x = group[-1], axis.x(group[-1].at)
        words = "\n".join(f"{event.at:%b %d %H:%M} UTC: {event.words}" for event in group)
        yield (
            f'<a class="event" href="#e{newest.sequence}" tabindex="-1"><title>{escape(words)}</title>'
            f'<line x1="{x}" x2="{x}" y1="{top}" y2="{bottom}"/>'
            f'<text x="{x}" y="{top - 2}" text-anchor="middle">{newest.mark}</text></a>'
        )


def _groups(newest_first: Sequence[Event], axis: TimeAxis) -> Iterator[list[Event]]:
    group: list[Event] = []
    for event in reversed(newest_first):
        if group and axis.x(event.at) - axis.x(group[0].at) >= _APART:
            yield group
            group = []
        group.append(event)
    if group:
        yield group
