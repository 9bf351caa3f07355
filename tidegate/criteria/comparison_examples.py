"""Worked examples of the kinds of criteria that hold the new path against the old one."""

INFERENCE_EXAMPLES = {
    "versus_control": """\
kind: versus_control
when: trigger
text: More errors on the new path than beside it
metric: errors # of part and whole; or, for latency, histogram and bounds
alpha: 1%
at_least: 0.1%
cohorts: # labels that say who is asked, on whatever path, before the flag is on
  first: { canary: 'cohort="0-10"', control: 'cohort!="0-10"' }
""",
    "go_evidence": """\
kind: go_evidence
when: during
text: The new path is shown to be safe enough
metric: errors
worse_than: 1.5
""",
    "sample_ratio": """\
kind: sample_ratio
when: during
text: Users arrive in the planned shares
exposures: clamp_min(sum(users_total{ {{ selector }} }) - sum(users_total{ {{ selector }} } offset {{ window }}), 0)
""",
    "breaker": """\
kind: breaker
when: trigger
text: Errors that hit both paths
metric: errors
above: 10%
at_least: 10
""",
}
