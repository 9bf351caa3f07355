"""What LaunchDarkly says of an environment's approvals, and of who changed a flag: in words."""

from datetime import UTC, datetime
from typing import Any

from blocks.flags.launchdarkly.launchdarkly_rules import Json


def approvals_asked_for(environment: Json) -> str:
    """Which approvals an environment asks for, empty for none."""
    by_kind = environment.get("resourceApprovalSettings")
    settings = [environment.get("approvalSettings"), by_kind.get("flag") if isinstance(by_kind, dict) else None]
    required = [one for one in settings if isinstance(one, dict) and one.get("required")]
    tags = sorted({str(tag) for one in required for tag in one.get("requiredApprovalTags") or ()})
    return "" if not required else f"flags with the tags {', '.join(tags)}" if tags else "every flag"


def _part(entry: Json, name: str) -> Json:
    found = entry.get(name)
    return found if isinstance(found, dict) else {}


def last_change(body: Any) -> str:
    """Who made the last change that is not ours, by an answer of the audit log; empty where nobody is named."""
    items = body.get("items") if isinstance(body, dict) else None
    entries = [one for one in items if isinstance(one, dict)] if isinstance(items, list) else []
    entry = next((one for one in entries if not str(one.get("comment") or "").startswith("Tidegate")), {})
    member, token = _part(entry, "member"), _part(entry, "token")
    name = " ".join(str(member[part]) for part in ("firstName", "lastName") if member.get(part))
    who = name or str(member.get("email") or "") or (f"the token {token['name']}" if token.get("name") else "")
    date = entry.get("date")
    at = datetime.fromtimestamp(date / 1000, UTC).strftime(" at %Y-%m-%d %H:%M:%S UTC") if type(date) is int else ""
    did = " ".join(str(entry.get("titleVerb") or "changed it").split())[:120]
    return f"; last change there by {who[:80]}: {did}{at}" if who else ""
