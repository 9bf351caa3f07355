"""`tidegate watch`: one rollout in the terminal, kept fresh until Ctrl-C."""

import json
import threading

import typer
from rich.console import Console
from rich.live import Live

from console.exits import Exit
from console.home import connections
from console.live.dashboard_panel import rollout_box
from console.live.rollout_cache import CachedRollout, Followed
from engine.rollout.who_guards import why_unguarded

REFRESH_SECONDS = 2.0
PIPED_COLUMNS = 110
out = Console(highlight=False)


def watch(rollout: str, once: bool = False, as_json: bool = False) -> None:
    """Show one rollout as the plan's dashboard does: wave, soak, metrics against bounds, issues. Ctrl-C ends it."""
    followed = Followed(connections(), rollout)
    seen = followed.latest()
    if as_json:
        print(json.dumps(seen.view.to_json(), indent=1, ensure_ascii=False))
    elif once or not out.is_terminal:
        Console(highlight=False, no_color=True, width=None if out.is_terminal else PIPED_COLUMNS).print(
            rollout_box(seen.view, _stale(seen))
        )
    else:
        _keep_showing(followed, seen)


def _keep_showing(followed: Followed, seen: CachedRollout) -> None:
    # The screen of its own comes back clean; what was seen last is left on the one before.
    try:
        with Live(rollout_box(seen.view, _stale(seen)), console=out, screen=True, auto_refresh=False) as live:
            while True:
                threading.Event().wait(REFRESH_SECONDS)
                seen = followed.latest()
                live.update(rollout_box(seen.view, _stale(seen)), refresh=True)
    except KeyboardInterrupt:
        out.print(rollout_box(seen.view, _stale(seen)))
        raise typer.Exit(Exit.STOPPED) from None


def _stale(seen: CachedRollout) -> str:
    if seen.stale_since is None:
        return why_unguarded(seen.run)
    return f"The journal does not answer since {seen.stale_since:%H:%M:%S} UTC: what stands here is old."
