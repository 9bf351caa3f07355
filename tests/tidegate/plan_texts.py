"""A small sound plan as text, and a reader of files that exist only in a test."""

from collections.abc import Mapping
from pathlib import Path

from tidegate.plan.loading.loader import load_plan
from tidegate.plan.model import Plan

BASE = """\
tidegate: 1
name: small
title: A small plan
service: shop
flag:
  key: new-cart
timezone: Europe/Berlin
approvals: open
guard: 10s
roles:
  lead: [lead@example.com]
  boss: [boss@example.com]
audiences:
  inside:
    groups: [staff]
    matcher: cohort="staff"
  all:
    everyone: true
variants:
  canary: path="new"
  control: path="old"
traffic:
  query: sum(increase(requests_total{ {{ selector }} }[{{ window }}]))
metrics:
  errors:
    title: Errors
    unit: percent
    part: sum(increase(requests_total{outcome="error", {{ selector }} }[{{ window }}]))
    whole: sum(increase(requests_total{ {{ selector }} }[{{ window }}]))
    target: { below: 2% }
    warning: { above: 5% }
    critical: { above: 10% }
  latency:
    title: Latency
    unit: ms
    query: max(latency_ms{ {{ path }} })
waves:
  - name: one
    title: Wave 1
    percent: 10%
    audience: inside
    starts: day 1
    soak: 24h
    interval: 15m
    gate:
      approvers: [lead, boss]
      quorum: 2
    criteria:
      - kind: threshold
        when: during
        text: Errors below 5 percent
        metric: errors
        below: 5%
      - kind: alerts
        when: trigger
        text: Any critical alert
        labels: { severity: critical }
      - { kind: human, when: enter, text: The team is ready, role: lead }
  - name: two
    title: Wave 2
    percent: 50%
    audience: all
    starts: day 3
    soak: 48h
    interval: 5m
    gate:
      approvers: [lead]
    criteria:
      - kind: earlier_waves
        when: during
        text: As wave 1
        waves: [1]
      - kind: threshold
        when: trigger
        text: Slow
        metric: latency
        above: 500ms
        for: 5m
post_rollout:
  soak: 14d
  interval: 5m
  criteria:
    - { kind: threshold, when: during, text: Errors below 2 percent, metric: errors, below: 2% }
rollback:
  proof:
    counter: sum(routed_total{path="new"})
"""


def load(files: Mapping[str, str | bytes], name: str = "plan.yaml") -> Plan:
    """Load the plan `name` from files in memory."""

    def read(path: Path) -> bytes:
        try:
            content = files[str(path)]
        except KeyError:
            raise FileNotFoundError(path) from None
        return content.encode() if isinstance(content, str) else content

    return load_plan(Path(name), read)


def changed(old: str, new: str) -> str:
    """The small plan with the one place `old` replaced."""
    assert BASE.count(old) == 1, f"{old!r} stands {BASE.count(old)} times"
    return BASE.replace(old, new)
