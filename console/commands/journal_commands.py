"""`tidegate journal`: the record of a rollout, and whether it was tampered with."""

import json
from collections.abc import Mapping
from typing import Any

import typer
from rich.console import Console

from blocks.journal.store import JournalStore
from console.exits import Exit
from console.home import connections
from engine.rollout.open import NotAllowed
from tidegate.journal.entries import Entry
from tidegate.pages.journal_lines import entry_words

out = Console(highlight=False)
_SHORTEST_HEAD = 8


def journal(
    rollout: str, name: str | None = None, head: str = "", as_json: bool = False, reviews: bool = False
) -> None:
    """Print a rollout's journal in plain words, or `journal verify`: check the chain of hashes of every entry."""
    store = connections().journal
    if rollout == "verify":
        problems = [*store.verify(name), *_not_there(store, name, head)]
        if as_json:
            print(json.dumps({"intact": not problems, "problems": problems}))
        else:
            for problem in problems:
                out.print(problem, markup=False, soft_wrap=True)
            if not problems:
                out.print(f"intact: {len(store.rollouts())} rollouts")
        raise typer.Exit(Exit.NO_GO if problems else Exit.DONE)
    entries = store.entries(rollout)
    if not entries:
        from engine.rollout.session import UnknownRollout

        raise UnknownRollout(f"no rollout {rollout!r} in the journal")
    if as_json:
        print(json.dumps([_json(entry) for entry in entries], indent=1))
        return
    for entry in entries:
        words = entry_words(entry, reviews=reviews)
        if words:
            out.print(f"{entry.at:%Y-%m-%d %H:%M:%S}  {entry.kind.value:<13} {words}", markup=False, soft_wrap=True)


def _not_there(store: JournalStore, rollout: str | None, head: str) -> list[str]:
    """A head that stands in people's messages and not in the chain: whoever wrote it anew could not change those."""
    if not head:
        return []
    if rollout is None or len(head) < _SHORTEST_HEAD:
        allowed = f"at least {_SHORTEST_HEAD} letters of it, with the name of its rollout"
        raise NotAllowed(f"--head: found {head!r}, allowed are {allowed}")
    if any(entry.hash.startswith(head.lower()) for entry in store.entries(rollout)):
        return []
    return [f"{rollout}: people were given the head {head}, and no entry has it: the journal was written anew"]


def _json(entry: Entry) -> Mapping[str, Any]:
    return {
        "sequence": entry.sequence,
        "at": entry.at.isoformat(),
        "kind": entry.kind.value,
        "body": entry.json,
        "previous": entry.previous,
        "hash": entry.hash,
    }
