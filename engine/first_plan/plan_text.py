"""The plan as a file: each choice with its reason as a comment."""

from engine.first_plan.answers import InitAnswers
from engine.first_plan.choices import Choices, PlanChoice
from engine.first_plan.seen import ServiceSeen


def plan_text(answers: InitAnswers, seen: ServiceSeen, choices: Choices) -> str:
    """The YAML of a first plan of two waves; it is sound, and meant to be read and changed."""
    of, p = _series(answers, seen), answers
    requests = f"sum(increase({of.counter}{{ {{{{ selector }}}}{of.also} }}[{{{{ window }}}}]))"
    failed = f"sum(increase({of.counter}{{ {of.bad}, {{{{ selector }}}}{of.also} }}[{{{{ window }}}}])) or vector(0)"
    people = {
        role: ", ".join(part.strip() for part in emails.split(","))
        for role, emails in (("lead", p.lead), ("on-call", p.on_call))
    }
    lines = [
        "# Written by `tidegate init` from what Prometheus knew of the service; change what you know better.",
        *(f"# Not found: {sentence}." for sentence in seen.missing),
        "tidegate: 1",
        f"name: {p.name}",
        f'title: "{p.name}"',
        f"service: {p.service_name}",
        f"flag: {{ key: {p.name}, attribute: {p.group_label} }}",
        f"timezone: {p.timezone}",
        "approvals: open  # names are recorded, not proven; `codes` asks for one-time codes",
        _line("scrape_interval", choices.scrape),
        _line("guard", choices.guard),
        "roles:",
        *(f"  {role}: [{emails}]" for role, emails in people.items()),
        "channels: none  # nobody is notified; take this line out once the kit has Slack, PagerDuty or mail",
        "audiences:",
        f"  {p.staff}: {{ groups: [{p.staff}], matcher: '{p.group_label}=\"{p.staff}\"' }}",
        "  everyone: { everyone: true }",
        f"variants: {{ canary: '{p.path_label}=\"{p.new}\"', control: '{p.path_label}=\"{p.old}\"' }}",
        "traffic:",
        f"  # {of.why}",
        f"  query: {requests}",
        f"  window: {choices.window.value}  # {choices.window.why}",
        "metrics:",
        "  errors:",
        "    title: Error rate",
        "    unit: percent",
        f"    part: {failed}",
        f"    whole: {requests}",
        f"    window: {choices.window.value}",
        f"    lookback: {choices.lookback.value}  # {choices.lookback.why}",
        f"    target: {{ below: {choices.warning.value} }}",
        f"    warning: {{ above: {choices.warning.value} }}  # {choices.warning.why}",
        f"    critical: {{ above: {choices.critical.value} }}  # {choices.critical.why}",
        *_latency(of, choices),
        "waves:",
        *_wave(p.staff, "Our own people", "day 1", "24h", choices, first=True),
        *_wave("everyone", "Everybody", "day 3", "48h", choices, first=False),
        "post_rollout:",
        "  soak: 3d",
        f"  interval: {choices.interval.value}",
        "  criteria:",
        *_criteria(choices),
        "rollback:",
        f"  proof: {{ counter: 'sum({p.prefix}_decisions_total{{{p.path_label}=\"{p.new}\"}})' }}  # of the snippet",
    ]
    return "\n".join(lines) + "\n"


class _series:  # noqa: N801 - a small record of this page alone
    """Which series the plan asks: the service's own where they know the path, else those that the snippet counts."""

    def __init__(self, answers: InitAnswers, seen: ServiceSeen) -> None:
        own = seen.counter
        if own is not None and answers.group_label in own.labels and own.knows(answers.path_label, answers.old):
            self.counter, self.bad, self.also = own.name, own.bad, f", {answers.matchers}"
            self.histogram, self.in_seconds = seen.histogram, seen.in_seconds
            self.why = f"{own.name} knows path and group already: {own.a_day:,.0f} requests in {own.seen_words}"
            return
        self.counter, self.bad, self.also = f"{answers.prefix}_requests_total", 'outcome="error"', ""
        self.histogram, self.in_seconds = f"{answers.prefix}_duration_seconds", True
        self.why = "counted by the snippet, since no series of the service knows both path and group"


def _line(name: str, choice: PlanChoice) -> str:
    return f"{name}: {choice.value}  # {choice.why}"


def _latency(of: "_series", choices: Choices) -> list[str]:
    if choices.latency is None or not of.histogram:
        return []
    scale = " * 1000" if of.in_seconds else ""
    rate = f"sum by (le) (rate({of.histogram}_bucket{{ {{{{ selector }}}}{of.also} }}[{{{{ window }}}}]))"
    return [
        "  p95_latency:",
        "    title: P95 latency",
        "    unit: ms",
        f"    query: histogram_quantile(0.95, {rate}){scale}",
        f"    count: sum(increase({of.histogram}_count{{ {{{{ selector }}}}{of.also} }}[{{{{ window }}}}]))",
        f"    window: {choices.window.value}",
        f"    lookback: {choices.lookback.value}",
        f"    target: {{ below: {choices.latency.value} }}",
        f"    warning: {{ above: {choices.latency.value} }}  # {choices.latency.why}",
    ]


def _wave(audience: str, title: str, starts: str, soak: str, choices: Choices, *, first: bool) -> list[str]:
    asked = [] if first else ["      - { kind: human, when: enter, text: Our own people liked it, role: lead }"]
    return [
        f"  - name: {audience}",
        f"    title: {title}",
        "    percent: 100%",
        f"    audience: {audience}",
        f"    starts: {starts}",
        f"    soak: {soak}",
        f"    interval: {choices.interval.value}  # {choices.interval.why}",
        "    gate: { approvers: [lead, on-call] }",
        "    criteria:",
        *(f"  {line}" for line in _criteria(choices)),
        *asked,
    ]


def _criteria(choices: Choices) -> list[str]:
    warning, critical, window = choices.warning.value, choices.critical.value, choices.window.value
    found = [
        f"    - {{ kind: threshold, when: during, text: Errors below {warning}, metric: errors, below: {warning} }}",
        f"    - {{ kind: threshold, when: trigger, text: Errors above {critical} for {window}, metric: errors, "
        f"above: {critical}, for: {window} }}",
    ]
    if choices.latency is not None:
        bound = choices.latency.value
        text = f"text: P95 latency below {bound}, metric: p95_latency, below: {bound}"
        found.append(f"    - {{ kind: threshold, when: during, {text} }}")
    return found
