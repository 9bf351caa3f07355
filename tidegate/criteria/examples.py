"""One worked example for each kind of criterion; printed in the plan reference, and read by the models in a test."""

CRITERION_EXAMPLES: dict[str, str] = {
    "threshold": """\
# Rolls back when more than a tenth of the requests fail for five minutes.
kind: threshold
when: trigger
text: Error rate > 10% for > 5min
metric: error_rate
above: 10%
for: 5m
""",
    "alerts": """\
# Asked at the gate and in each review; passes only where a healthy rule with these labels could have fired.
kind: alerts
when: [enter, during]
text: Zero CRITICAL alerts
labels: { severity: critical, service: batch-patches }
""",
    "earlier_waves": """\
kind: earlier_waves
when: during
text: All Wave 1-2 criteria still met
waves: [1, 2]
""",
    "human": """\
kind: human
when: enter
text: Team comfortable with monitoring
role: engineering-lead
""",
    "change": """\
# Slower by half than the old path at this very moment; at 100% nobody is left there, and the baseline stands in.
kind: change
when: trigger
text: Performance degradation > 50%
metric: p95_latency
to: control
substitute: baseline
how: relative
above: 50%
""",
    "trend": """\
# Fails when a metric gets significantly worse over the wave, by more than is said here in its own unit.
kind: trend
when: during
text: Metrics stable or improving
metrics: { error_rate: 1%, p99_latency: 100ms }
""",
    "leak": """\
# Each hour's floor against the same hour of the day before; needs more than a day of history.
kind: leak
when: trigger
text: Memory leak detected
metric: memory
above: 20MB
window: 2d
""",
    "new_alerts": """\
# Alerts that fired before the wave began do not count.
kind: new_alerts
when: during
text: Zero new CRITICAL alerts
labels: { severity: critical, service: batch-patches }
""",
    "resource_spike": """\
# Over the wave's own median of the last six hours by half, and by six median deviations.
kind: resource_spike
when: trigger
text: Unexpected resource usage spike
metrics: [memory, cpu_usage]
above: 50%
deviations: 6
trailing: 6h
""",
    "slo": """\
# 99.9% of the requests must succeed; rolls back when an hour and the last five minutes burn that budget 14.4 times
# too fast. A latency objective names a bound instead of part: below: 500ms means that share of the time below it.
kind: slo
when: trigger
text: System performance below SLO
metric: success_rate
part: good
objective: 99.9%
burn: 14.4
long: 1h
short: 5m
""",
    "coverage": """\
# Each metric had a value in 95 of 100 reviews of the wave before.
kind: coverage
when: enter
text: Monitoring coverage verified
at_least: 95%
""",
}
