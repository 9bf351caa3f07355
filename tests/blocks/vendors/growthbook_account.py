"""A GrowthBook organization in memory: features, revisions merged as GrowthBook does, environments, approvals."""

import copy
import itertools
import json
import re
from collections.abc import Iterator
from typing import Any

from tests.blocks.vendors.judged_server import Call, Reply

ENVIRONMENT, TOKEN = "production", "secret_0123456789"
_FEATURE = re.compile(r"/v2/features/([^/]+)(/.*)?")
_DATE = "2026-03-02T10:00:00Z"
_US = {"type": "api_key", "id": "key_1", "name": "tidegate"}
_ADA = {"type": "dashboard", "id": "u_1", "name": "Ada Lovelace", "email": "ada@example.com"}


class Blocked(Exception):
    """Publishing is refused."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class GrowthBookAccount:
    """What the real one keeps, as far as its description and its published source say."""

    approval_words = "GrowthBook asks for an approval"  # with them our refusal says why

    def __init__(self) -> None:
        self.features: dict[str, dict[str, Any]] = {}
        self.revisions: dict[str, dict[int, dict[str, Any]]] = {}
        self.approvals = False
        self._ids = itertools.count(1)

    def create(self, key: str, *, value_type: str = "boolean", default: str = "false") -> None:
        """A feature as a person makes it: on in the environment, without rules."""
        self.features[key] = {
            "valueType": value_type,
            "defaultValue": default,
            "rules": [],
            "enabled": {ENVIRONMENT: True, "staging": True},
            "version": 1,
            "archived": False,
            "by": _ADA,
            "prerequisites": [],
        }
        self.revisions[key] = {1: self._snapshot(key, 1, 0, _ADA, "published")}

    def _snapshot(self, key: str, version: int, base: int, by: Any, status: str) -> dict[str, Any]:
        feature = self.features[key]
        return {
            "version": version,
            "baseVersion": base,
            "status": status,
            "by": by,
            "rules": copy.deepcopy(feature["rules"]),
            "enabled": dict(feature["enabled"]),
        }

    # What a person does on the feature's page.

    def by_hand_full(self, key: str) -> None:
        rule = {"type": "force", "value": "true", "description": "all", "allEnvironments": True}
        self._change(key, [self._stored(rule), *self.features[key]["rules"]], {ENVIRONMENT: True}, _ADA)

    def by_hand_off(self, key: str) -> None:
        self._change(key, None, {ENVIRONMENT: False}, _ADA)

    def by_hand_on(self, key: str) -> None:
        self._change(key, None, {ENVIRONMENT: True}, _ADA)

    def by_hand_rule(self, key: str, **rule: Any) -> None:
        self._change(key, [*self.features[key]["rules"], self._stored(rule)], {}, _ADA)

    def may_serve(self, key: str) -> bool:
        """Whether anybody may be served the new path by GrowthBook."""
        feature = self.features[key]
        here = [r for r in feature["rules"] if r["allEnvironments"] or ENVIRONMENT in r.get("environments", ())]
        first_for_all = next(
            (r for r in here if r["enabled"] and r["type"] == "force" and not r.get("condition")), {"value": "false"}
        )
        served = [r for r in here[: here.index(first_for_all) if first_for_all in here else None] if r["enabled"]]
        return feature["enabled"][ENVIRONMENT] and any(r["value"] == "true" for r in [*served, first_for_all])

    def require_approvals(self, *, required: bool = True) -> None:
        self.approvals = required

    def bad_calls(self) -> Iterator[Call]:
        path, headers = f"/v2/features/{next(iter(self.features))}", {"Content-Type": "application/json"}
        for end, body in (
            ("/revisions/2/rules", {"rule": {"type": "force"}}),
            ("/revisions/2/rules", {"rule": {"value": "true", "coverage": "40%"}}),
            ("/revisions/2/rules", {"rule": {"value": "true", "type": "sideways"}}),
            ("/revisions/latest/publish", {}),
            ("/revisions/2/publish", {"force": True}),
            ("/toggle", {"reason": "x"}),
            ("", {"rules": [{"type": "rollout", "value": "true"}]}),
        ):
            yield Call("POST", path + end, {}, headers, json.dumps(body).encode())

    def answer(self, call: Call) -> Reply:
        if call.headers.get("Authorization") != f"Bearer {TOKEN}":
            return 401, {"message": "Invalid API key"}
        if call.path == "/v1/settings":
            return 200, {"settings": _settings(self.approvals)}
        found = _FEATURE.fullmatch(call.path)
        if found is None or found[1] not in self.features:
            return 404, {"message": "Could not find feature"}
        key, rest = found[1], found[2] or ""
        try:
            return self._answered(key, rest, call)
        except Blocked as why:
            gate = {"type": why.kind, "severity": "error", "messages": [str(why)], "override": None}
            return 422, {"message": str(why), "gates": [gate]}

    def _answered(self, key: str, rest: str, call: Call) -> Reply:
        if rest == "" and call.method == "GET":
            return 200, {"feature": self._feature(key)}
        body = call.json or {}
        if rest == "":
            self._must_be_approved()
            rules = [self._stored(rule) for rule in body["rules"]] if "rules" in body else None
            enabled = {name: env["enabled"] for name, env in body.get("environments", {}).items()}
            self._change(key, rules, enabled, _US)
            return 200, {"feature": self._feature(key)}
        if rest == "/toggle":
            self._must_be_approved()
            self._change(key, None, body["environments"], _US)
            return 200, {"feature": self._feature(key)}
        if rest == "/revisions":
            version = max(self.revisions[key]) + 1
            self.revisions[key][version] = self._snapshot(key, version, self.features[key]["version"], _US, "draft")
            return 200, {"revision": self._revision(key, version)}
        version, _, action = rest.removeprefix("/revisions/").partition("/")
        return self._drafted(key, int(version), action, call.method, body)

    def _drafted(self, key: str, version: int, action: str, method: str, body: Any) -> Reply:
        draft = self.revisions[key][version]
        if draft["status"] != "draft":
            return 400, {"message": f"Cannot edit a revision with status {draft['status']!r}"}
        if action == "rules":
            draft["rules"].append(self._stored(body["rule"]))
        elif action.startswith("rules/"):
            id_ = action.removeprefix("rules/")
            there = [rule for rule in draft["rules"] if rule["id"] == id_]
            if not there:
                return 404, {"message": "Could not find rule"}
            if method == "DELETE":
                draft["rules"].remove(there[0])
            else:
                there[0].update(body["rule"])
        elif action == "toggle":
            draft["enabled"][body["environment"]] = body["enabled"]
        elif action == "discard":
            draft["status"] = "discarded"
        elif action == "publish":
            self._publish(key, draft)
        return 200, {"revision": self._revision(key, version)}

    def _publish(self, key: str, draft: dict[str, Any]) -> None:
        """A three-way merge: base, live and draft; a rule that both sides changed is a conflict."""
        self._must_be_approved()
        feature = self.features[key]
        base = self.revisions[key][draft["baseVersion"]]
        sides = [{rule["id"]: rule for rule in side["rules"]} for side in (base, feature, draft)]
        was, live, mine = sides
        merged = []
        for id_ in [*mine, *(id_ for id_ in live if id_ not in mine)]:
            if mine.get(id_) == was.get(id_):
                kept = live.get(id_)
            elif live.get(id_) == was.get(id_) or live.get(id_) == mine.get(id_):
                kept = mine.get(id_)
            else:
                raise Blocked("merge-conflict", f"rules.{id_} was changed on both sides")
            merged += [kept] if kept is not None else []
        enabled = {name: on for name, on in draft["enabled"].items() if on != base["enabled"][name]}
        if merged == feature["rules"] and not enabled:
            raise Blocked("no-changes", "no changes detected in this revision")
        self._change(key, merged, enabled, _US, draft)

    def _change(self, key: str, rules: Any, enabled: dict[str, bool], by: Any, draft: Any = None) -> None:
        feature = self.features[key]
        if rules is not None:
            feature["rules"] = copy.deepcopy(rules)
        feature["enabled"] |= enabled
        version = draft["version"] if draft else max(self.revisions[key]) + 1
        feature["version"], feature["by"] = version, by
        self.revisions[key][version] = self._snapshot(key, version, version - 1, by, "published")

    def _must_be_approved(self) -> None:
        if self.approvals:
            raise Blocked("approval-required", "This revision requires approval before publishing")

    def _stored(self, rule: Any) -> dict[str, Any]:
        """As GrowthBook keeps it: with an id, and its scope worked out."""
        everywhere = rule.get("allEnvironments", "environments" not in rule)
        scope: dict[str, Any] = {"allEnvironments": everywhere}
        if not everywhere:
            scope["environments"] = rule.get("environments", [])
        kept = {"description": "", "enabled": True, "condition": "", "type": "force", **rule}
        kept.pop("environments", None)
        return {**kept, "id": rule.get("id") or f"fr_{next(self._ids)}", **scope}

    def _feature(self, key: str) -> dict[str, Any]:
        feature = self.features[key]
        environments = {
            name: {"enabled": on, "defaultValue": feature["defaultValue"]} for name, on in feature["enabled"].items()
        }
        return {
            "id": key,
            "dateCreated": _DATE,
            "dateUpdated": _DATE,
            "archived": feature["archived"],
            "description": "",
            "owner": "u_1",
            "project": "",
            "valueType": feature["valueType"],
            "defaultValue": feature["defaultValue"],
            "tags": [],
            "rules": copy.deepcopy(feature["rules"]),
            "prerequisites": feature["prerequisites"],
            "environments": environments,
            "revision": {
                "version": feature["version"],
                "comment": "",
                "date": _DATE,
                "createdBy": feature["by"],
                "publishedBy": feature["by"],
            },
        }

    def _revision(self, key: str, version: int) -> dict[str, Any]:
        kept = self.revisions[key][version]
        return {
            "id": f"frev_{version}_{key}",
            "featureId": key,
            "baseVersion": kept["baseVersion"],
            "version": version,
            "comment": "",
            "date": _DATE,
            "status": kept["status"],
            "createdBy": kept["by"],
            "rules": copy.deepcopy(kept["rules"]),
        }


def _settings(approvals: bool) -> dict[str, Any]:
    return {
        "confidenceLevel": 0.95,
        "northStar": None,
        "metricDefaults": {},
        "pastExperimentsMinLength": 6,
        "metricAnalysisDays": 90,
        "updateSchedule": None,
        "multipleExposureMinPercent": 0.01,
        "defaultRole": {},
        "statsEngine": "bayesian",
        "pValueThreshold": 0.05,
        "regressionAdjustmentEnabled": False,
        "regressionAdjustmentDays": 14,
        "sequentialTestingEnabled": False,
        "sequentialTestingTuningParameter": 5000,
        "attributionModel": "firstExposure",
        "targetMDE": 0.1,
        "delayHours": 0,
        "windowType": "conversion",
        "windowHours": 72,
        "winRisk": 0.0025,
        "loseRisk": 0.0125,
        "secureAttributeSalt": "",
        "killswitchConfirmation": True,
        "requireReviews": [{"requireReviewOn": approvals, "environments": [ENVIRONMENT], "projects": []}],
        "approvalFlows": {"savedGroups": []},
        "featureKeyExample": "",
        "featureRegexValidator": "",
        "banditScheduleValue": 1,
        "banditScheduleUnit": "days",
        "banditBurnInValue": 1,
        "banditBurnInUnit": "days",
        "experimentMinLengthDays": 1,
    }
