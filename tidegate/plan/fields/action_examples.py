"""Worked examples of each kind of action, for the plan reference."""

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
