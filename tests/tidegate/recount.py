"""The reports' numbers counted again from a journal's plain rows, by nothing of the code that writes the reports."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
HOURS_IN_A_MONTH = 730
CENT = 0.0051  # amounts are printed to the cent
_QUIET = {"queued", "sent", "raising", "lowering"}


@dataclass(frozen=True)
class Row:
    """One line of the journal as it is stored."""

    at: datetime
    kind: str
    body: Mapping[str, Any]


Rows = Sequence[Row]


def of_kind(rows: Rows, *kinds: str) -> list[Row]:
    """Those of these kinds."""
    return [row for row in rows if row.kind in kinds]


def factor(rows: Rows) -> float:
    """How many seconds of the plan pass in one."""
    day = rows[0].body["pace_seconds"]
    return 1.0 if day is None else 86_400 / day


def mean(reviews: Rows, metric: str) -> float | None:
    """Weighted by the events behind each value, where every value has some."""
    found = [line for row in reviews for line in row.body["metrics"] if line["name"] == metric]
    found = [line for line in found if line["value"] is not None]
    if not found:
        return None
    counts = [line.get("n") or 0 for line in found]
    weights = counts if min(counts) > 0 else [1] * len(found)
    return sum(w * line["value"] for w, line in zip(weights, found, strict=True)) / sum(weights)


def shown(exposure: Mapping[str, Any]) -> list[str]:
    """Each layer's share and audience."""
    return [f"{layer['percent']:g}% of {layer['audience']}" for layer in exposure["layers"]]


def stays(rows: Rows, until: datetime) -> list[tuple[Row, datetime]]:
    """Every raise or step back, and when the next one, zero or `until` ended it; what lost against zero left out."""
    zero = [datetime.fromisoformat(row.body["zero_at"]) for row in of_kind(rows, "rolling_back") if row.body["zero_at"]]
    end = min([until, *zero])
    moves = [row for row in of_kind(rows, "raised", "lowered") if row.at <= end]
    return [(row, nearest(moves[n + 1 :], end)) for n, row in enumerate(moves)]


def paid(rows: Rows, until: datetime) -> list[tuple[int, datetime, datetime]]:
    """Every stay in a wave, with the days after the last wave's soak distinguished from it."""
    last, found = len(rows[0].body["plan"]["waves"]), list[tuple[int, datetime, datetime]]()
    for row, end in stays(rows, until):
        wave, soaks = row.body["wave"], [r for r in of_kind(rows, "soaked") if row.at <= r.at < end]
        over = [r.at for r in soaks if wave == last == r.body["wave"]]
        parts = [(wave, row.at, over[0]), (last + 1, over[0], end)] if over else [(wave, row.at, end)]
        found += [part for part in parts if part[1] < part[2]]
    return found


def nearest(later: Rows, end: datetime) -> datetime:
    """When the first of these happened, or the end."""
    return later[0].at if later else end


def close(found: float | None, wanted: float | None, by: float = 1e-9) -> bool:
    """Both unknown, or as good as equal."""
    if found is None or wanted is None:
        return found is wanted
    return abs(found - wanted) <= by * max(1.0, abs(wanted))


def check_stand_up(report: Mapping[str, Any], rows: Rows) -> None:
    """Reviews, means of both days, baseline and exposure."""
    now, day = datetime.fromisoformat(report["at"]), DAY / factor(rows)
    reviewed = of_kind(rows, "reviewed")
    today = [row for row in reviewed if now - day < row.at <= now]
    yesterday = [row for row in reviewed if now - 2 * day < row.at <= now - day]
    for name, mine in (("today", today), ("yesterday", yesterday)):
        passed = sum(row.body["verdict"] == "PASS" for row in mine)
        assert report["reviews"][name] == {"recorded": len(mine), "passed": passed}
    baselines = [row.body["metrics"] for row in of_kind(rows, "measured") if row.body["reference"] == 0]
    for line in report["health"]:
        name = line["metric"]
        assert close(line["today"], mean(today, name)), line
        assert close(line["yesterday"], mean(yesterday, name)), line
        assert close(line["baseline"], baselines[-1].get(name, {}).get("value") if baselines else None), line
    in_force = stays(rows, now)
    turned = any(row.body["zero_at"] for row in of_kind(rows, "rolling_back"))
    layers = ["0%"] if turned or not in_force else shown(in_force[-1][0].body["exposure"])
    assert any(report["exposure"].startswith(layer) or layer in report["exposure"] for layer in layers)
    assert report["journal"]["entries"] == len(rows)


def check_costs(report: Mapping[str, Any], rows: Rows) -> None:
    """Hours, shares and amounts of every stay in a wave, and the projected month, in floating numbers of our own."""
    items = rows[0].body["plan"]["costs"]["items"]
    accounts = {row.body["wave"]: row.body for row in of_kind(rows, "accounted")}
    newest = max(accounts.values(), key=lambda body: body["end"], default=None)
    assert close(_number(report["projected_month"]), _sum(_month(items, newest).values()), CENT)
    expected = [
        (wave, (end - start) * factor(rows) / HOUR)
        for wave, start, end in paid(rows, datetime.fromisoformat(report["until"]))
    ]
    assert [wave["wave"] for wave in report["waves"]] == [number for number, _ in expected]
    totals: dict[str, list[float | None]] = {"new": [], "old": []}
    for wave, (number, hours) in zip(report["waves"], expected, strict=True):
        assert abs(float(wave["hours"]) - hours) <= CENT
        month, share = _month(items, accounts.get(number)), _share(accounts.get(number))
        shared = month["shared"]
        for side, part in (("new", share), ("old", None if share is None else 1 - share)):
            mine, common = month[side], 0.0 if shared == 0 else None
            if shared and part is not None:
                common = shared * part
            whole = None if mine is None or common is None else (mine + common) / HOURS_IN_A_MONTH * hours
            totals[side].append(whole)
            assert close(_number(wave[side]), whole, CENT), (wave, side)
    for side, amounts in totals.items():
        # Each line is rounded to the cent before the sum.
        assert close(_number(report["total"][side]), _sum(amounts), CENT * max(1, len(amounts)))


def _month(items: Mapping[str, Any], account: Mapping[str, Any] | None) -> dict[str, float | None]:
    month: dict[str, float | None] = {"new": 0.0, "old": 0.0, "shared": 0.0}
    for name, item in items.items():
        amount: float | None = float(item["amount"])
        if item.get("query"):
            amount = account["figures"].get(f"amount_{name}") if account else None
        price = float(re.sub(r"[$,]", "", item["price"])) if item.get("price") else 0.0
        price *= HOURS_IN_A_MONTH if item.get("per") == "hour" else 1
        side = item.get("path", "new")
        so_far = month[side]
        month[side] = None if so_far is None or amount is None else so_far + amount * price
    return month


def _share(account: Mapping[str, Any] | None) -> float | None:
    new = account["figures"].get("requests_new") if account else None
    if account is None or new is None:
        return None
    whole = new + (account["figures"].get("requests_old") or 0)
    return new / whole if whole else None


def _sum(amounts: Any) -> float | None:
    found = list(amounts)
    return None if None in found else sum(found)


def _number(text: str | None) -> float | None:
    return None if text is None else float(text)


def check_close_out(report: Mapping[str, Any], rows: Rows) -> None:
    """Who was exposed when, what each wave's reviews said, how fast the rollback was, and who decided how often."""
    spans = stays(rows, rows[-1].at)
    turned = any(row.body["zero_at"] for row in of_kind(rows, "rolling_back"))
    assert len(report["exposure"]) == len(spans)
    for line, (row, end) in zip(report["exposure"], spans, strict=True):
        assert all(layer in line["exposure"] for layer in shown(row.body["exposure"])[-1:])
        assert datetime.fromisoformat(line["from"]) == row.at
        still = row is spans[-1][0] and not turned
        assert line["until"] == (None if still else end.isoformat())
    told = ("gate_decided", "held", "resumed", "extended", "lowered", "rolling_back", "closed")
    decided = of_kind(rows, *told, "amended", "readiness_stated")
    assert [datetime.fromisoformat(line["at"]) for line in report["decisions"]] == [row.at for row in decided]
    assert [line["by"] for line in report["decisions"]] == [row.body["by"] for row in decided]
    reviewed = of_kind(rows, "reviewed")
    for wave in report["judged"]:
        mine = [row for row in reviewed if row.body["wave"] == wave["wave"]]
        assert wave["reviews"] == len(mine)
        assert wave["verdicts"] == Counter(row.body["verdict"] for row in mine)
        assert close(wave["soak_seconds"], sum(row.body["credit"] for row in mine if row.body["healthy"]))
        for line in report["performance"]:
            assert close(line["waves"][str(wave["wave"])], mean(mine, line["metric"]))
    assert sum(wave["reviews"] for wave in report["judged"]) == len(reviewed)
    assert report["journal"]["entries"] == len(rows)
    back = report["rollback"]
    assert (back is None) == (not of_kind(rows, "rolling_back"))
    if back is not None:
        for name, wanted in way_back(rows).items():
            assert _seconds(back[name]) == wanted or abs((_seconds(back[name]) or 0) - (wanted or 0)) <= 0.051


def way_back(rows: Rows) -> dict[str, float | None]:
    """Seconds from the order to zero, to the last request on the new path and to the proof."""
    order = of_kind(rows, "rolling_back")[0].body
    began, proofs = datetime.fromisoformat(order["ordered_at"]), of_kind(rows, "proven")
    proof: Mapping[str, Any] = proofs[-1].body if proofs else {}
    ends = {
        "zero": next((r.body["zero_at"] for r in of_kind(rows, "rolling_back") if r.body["zero_at"]), None),
        "last_request": proof.get("last_request_at"),
        "proof": proof.get("proven_at"),
    }
    return {n: None if at is None else (datetime.fromisoformat(at) - began).total_seconds() for n, at in ends.items()}


def _seconds(text: str) -> float | None:
    return None if text == "?" else float(text.removesuffix(" s"))


def check_postmortem(draft: str, rows: Rows) -> None:
    """The times of the rollback, and a timeline whose every line is an entry's, in order, with none of weight left out."""
    cells = [tuple(cell.strip() for cell in line.strip("|").split(" | ")) for line in draft.splitlines() if "|" in line]
    table = {cell[0]: cell[1] for cell in cells if len(cell) == 2}
    said = {"zero": "Flag at zero", "last_request": "Last request on the new path", "proof": "Proof"}
    for name, wanted in way_back(rows).items():
        found = _seconds(table[said[name]])
        assert (found is None) == (wanted is None)
        assert abs((found or 0) - (wanted or 0)) <= 0.051
    told = [line for line in draft.splitlines() if re.match(r"\| \d\d-\d\d \d\d:\d\d:\d\d \|", line)]
    stamps = [(line[2:16], line.split("|")[2].split(":")[0].strip()) for line in told]
    written = [(f"{row.at:%m-%d %H:%M:%S}", row.kind.replace("_", " ")) for row in rows]
    position = iter(written)
    assert all(stamp in position for stamp in stamps), "a line that is no entry's, or out of order"
    weighty = of_kind(rows, "opened", "gate_decided", "raised", "lowered", "held", "resumed", "rolling_back", "proven")
    for row in weighty:
        assert (f"{row.at:%m-%d %H:%M:%S}", row.kind.replace("_", " ")) in stamps
