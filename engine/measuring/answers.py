"""What an evaluation answers to a criterion's requests: from Prometheus, the journal and the other connections, now."""

from collections.abc import Mapping, Sequence

from engine.measuring.alarm_test import newest_test
from engine.measuring.counts import counted
from engine.measuring.figures import figure
from engine.measuring.sources import MetricSnapshot
from engine.measuring.synthetic import probed
from tidegate.criteria import requests
from tidegate.criteria.comparisons.counts import Counted, bounds_watched, of_present_stay
from tidegate.criteria.external.known_requests import Probed
from tidegate.criteria.metrics.queries import Widened, metric_queries, metric_reading, windowed_query
from tidegate.criteria.metrics.references import reference_reading, zero_where_absent
from tidegate.journal.records import TestRecord
from tidegate.journal.state import WaveRecord
from tidegate.values.samples import AlertReading, NoData, NoDataReason, Reading, Sample

# What the metrics as read, and the journal, answer: nobody is asked for it.
AT_HAND = (requests.MetricNow, requests.Widening, requests.TrafficFlows, requests.Reference, requests.Reviews)


class LiveAnswers(requests.Answers):
    """The answers of one evaluation to one criterion; each is asked for when needed, and once for all criteria."""

    def __init__(self, seen: MetricSnapshot, criterion_id: str) -> None:
        self._seen = seen
        self._id = criterion_id

    def metric(self, request: requests.MetricNow) -> Reading:
        """As the snapshot has it."""
        return self._seen.metrics[request.metric]

    def widening(self, request: requests.Widening) -> Widened | None:
        """As the snapshot was read."""
        return self._seen.widened(request.metric)

    def traffic_flows(self, request: requests.TrafficFlows) -> bool:
        """Whether requests were counted on the new path."""
        traffic = self._seen.raw.get("traffic_canary")
        return isinstance(traffic, Sample) and traffic.value > 0

    def control(self, request: requests.ControlNow) -> Reading:
        """An error counter that never counted is zero, a path without requests is none.

        What is gone as a whole is a gap or a dead old path: nothing to compare with, and nothing to go back to.
        """
        plan, metric = self._seen.run.plan, request.metric
        asked = metric_queries(plan, metric, self._seen.wave, request.span, plan.variants.control)
        answers = dict(self._seen.instant(asked, plan.metrics[metric].stale_after))
        whole = answers.get(f"{metric}_whole", answers.get(f"{metric}_count"))
        if isinstance(whole, NoData) and whole.reason is NoDataReason.NO_SERIES:
            return NoData(NoDataReason.TOO_FEW, whole.at, "it shows no requests at all")
        if (part := f"{metric}_part") in answers:
            answers[part] = zero_where_absent(answers[part], answers[f"{metric}_whole"])
        return metric_reading(plan, metric, answers)

    def metric_past(self, request: requests.MetricPast) -> list[Sample] | NoData:
        """Points no closer than two guard checks."""
        seen = self._seen
        query = windowed_query(seen.run.plan, request.metric, seen.wave, seen.run.timing)
        return seen.past(query, request.start, max(request.step, seen.run.timing.guard))

    def instant(self, request: requests.Instant) -> Mapping[str, Reading]:
        """All queries in one round trip."""
        return self._seen.instant(dict(request.queries))

    def events(self, request: requests.Events) -> Reading:
        """Without asking how old it is."""
        return self._seen.events(request.query)

    def range(self, request: requests.Range) -> list[Sample] | NoData:
        """The last point is this very instant."""
        return self._seen.past(request.query, request.start, request.step)

    def alerts(self, request: requests.AlertsNow) -> AlertReading:
        """As Prometheus has them now."""
        return self._seen.alerts(dict(request.labels), request.rules)

    def figure(self, request: requests.Figure) -> Reading:
        """As the web source answers now."""
        return figure(self._seen, request.source, request.pointer)

    def counts(self, request: requests.CountsSoFar) -> Counted:
        """All rows of the journal, and the newest ticks."""
        found = counted(self._seen, request.series)
        return of_present_stay(found, self._seen.run.state.stays) if request.present_stay else found

    def counts_of_bounds(self, request: requests.CountsOfBounds) -> Sequence[Counted]:
        """At the bounds that the week before the first wave chose, for good; until it is known, at every one."""
        chosen = bounds_watched(request.series, self._seen.run.state.evidence.counts_before)
        return [counted(self._seen, series) for series in (request.series if chosen is None else chosen)]

    def reference(self, request: requests.Reference) -> Reading | None:
        """As journalled."""
        return reference_reading(self._seen.run.state.evidence.references, request.number, request.metric)

    def reviews(self, request: requests.Reviews) -> WaveRecord | None:
        """As journalled."""
        return self._seen.run.state.record

    def known_requests(self, request: requests.KnownRequests) -> Probed:
        """Sent now, or within the last minute."""
        return probed(self._seen, request.asked)

    def alarm_sent(self, request: requests.AlarmSent) -> TestRecord | None:
        """The newest recorded one, or one sent and recorded now."""
        return newest_test(self._seen, self._id, request)
