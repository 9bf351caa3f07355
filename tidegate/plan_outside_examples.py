"""A worked example of each kind of criterion that asks something other than Prometheus."""

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
