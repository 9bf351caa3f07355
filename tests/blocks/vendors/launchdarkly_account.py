"""A LaunchDarkly account in memory: flags, environments, semantic patches, versions, an audit log, approvals."""

import copy
import itertools
import json
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

from tests.blocks.vendors.judged_server import Call, Reply

PROJECT, ENVIRONMENT, TOKEN = "shop", "production", "api-0123456789"
_FLAG = re.compile(rf"/api/v2/flags/{PROJECT}/([^/]+)")
_LINKS = {"self": {"href": "/api/v2", "type": "application/json"}}


class BadPatch(Exception):
    pass


class LaunchDarklyAccount:
    """What the real one keeps, as far as its description says."""

    approval_words = "requires an approval in LaunchDarkly"  # with them our refusal says why

    def __init__(self) -> None:
        self.flags: dict[str, dict[str, Any]] = {}
        self.log: list[dict[str, Any]] = []
        self.approvals: dict[str, Any] = {}
        self.has_pending_change = False
        self._ids = itertools.count(1)

    def create(self, key: str, *, values: tuple[Any, ...] = (True, False)) -> dict[str, Any]:
        """A flag as one that a person makes: off, its default rule serves the first variation, no rules."""
        config = {
            "on": False,
            "archived": False,
            "salt": f"salt-of-{key}",
            "sel": "sel",
            "lastModified": 0,
            "version": 1,
            "_site": {"href": "/", "type": "text/html"},
            "_environmentName": "Production",
            "trackEvents": False,
            "trackEventsFallthrough": False,
            "offVariation": len(values) - 1,
            "fallthrough": {"variation": 0},
            "rules": [],
            "targets": [],
            "contextTargets": [],
            "prerequisites": [],
        }
        self.flags[key] = {
            "name": key,
            "kind": "boolean" if values == (True, False) else "multivariate",
            "key": key,
            "_version": 1,
            "creationDate": 0,
            "variations": [{"_id": f"v-{key}-{place}", "value": value} for place, value in enumerate(values)],
            "temporary": True,
            "tags": [],
            "_links": _LINKS,
            "experiments": {"baselineIdx": 0, "items": []},
            "customProperties": {},
            "archived": False,
            "environments": {ENVIRONMENT: config},
        }
        return self.flags[key]

    def config(self, key: str) -> dict[str, Any]:
        config: dict[str, Any] = self.flags[key]["environments"][ENVIRONMENT]
        return config

    def by_hand(self, key: str, *instructions: Mapping[str, Any], who: str = "Ada Lovelace") -> None:
        """What a person does on the flag's page."""
        self._apply(key, list(instructions), who)

    def by_hand_full(self, key: str) -> None:
        on = self.flags[key]["variations"][0]["_id"]
        self.by_hand(
            key,
            {"kind": "turnFlagOn"},
            {"kind": "updateFallthroughVariationOrRollout", "variationId": on},
        )

    def by_hand_off(self, key: str) -> None:
        self.by_hand(key, {"kind": "turnFlagOff"})

    def by_hand_on(self, key: str) -> None:
        self.by_hand(key, {"kind": "turnFlagOn"})

    def may_serve(self, key: str) -> bool:
        """Whether anybody may be served the new path."""
        config = self.config(key)
        return config["on"] or config["offVariation"] != 1

    def require_approvals(self, *, required: bool = True) -> None:
        self.approvals = {"required": required}

    def bad_calls(self) -> Iterator[Call]:
        path, headers = f"/api/v2/flags/{PROJECT}/{next(iter(self.flags))}", {"Authorization": TOKEN}
        semantic = headers | {"Content-Type": "application/json; domain-model=launchdarkly.semanticpatch"}
        for wrong in (
            {"kind": "updateFallthroughVariationOrRollout", "rolloutWeights": {"v": 250_000}},
            {"kind": "updateFallthroughVariationOrRollout", "rolloutWeights": {"v": 12.5}},
            {"kind": "turnFlagSideways"},
            {"kind": "reorderRules"},
            {"kind": "addRule", "clauses": [], "percent": 5},
        ):
            body = json.dumps({"environmentKey": ENVIRONMENT, "instructions": [wrong]}).encode()
            yield Call("PATCH", path, {}, semantic, body)
        yield Call("PATCH", path, {"dryRun": "perhaps"}, semantic, b'{"instructions": [{"kind": "turnFlagOff"}]}')
        yield Call("PATCH", path, {}, headers | {"Content-Type": "application/json"}, b'{"instructions": []}')

    def answer(self, call: Call) -> Reply:
        if call.headers.get("Authorization") != TOKEN:
            return 401, {"code": "unauthorized", "message": "invalid key"}
        if call.path == f"/api/v2/projects/{PROJECT}/environments/{ENVIRONMENT}":
            return 200, self._environment()
        if call.path == "/api/v2/auditlog":
            flag = call.query["spec"].rpartition("flag/")[2]
            entries = [entry for entry in reversed(self.log) if entry["name"] == flag]
            return 200, {"items": entries[: int(call.query.get("limit", 10))], "_links": _LINKS}
        found = _FLAG.fullmatch(call.path)
        if found is None or found[1] not in self.flags:
            return 404, {"code": "not_found", "message": "Unknown feature flag key"}
        if call.method == "GET":
            return 200, copy.deepcopy(self.flags[found[1]])
        assert call.method == "PATCH"
        if "domain-model=launchdarkly.semanticpatch" not in call.headers["Content-Type"]:
            return 400, {"code": "invalid_request", "message": "found a semantic patch, allowed is a JSON patch"}
        return self._patched(found[1], call)

    def _patched(self, key: str, call: Call) -> Reply:
        if self.approvals.get("required"):
            return 405, {"code": "method_not_allowed", "message": "approval is required"}
        if self.has_pending_change and call.query.get("ignoreConflicts") != "true":
            return 409, {"code": "conflict", "message": "a scheduled change would fail"}
        before = copy.deepcopy(self.flags[key])
        try:
            self._apply(key, call.json["instructions"], "", call.json.get("comment", ""))
        except BadPatch as why:
            self.flags[key] = before
            return 400, {"code": "invalid_request", "message": str(why)}
        after = copy.deepcopy(self.flags[key])
        if call.query.get("dryRun") == "true":
            self.flags[key] = before
            self.log.pop()
        return 200, after

    def _apply(self, key: str, instructions: list[Any], who: str, comment: str = "") -> None:
        flag, config = self.flags[key], self.config(key)
        for one in instructions:
            do = getattr(self, f"_{one['kind']}", None)
            if do is None:
                raise BadPatch(f"unknown instruction {one['kind']}")
            do(flag, config, one)
        flag["_version"] += 1
        config["version"] += 1
        config["lastModified"] = int(time.time() * 1000)
        first, _, last = who.partition(" ")
        by: dict[str, Any] = (
            {
                "member": {
                    "_links": _LINKS,
                    "_id": "m1",
                    "firstName": first,
                    "lastName": last,
                    "email": "ada@example.com",
                }
            }
            if who
            else {"token": {"_id": "t1", "name": "tidegate", "ending": "6789", "serviceToken": True}}
        )
        entry = {
            "_id": f"e{len(self.log)}",
            "_accountId": "a",
            "_links": _LINKS,
            "accesses": [],
            "date": config["lastModified"],
            "kind": "flag",
            "name": key,
            "description": "",
            "comment": comment,
            "shortDescription": "",
            "titleVerb": "changed the targeting of",
            **by,
        }
        self.log.append(entry)

    def _environment(self) -> dict[str, Any]:
        settings = {
            "required": False,
            "bypassApprovalsForPendingChanges": False,
            "minNumApprovals": 1,
            "canReviewOwnRequest": False,
            "canApplyDeclinedChanges": False,
            "serviceKind": "launchdarkly",
            "serviceConfig": {},
            "requiredApprovalTags": [],
        }
        return {
            "_id": "env",
            "_links": _LINKS,
            "apiKey": "sdk-x",
            "mobileKey": "mob-x",
            "color": "fff",
            "confirmChanges": False,
            "critical": True,
            "defaultTrackEvents": False,
            "defaultTtl": 0,
            "key": ENVIRONMENT,
            "name": "Production",
            "requireComments": True,
            "secureMode": False,
            "tags": [],
            "approvalSettings": settings | self.approvals,
        }

    # One method an instruction, as the description of the flag's PATCH says it.

    def _turnFlagOff(self, flag: Any, config: Any, one: Any) -> None:
        config["on"] = False

    def _turnFlagOn(self, flag: Any, config: Any, one: Any) -> None:
        config["on"] = True

    def _updateOffVariation(self, flag: Any, config: Any, one: Any) -> None:
        config["offVariation"] = self._index(flag, one["variationId"])

    def _updateFallthroughVariationOrRollout(self, flag: Any, config: Any, one: Any) -> None:
        config["fallthrough"] = self._serving(flag, one)

    def _reorderRules(self, flag: Any, config: Any, one: Any) -> None:
        by_id = {rule["_id"]: rule for rule in config["rules"]}
        if sorted(by_id) != sorted(one["ruleIds"]):
            raise BadPatch("ruleIds do not match the current set of rules on the flag")
        config["rules"] = [by_id[id_] for id_ in one["ruleIds"]]

    def _replaceRules(self, flag: Any, config: Any, one: Any) -> None:
        config["rules"] = [self._rule(flag, rule) for rule in one["rules"]]

    def _addRule(self, flag: Any, config: Any, one: Any) -> None:
        config["rules"].append(self._rule(flag, one))

    def _addTargets(self, flag: Any, config: Any, one: Any) -> None:
        target = {"variation": self._index(flag, one["variationId"]), "values": one["values"], "contextKind": "user"}
        config["targets"].append(target)

    def _rule(self, flag: Any, one: Any) -> dict[str, Any]:
        clauses = [{"_id": f"c{next(self._ids)}", "negate": False, **clause} for clause in one["clauses"]]
        described = {"description": one["description"]} if one.get("description") else {}
        return {
            "_id": f"r{next(self._ids)}",
            "clauses": clauses,
            "trackEvents": False,
            **described,
            **self._serving(flag, one),
        }

    def _serving(self, flag: Any, one: Any) -> dict[str, Any]:
        if "variationId" in one:
            return {"variation": self._index(flag, one["variationId"])}
        shares = {self._index(flag, id_): weight for id_, weight in one["rolloutWeights"].items()}
        if sum(shares.values()) != 100_000:
            raise BadPatch("the weights do not add up")
        # By the variations' order, whatever the order they were sent in.
        variations = [{"variation": index, "weight": shares.get(index, 0)} for index in range(len(flag["variations"]))]
        return {"rollout": {"variations": variations, "contextKind": one.get("rolloutContextKind", "user")}}

    def _index(self, flag: Any, id_: str) -> int:
        ids = [variation["_id"] for variation in flag["variations"]]
        if id_ not in ids:
            raise BadPatch(f"no such variation: {id_}")
        return ids.index(id_)
