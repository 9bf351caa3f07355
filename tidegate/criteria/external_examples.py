"""Worked examples: each kind of criterion that asks something other than Prometheus, and each kind of action."""

OUTSIDE_EXAMPLES = {
    "count": """\
kind: count
when: trigger
text: Customer escalations > 5
source: escalations # a web source of the connections; it answers {"open": 2}
pointer: /open
above: 5
""",
    "cost": """\
kind: cost
when: enter
text: Cost < $300/month
query: sum(instances{service="shop"}) # or, from a web source: source and pointer
price: $30.37 # what one of them costs a month
below: $300
""",
    "synthetic": """\
kind: synthetic
when: during
text: Known requests are answered rightly
source: shop # a web source of the connections
known: /synthetic # it answers [{"id": "a", "body": {}, "answer": {}}]
send: /orders
new: { user: synthetic-new, group: synthetic } # a group of flag.always_on
legacy: { user: synthetic-old, group: synthetic-control } # a group of flag.always_off
path_header: x-path # the answer says which path it took
patience: 2s
""",
    "alarm_test": """\
kind: alarm_test
when: enter
text: All ALARM tests pass
rules: alert-rule-tests # a command of the connections, such as promtool test rules
reaches: [slack, pagerduty]
fresh: 24h
""",
}

ACTION_EXAMPLES = {
    "automatic": """\
do: automatic
by: monitor
every: 15m # refused when the wave's interval is longer
text: Monitor metrics every 15min
""",
    "task": """\
do: task
role: engineering-lead
text: Team reviews logs, acknowledges behavior # handed over at the start, asked for at the next gate
""",
    "notice": """\
do: notice
at: ["9:00", "17:00"] # each day in the plan's time zone, as long as the wave lasts
roles: [incident-commander]
text: Daily 9am + 5pm sync with team
""",
    "standby": """\
do: standby
role: incident-commander
service: batch-patches # somebody must be on call for it in PagerDuty, where that can be read
text: Incident commander on standby for 48h
""",
}
