"""One worked example for each kind of line that a plan can hold, shown on the reference page.

The name of a model, and a list item of that kind in YAML. Tests read each with the models themselves.
"""

EXAMPLES: dict[str, str] = {
    "Costs": """\
expected: { at_least: $150, at_most: $200 }
limit: $300
items:
  instances:
    text: 2 x t3.medium
    amount: 2
    unit: instances
    price: $0.0416
    per: hour
    query: count(up{job="shop"}) # how many there really are; without it the planned amount counts
  disks: { text: 50 GB of disks, amount: 50, unit: GB, price: $0.08 }
  balancer: { text: Load balancer, amount: 1, price: $22, path: shared } # divided by the requests of each path
  prometheus: { text: Prometheus, amount: 1, existing: true } # costs nothing more
benefit:
  text: No manual work
  monthly: $290
  break_even: { at_least: 14d, at_most: 21d }
""",
    "HumanProof": """\
- text: Response runbooks reviewed by team
  role: operations-lead
""",
    "JunitProof": """\
- text: All tests pass (95+ tests, 100% pass)
  role: engineering-lead
  proof: junit
  report: [reports/unit.xml, reports/integration.xml]
  at_least: 95
  passed: 100%
  fresh: 14d
""",
    "ReviewsProof": """\
# What `gh pr view 12 --json reviews` prints, by a command of that name in the connections.
- text: Code review completed (2+ reviewers)
  role: engineering-lead
  proof: reviews
  command: pull-request-reviews
  at: /reviews
  by: /author/login
  state: /state
  approved: APPROVED
  at_least: 2
""",
    "CommandProof": """\
- text: Security audit passed
  role: security-lead
  proof: command
  command: security-audit
  output: 0 findings
  timeout: 5m
""",
    "LoadBalancerProof": """\
- text: Load balancer configured for canary traffic splitting
  role: operations-lead
  proof: load_balancer
  command: nginx-test
  output: test is successful
""",
    "BenchmarkProof": """\
- text: Performance baseline established (< 5ms per 500 patches)
  role: engineering-lead
  proof: benchmark
  file: reports/benchmark.json
  at: /batch_of_500_patches/milliseconds
  measured: /measured_at
  unit: ms
  below: 5ms
  fresh: 14d
""",
    "FilesProof": """\
- text: Documentation complete (README.md, API_REFERENCE.md)
  role: engineering-lead
  proof: files
  paths: [README.md, API_REFERENCE.md]
""",
    "HttpProof": """\
- text: Grafana deployed and configured
  role: operations-lead
  proof: http
  source: grafana
  path: /api/health
  status: 200
  at: /database
  equals: ok
""",
    "PrometheusProof": """\
- text: Prometheus scrapes both instances
  role: operations-lead
  proof: prometheus
  query: sum(up{job="batch-patches"})
  above: 1
""",
    "PagerDutyProof": """\
- text: Oncall rotation scheduled for deployment week
  role: operations-lead
  proof: pagerduty
  asks: on_call
  service: batch-patches
""",
    "SlackProof": """\
- text: "Slack channels ready"
  role: operations-lead
  proof: slack
  channels: ["#alerts-critical", "#alerts-warnings"]
""",
    "BackupProof": """\
- text: Database backups automated
  role: operations-lead
  proof: backup
  command: newest-backup
  at: /finished_at
  fresh: 26h
""",
    "DnsProof": """\
- text: DNS configured for canary traffic splitting
  role: operations-lead
  proof: dns
  names: [shop.example.com, legacy.example.com]
  timeout: 5s
""",
    "DrillProof": """\
- text: Rollback procedure tested (at least once)
  role: incident-commander
  proof: drill
  fresh: 30d
""",
    "BacktestProof": """\
- text: Criteria tried on the past month
  role: engineering-lead
  proof: backtest
  fresh: 14d
  covers: 28d
  at_most: 5%
""",
    "RolesProof": """\
- text: Incident commander identified for each wave
  role: incident-commander
  proof: roles
  roles: [incident-commander]
  each_wave: true
""",
}
