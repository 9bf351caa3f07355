"""Every kind of mistake in a plan gives exactly one problem, with its line, its field, and what is allowed."""

import pytest

from tests.tidegate.plan_texts import BASE, changed, load
from tidegate.plan.loading.json_schema import model_schema
from tidegate.plan.loading.loader import PlanError

_CRITERIA = model_schema()["$defs"]["Wave"]["properties"]["criteria"]["items"]
KINDS = ", ".join(sorted(_CRITERIA["discriminator"]["mapping"]))

# The place that is changed, what it becomes (`#!` marks the expected line), the field, and words of the message.
MISTAKES: dict[str, tuple[str, str, str, str]] = {
    "another word for the channels": ("service: shop\n", "service: shop\nchannels: nobody #!\n", "channels", "dashboard, or none"),
    "unknown key in the channels": ("service: shop\n", "service: shop\nchannels:\n  critcal: x #!\n", "channels.critcal", "did you mean 'critical'?"),
    "no channel in the channels": ("service: shop\n", "service: shop\nchannels:\n  critical: alerts #!\n", "channels.critical", "such as #alerts-critical"),
    "missing key": ("service: shop\n", "", "service", "missing, allowed is a name"),
    "unknown key at the top": ("approvals: open", "approvals: open\nservise: x #!", "servise", "did you mean 'service'?"),
    "unknown key in a wave": ("    percent: 10%", "    percent: 10%\n    prcent: 1% #!", "waves.0.prcent", "'percent'?"),
    "unknown key in a criterion": ("metric: latency", "metric: latency\n        fro: 5m #!", "waves.1.criteria.1.fro", "allowed are text"),
    "version of the format": ("tidegate: 1", "tidegate: 2 #!", "tidegate", "found 2, allowed is 1"),
    "switch for the version": ("tidegate: 1", "tidegate: true #!", "tidegate", "found true, allowed is 1"),
    "number for everyone": ("everyone: true", "everyone: 1 #!", "audiences.all.everyone", "found 1, allowed is true"),
    "number for text": ("title: A small plan", "title: 2025 #!", "title", "found 2025, allowed is text (put it in quotes)"),
    "switch for text": ("title: A small plan", "title: true #!", "title", "found true, allowed is text"),
    "list for text": ("title: A small plan", "title: [a] #!", "title", "found a list, allowed is text"),
    "empty text": ("title: A small plan", 'title: "" #!', "title", "found an empty text"),
    "null for text": ("title: A small plan", "title: #!", "title", "found nothing, allowed is text"),
    "text for a mapping": ("flag:\n  key: new-cart", "flag: new-cart #!", "flag", "allowed is a mapping with key"),
    "text for a list": ("lead: [lead@example.com]", "lead: lead@example.com #!", "roles.lead", "allowed is a list of e-mail addresses"),
    "text for a number": ("quorum: 2", 'quorum: "2" #!', "waves.0.gate.quorum", "found '2', allowed is a whole number"),
    "fraction for a number": ("quorum: 2", "quorum: 1.5 #!", "waves.0.gate.quorum", "found 1.5, allowed is a whole number"),
    "number too small": ("quorum: 2", "quorum: 0 #!", "waves.0.gate.quorum", "found 0, allowed is 1 or more"),
    "number too large": ("quorum: 2", "quorum: 21 #!", "waves.0.gate.quorum", "found 21, allowed is 20 or less"),
    "text for a switch": ("metric: latency", 'metric: latency\n        required: "true" #!', "waves.1.criteria.1.required", "allowed is true or false"),
    "percent without sign": ("percent: 10%", "percent: 10 #!", "waves.0.percent", "found 10, allowed is a percentage such as 10%"),
    "percent in quotes without sign": ("percent: 10%", 'percent: "10" #!', "waves.0.percent", "found '10', allowed is a percentage"),
    "percent above 100": ("percent: 10%", "percent: 101% #!", "waves.0.percent", "0% to 100%"),
    "percent too fine": ("percent: 10%", "percent: 10.255% #!", "waves.0.percent", "steps of 0.01"),
    "percent of zero": ("percent: 10%", "percent: 0% #!", "waves.0.percent", "found 0%, allowed is above 0%"),
    "percent falls": ("percent: 50%\n    audience: all", "percent: 5% #!\n    audience: inside", "waves.1.percent", "found 5%, allowed is above 10% (of inside)"),
    "percent stays": ("percent: 50%\n    audience: all", "percent: 10% #!\n    audience: inside", "waves.1.percent", "allowed is above 10%"),
    "duration without unit": ("soak: 24h", "soak: 24 #!", "waves.0.soak", "found 24, allowed is a duration"),
    "duration of zero": ("soak: 24h", "soak: 0s #!", "waves.0.soak", "above zero"),
    "duration in words": ("soak: 24h", "soak: one day #!", "waves.0.soak", "found 'one day', allowed is a duration"),
    "duration without end": ("soak: 24h", "soak: 999999999d #!", "waves.0.soak", "at most 3660 days"),
    "day without the word": ("starts: day 3", "starts: third #!", "waves.1.starts", "such as day 1 or day 3"),
    "day zero": ("starts: day 3", "starts: day 0 #!", "waves.1.starts", "found 'day 0'"),
    "day before the wave before": ("starts: day 1", "starts: day 4", "waves.1.starts", "found day 3, allowed is day 4 or later"),
    "interval above soak": ("interval: 15m", "interval: 25h #!", "waves.0.interval", "at most 24h (the soak)"),
    "interval below guard": ("interval: 15m", "interval: 5s #!", "waves.0.interval", "10s (the guard) or longer"),
    "tolerance below zero": ("interval: 15m", "interval: 15m\n    tolerance: -1 #!", "waves.0.tolerance", "found -1, allowed is 0 or more"),
    "pace too fast": ("approvals: open", "approvals: open\npace: 25h #!", "pace", "1s to 24h"),
    "approvals of another kind": ("approvals: open", "approvals: nods #!", "approvals", "found 'nods', allowed is one of open, codes"),
    "word of an enumeration": ("approvals: open", "approvals: open\non_no_data: hole #!", "on_no_data", "one of hold, step_down, roll_back (did you mean 'hold'?)"),
    "step down without a step back": ("approvals: open", "approvals: open\non_no_data: step_down #!", "on_no_data", "step_down without rollback.step_back, allowed are both"),
    "time zone": ("timezone: Europe/Berlin", "timezone: Europe/Atlantis #!", "timezone", "found 'Europe/Atlantis', allowed is an IANA time zone"),
    "time zone that is a folder": ("timezone: Europe/Berlin", "timezone: Europe #!", "timezone", "IANA time zone"),
    "time zone outside": ("timezone: Europe/Berlin", "timezone: ../../etc/passwd #!", "timezone", "IANA time zone"),
    "e-mail address": ("boss@example.com", "boss at example", "roles.boss.0", "found 'boss at example', allowed is an e-mail address"),
    "channel": ("approvals: open", "approvals: open\nchannels: { critical: alerts } #!", "channels.critical", "a channel such as #alerts-critical"),
    "address": ("approvals: open", "approvals: open\nchannels: { dashboard: tidegate } #!", "channels.dashboard", "an address such as https://"),
    "name with capitals": ("name: small", "name: Small Plan #!", "name", "a name of small letters"),
    "name of a key": ("  latency:\n", "  Latency X: #!\n", "metrics.Latency X", "found the key 'Latency X', allowed is a name"),
    "name twice": ("name: two", "name: one #!", "waves.1.name", "stands 2 times, allowed is once"),
    "id twice": ("      - kind: earlier_waves", "      - { kind: alerts, when: during, text: b, id: x, labels: { a: b } }\n      - { kind: alerts, when: trigger, text: b, id: x, labels: { a: b } } #!\n      - kind: earlier_waves", "waves.1.criteria.1.id", "found 'x' (as in waves.1.criteria.0), allowed is once"),
    "unknown kind": ("kind: earlier_waves", "kind: earlier_wave #!", "waves.1.criteria.0", f"found kind 'earlier_wave', allowed are {KINDS} (did you mean 'earlier_waves'?)"),
    "kind missing": ("      - kind: earlier_waves\n        when", "      - when", "waves.1.criteria.0", f"kind is missing, allowed is kind: one of {KINDS}"),
    "unknown when": ("when: during\n        text: As", "when: always #!\n        text: As", "waves.1.criteria.0.when", "found 'always', allowed is one of enter, during, trigger"),
    "when empty": ("when: during\n        text: As", "when: [] #!\n        text: As", "waves.1.criteria.0.when", "found nothing, allowed is at least 1"),
    "when twice": ("when: trigger\n        text: Any", "when: [during, during] #!\n        text: Any", "waves.0.criteria.1.when", "each word once"),
    "trigger and more": ("when: trigger\n        text: Any", "when: [during, trigger] #!\n        text: Any", "waves.0.criteria.1.when", "trigger alone"),
    "no criteria": ("  criteria:\n    - { kind: threshold, when: during, text: Errors below 2 percent, metric: errors, below: 2% }", "  criteria: [] #!", "post_rollout.criteria", "found nothing, allowed is at least 1"),
    "no waves": (BASE[BASE.index("waves:\n  - name") : BASE.index("post_rollout")], "waves: [] #!\n", "waves", "found nothing, allowed is at least 1"),
    "no measured criterion during": ("when: during\n        text: Errors below 5", "when: enter\n        text: Errors below 5", "waves.0.criteria", "no measured criterion with when: during"),
    "only a dry run during": ("metric: errors\n        below: 5%", "metric: errors\n        below: 5%\n        dry_run: true", "waves.0.criteria", "no measured criterion with when: during"),
    "no bound": ("        metric: latency\n        above: 500ms\n        for: 5m", "        metric: latency", "waves.1.criteria.1", "found no bound, allowed is exactly one of below or above"),
    "two bounds": ("above: 500ms", "above: 500ms\n        below: 1ms", "waves.1.criteria.1", "found below and above"),
    "bound without unit": ("above: 500ms", "above: 5 #!", "waves.1.criteria.1.above", "found '5', allowed is a number with 'ms' (the metric's unit is ms)"),
    "bound in another unit": ("above: 500ms", "above: 5% #!", "waves.1.criteria.1.above", "found '5%', allowed is a number with 'ms'"),
    "bound in words": ("above: 500ms", "above: slow #!", "waves.1.criteria.1.above", "found 'slow', allowed is a number with its unit"),
    "bound of a metric in another unit": ("target: { below: 2% }", "target: { below: 2ms } #!", "metrics.errors.target.below", "found '2ms', allowed is a number with '%'"),
    "limit without bound": ("target: { below: 2% }", "target: { text: low } #!", "metrics.errors.target", "found no bound"),
    "limit with two bounds": ("target: { below: 2% }", "target: { below: 2%, above: 1% } #!", "metrics.errors.target", "found below and above"),
    "pending limit without text": ("target: { below: 2% }", "target: { pending: change } #!", "metrics.errors.target.text", "missing"),
    "critical before warning": ("critical: { above: 10% }", "critical: { above: 4% } #!", "metrics.errors.critical.above", "found 4%, allowed is 5% (the warning's bound)"),
    "for on a during": ("when: during\n        text: Errors", "when: during\n        for: 5m #!\n        text: Errors", "waves.0.criteria.0.for", "allowed with when: trigger only"),
    "required on a during": ("when: during\n        text: Errors", "when: during\n        required: true #!\n        text: Errors", "waves.0.criteria.0.required", "allowed with when: trigger only"),
    "criterion without text": ("        text: Slow\n", "", "waves.1.criteria.1.text", "missing, allowed is text"),
    "unknown metric": ("metric: latency", "metric: latencies #!", "waves.1.criteria.1.metric", "found 'latencies', allowed are errors, latency (did you mean 'latency'?)"),
    "unknown audience": ("audience: all", "audience: al #!", "waves.1.audience", "found 'al', allowed are inside, all"),
    "unknown role": ("text: The team is ready, role: lead", "text: The team is ready, role: qa", "waves.0.criteria.2.role", "found 'qa', allowed are lead, boss"),
    "unknown approver": ("approvers: [lead]", "approvers: [leed] #!", "waves.1.gate.approvers.0", "found 'leed', allowed are lead, boss (did you mean 'lead'?)"),
    "gate without approvers": ("approvers: [lead]", "approvers: [] #!", "waves.1.gate.approvers", "found nothing, allowed is at least 1"),
    "wave without gate": ("    gate:\n      approvers: [lead]\n", "", "waves.1.gate", "missing, allowed is a mapping with approvers, quorum"),
    "quorum out of reach": ("quorum: 2", "quorum: 3 #!", "waves.0.gate.quorum", "found 3, allowed is at most 2 (the approvers)"),
    "quorum of one person twice": ("boss@example.com", "lead@example.com", "waves.0.gate.quorum", "found 2, allowed is at most 1"),
    "role with nobody": ("  boss: [boss@example.com]", "  boss: [boss@example.com]\n  qa: [] #!", "roles.qa", "nobody is named"),
    "unknown proof": ("approvals: open", "approvals: open\nchecklist: { A: [{ text: x, role: boss, proof: junitt }] } #!", "checklist.A.0", "(did you mean 'junit'?)"),
    "unknown key of a proof": ("approvals: open", "approvals: open\nchecklist: { A: [{ text: x, role: boss, proof: dns, name: db, names: [db] }] } #!", "checklist.A.0.name", "did you mean 'names'?"),
    "unknown key of a human line": ("approvals: open", "approvals: open\nchecklist: { human: [{ text: x, rolle: boss, role: boss }] } #!", "checklist.human.0.rolle", "did you mean 'role'?"),
    "proof without its evidence": ("approvals: open", "approvals: open\nchecklist: { A: [{ text: x, role: boss, proof: drill, fresh: soon }] } #!", "checklist.A.0.fresh", "found 'soon', allowed is a duration"),
    "missing key of a proof": ("approvals: open", "approvals: open\nchecklist: { A: [{ text: x, role: boss, proof: command }] } #!", "checklist.A.0.command", "missing, allowed is a name"),
    "contradiction in a proof": ("approvals: open", "approvals: open\nchecklist: { A: [{ text: x, role: boss, proof: http, source: web, at: /z }] } #!", "checklist.A.0.equals", "missing, allowed are at and equals together"),
    "arguments in a plan": ("approvals: open", "approvals: open\nchecklist: { A: [{ text: x, role: boss, proof: command, command: [rm, x] }] } #!", "checklist.A.0.command", "found a list, allowed is a name"),
    "role that must name people": ("approvals: open", "approvals: open\nchecklist: { A: [{ text: x, role: boss, proof: roles, roles: [bos] }] } #!", "checklist.A.0.roles.0", "did you mean 'boss'?"),
    "sign-off of an unknown role": ("approvals: open", "approvals: open\nsign_off: { bos: [x] } #!", "sign_off.bos", "did you mean 'boss'?"),
    "sign-off of nothing": ("approvals: open", "approvals: open\nsign_off: { boss: [] } #!", "sign_off.boss", "allowed is at least one statement"),
    "role of a checklist item": ("approvals: open", "approvals: open\nchecklist: { A: [{ text: x, role: qa }] } #!", "checklist.A.0.role", "found 'qa'"),
    "labels of alerts missing": ("labels: { severity: critical }", "labels: {} #!", "waves.0.criteria.1.labels", "found nothing, allowed is at least 1"),
    "empty label": ("labels: { severity: critical }", 'labels: { severity: "" } #!', "waves.0.criteria.1.labels.severity", "found an empty text"),
    "name of a label": ("labels: { severity: critical }", 'labels: { "a b": c } #!', "waves.0.criteria.1.labels.a b", "allowed is a label name"),
    "later wave as earlier": ("waves: [1]", "waves: [2] #!", "waves.1.criteria.0.waves.0", "found 2, allowed is numbers of earlier waves (1 to 1)"),
    "earlier waves at the gate": ("      - kind: earlier_waves\n        when: during", "      - { kind: alerts, when: during, text: x, labels: { a: b } }\n      - kind: earlier_waves\n        when: enter #!", "waves.1.criteria.1.when", "found enter, allowed for earlier_waves is during"),
    "human while it lasts": ("when: enter, text: The", "when: during, text: The", "waves.0.criteria.2.when", "allowed for a human statement is enter"),
    "enter after the rollout": ("post_rollout:\n  soak: 14d\n  interval: 5m\n  criteria:", "post_rollout:\n  soak: 14d\n  interval: 5m\n  criteria:\n    - { kind: alerts, when: enter, text: x, labels: { a: b } } #!", "post_rollout.criteria.0.when", "there is no gate"),
    "empty matcher": ('matcher: cohort="staff"', 'matcher: " " #!', "audiences.inside.matcher", "found an empty matcher"),
    "matcher without value": ('matcher: cohort="staff"', 'matcher: cohort="" #!', "audiences.inside.matcher", "a matcher with a value"),
    "matcher that is none": ('matcher: cohort="staff"', "matcher: staff #!", "audiences.inside.matcher", "label matchers such as"),
    "matcher that breaks out": ('matcher: cohort="staff"', "matcher: 'a=\"b\"} or vector(0) #'", "audiences.inside.matcher", "label matchers such as"),
    "groups and everyone": ("    everyone: true", "    everyone: true\n    groups: [a]", "audiences.all", "found both, allowed is exactly one"),
    "neither groups nor everyone": ("    everyone: true", '    matcher: a="b"', "audiences.all", "found neither"),
    "everyone false": ("everyone: true", "everyone: false #!", "audiences.all.everyone", "found false, allowed is true"),
    "variant empty": ('canary: path="new"', 'canary: "" #!', "variants.canary", "found an empty matcher"),
    "variants alike": ('control: path="old"', 'control: path="new" #!', "variants.control", "(the canary's)"),
    "group on and off": ("  key: new-cart", "  key: new-cart\n  always_on: [a]\n  always_off: [a] #!", "flag.always_off", "which is in always_on too"),
    "nothing measured": ("    query: max(latency_ms{ {{ path }} })\n", "", "metrics.latency", "nothing is measured"),
    "part without whole": ("    whole: sum(increase(requests_total{ {{ selector }} }[{{ window }}]))\n", "", "metrics.errors", "both part and whole"),
    "part in another unit": ("    unit: percent", "    unit: count #!", "metrics.errors.unit", "found count, allowed for part and whole is percent"),
    "unknown unit": ("unit: ms", "unit: parsec #!", "metrics.latency.unit", "found 'parsec', allowed is one of percent, ms"),
    "lookback below window": ("title: Latency", "title: Latency\n    lookback: 1m #!", "metrics.latency.lookback", "shorter than window"),
    "window of few scrapes": ("title: Latency", "title: Latency\n    window: 30s #!", "metrics.latency.window", "found 30s, allowed is 1m (four scrapes)"),
    "template with unknown name": ("max(latency_ms{ {{ path }} })", "max(latency_ms{ {{ pth }} }) #!", "metrics.latency.query", "found {{ pth }}, allowed are {{ selector }}, {{ path }}, {{ window }}"),
    "template that escapes": ("max(latency_ms{ {{ path }} })", "max({{ path.__class__.__mro__ }}) #!", "metrics.latency.query", "found an expression (getattr)"),
    "template that loops": ("max(latency_ms{ {{ path }} })", '"{% for x in range(9) %}{{ path }}{% endfor %}" #!', "metrics.latency.query", "found an expression (for)"),
    "template that calls": ("max(latency_ms{ {{ path }} })", "max({{ path() }}) #!", "metrics.latency.query", "found an expression (call)"),
    "template cut off": ("max(latency_ms{ {{ path }} })", '"max({{ path" #!', "metrics.latency.query", "a template that cannot be read"),
    "query without selector": ("max(latency_ms{ {{ path }} })", "max(latency_ms) #!", "metrics.latency.query", "{{ selector }} is missing"),
    "rate without window": ("max(latency_ms{ {{ path }} })", '"rate(latency_ms{ {{ path }} }[5m])" #!', "metrics.latency.query", "{{ window }} is missing"),
    "traffic without window": ("  query: sum(increase(requests_total{ {{ selector }} }[{{ window }}]))\nmetrics", "  query: sum(requests_total{ {{ selector }} }) #!\nmetrics", "traffic.query", "{{ window }} is missing"),
    "bracket never closed": ("max(latency_ms{ {{ path }} })", "max(latency_ms{ {{ path }} } #!", "metrics.latency.query", "found '(' that is never closed"),
    "bracket closes nothing": ("max(latency_ms{ {{ path }} })", "max(latency_ms{ {{ path }} })) #!", "metrics.latency.query", "found ')' that closes nothing"),
    "quote never closed": ("max(latency_ms{ {{ path }} })", 'max(latency_ms{a="b, {{ path }} }) #!', "metrics.latency.query", "that is never closed"),
    "comment in a query": ("max(latency_ms{ {{ path }} })", '"max(latency_ms{ {{ path }} }) # x" #!', "metrics.latency.query", "found a comment"),
    "names in the proof": ('sum(routed_total{path="new"})', "sum(routed_total{ {{ path }} }) #!", "rollback.proof.counter", "without names to fill in"),
    "switch word yes": ("title: A small plan", "title: yes #!", "title", 'found yes without quotes, allowed is true or false, or "yes" in quotes'),
    "switch word off": ("metric: latency", "metric: latency\n        dry_run: off #!", "waves.1.criteria.1.dry_run", "found off without quotes"),
    "switch word as key": ("  latency:\n", "  on: #!\n", "metrics", "found on without quotes"),
    "octal number": ("quorum: 2", "quorum: 010 #!", "waves.0.gate.quorum", "found 010 without quotes"),
    "sexagesimal number": ("title: A small plan", "title: 12:30 #!", "title", "found 12:30 without quotes"),
    "date": ("title: A small plan", "title: 2025-02-01 #!", "title", "found 2025-02-01 without quotes"),
    "exponent": ("quorum: 2", "quorum: 1e3 #!", "waves.0.gate.quorum", "found 1e3 without quotes"),
    "not a number": ("quorum: 2", "quorum: .nan #!", "waves.0.gate.quorum", "found .nan without quotes"),
    "number as key": ("  latency:\n", "  7: #!\n", "metrics", "found the key 7, allowed is a name"),
    "list as key": ("  key: new-cart", "  key: new-cart\n  ? [a, b] #!\n  : c", "flag", "found the key a list or alias"),
    "key twice": ("    percent: 10%", "    percent: 10%\n    percent: 20% #!", "waves.0.percent", "stands twice (first on line 40), allowed is once"),
    "key twice at the top": ("approvals: open", "approvals: open\nname: again #!", "name", "stands twice (first on line 2)"),
    "anchor": ("title: A small plan", "title: &a A small plan #!", "title", "found the anchor &a"),
    "alias": ("title: A small plan", "title: *a #!", "title", "found the alias *a"),
    "merge key": ("  key: new-cart", "  key: new-cart\n  <<: { key: x } #!", "flag.<<", "unknown key"),
    "python tag": ("title: A small plan", "title: !!python/object/apply:os.system [x] #!", "title", "found the tag tag:yaml.org,2002:python/object/apply:os.system"),
    "plain tag": ("title: A small plan", "title: !!str 5 #!", "title", "found the tag"),
    "unprintable escape": ("title: A small plan", 'title: "a\\0b" #!', "title", "found an unprintable character"),
    "half a character": ("title: A small plan", 'title: "a\\uD800b" #!', "title", "found an unprintable character"),
    "nested too deep": ("title: A small plan", f"title: {'[' * 40}{']' * 40} #!", "title" + ".0" * 16, "nested too deep"),
    "second document": ("title: A small plan", "title: A small plan\n--- #!\na: b", "", "found a second document"),
    "tab": ("  key: new-cart", "\tkey: new-cart #!", "", "cannot be read as YAML"),
    "colon in plain text": ("title: A small plan", "title: A: small plan #!", "", "cannot be read as YAML: mapping values are not allowed here"),
}  # fmt: skip
# Lines of the changed text where the mark would be in the way, or the problem belongs to a line above.
LINES = {
    "missing key": 1, "day before the wave before": 63, "e-mail address": 12, "unknown role": 58,
    "kind missing": 69, "no measured criterion during": 48, "only a dry run during": 48, "no bound": 73, "two bounds": 73,
    "criterion without text": 73, "wave without gate": 59, "quorum of one person twice": 47,
    "human while it lasts": 58, "groups and everyone": 17, "neither groups nor everyone": 17,
    "matcher that breaks out": 16, "nothing measured": 33, "part without whole": 25,
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_gives_one_problem_at_its_place(name: str) -> None:
    old, new, path, words = MISTAKES[name]
    text = changed(old, new)
    marked = [number for number, line in enumerate(text.splitlines(), start=1) if "#!" in line]
    with pytest.raises(PlanError) as caught:
        load({"plan.yaml": text})
    assert len(caught.value.problems) == 1, str(caught.value)
    (problem,) = caught.value.problems
    assert (problem.path, problem.line) == (path, LINES[name] if name in LINES else marked[0]), str(problem)
    assert words in problem.message, str(problem)
    place = f"plan.yaml:{problem.line}: {path}: " if path else f"plan.yaml:{problem.line}: "
    assert str(caught.value).startswith(place)
    assert "\n" not in str(caught.value)


def test_the_small_plan_is_sound() -> None:
    assert load({"plan.yaml": BASE}).name == "small"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "plan.yaml: the file is empty, allowed is a release plan"),
        (b"# only a comment\n", "plan.yaml: the file is empty"),
        (b"---\n...\n", "plan.yaml: the file is empty"),
        (b"\x89PNG\r\n\x1a\n\0\0", "plan.yaml: found a binary file"),
        (b"name: x\ntitle: \xff\n", "plan.yaml:2: found bytes that are not UTF-8"),
        ("title: größe".encode("utf-16"), "plan.yaml: found a binary file"),
        (b"name: x\ntitle: a\x07b\n", "plan.yaml:2: found an unprintable character"),
        (b"name: x\n" + b"# pad\n" * 100_000, "plan.yaml: the file has 600 kB, allowed are 512 kB"),
        (b"- a\n- b\n", "plan.yaml:1: found a list, allowed is a mapping"),
        (b"hello\n", "plan.yaml:1: found a single value, allowed is a mapping"),
        (b'title: "\\UFFFFFFFF"\n', "plan.yaml: cannot be read as YAML"),
        (b"a: [1, 2\n", "plan.yaml:2: cannot be read as YAML"),
        (b"{" * 100_000, "found the key a mapping"),
        (b"a: " + b"[" * 100_000, "nested too deep"),
        (b"a: " + b"9" * 10_000 + b"\n", "without quotes"),
    ],
)
def test_a_file_that_is_no_plan(content: bytes, words: str) -> None:
    with pytest.raises(PlanError) as caught:
        load({"plan.yaml": content})
    assert len(caught.value.problems) == 1
    assert words in str(caught.value)


def test_a_yaml_bomb_is_refused_before_it_grows() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    with pytest.raises(PlanError, match=r"plan\.yaml:1: a0: found the anchor &a0"):
        load({"plan.yaml": "\n".join(lines)})


def test_a_file_that_cannot_be_read() -> None:
    with pytest.raises(PlanError, match=r"^plan\.yaml: no such file"):
        load({})
    with pytest.raises(PlanError, match=r"a file that cannot be read|no such file"):
        load({}, "pl\0an.yaml")


def test_all_contradictions_are_told_at_once_in_the_order_of_the_lines() -> None:
    text = (
        BASE.replace("percent: 50%", "percent: 0%")
        .replace("metric: latency", "metric: x")
        .replace("quorum: 2", "quorum: 9")
    )
    with pytest.raises(PlanError) as caught:
        load({"plan.yaml": text})
    assert [p.path for p in caught.value.problems] == [
        "waves.0.gate.quorum",
        "waves.1.percent",
        "waves.1.criteria.1.metric",
    ]
    assert [p.line for p in caught.value.problems] == [47, 61, 76]


def test_all_mistakes_in_fields_are_told_at_once() -> None:
    text = BASE.replace("percent: 50%", "percent: 0").replace("soak: 14d", "soak: x").replace("name: small\n", "")
    with pytest.raises(PlanError) as caught:
        load({"plan.yaml": text})
    assert [p.path for p in caught.value.problems] == ["name", "waves.1.percent", "post_rollout.soak"]
