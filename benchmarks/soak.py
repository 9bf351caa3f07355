"""What watch, waves, dashboard and Prefect's server weigh over hours of rollouts at rehearsal pace, minute by minute.

`python benchmarks/soak.py --minutes 120 --picture docs/images/soak.svg` prints each minute and draws what it saw.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from stack import _processes, _rss_of

from blocks.connections import OpenConnections
from console.commands.rollout_commands import start_rollout
from engine.rollout.session import OpenRollout
from tidegate.journal.state import Phase

_ROOT = Path(__file__).resolve().parent.parent
_COLORS = {"watch": "#0b6e99", "waves": "#c2410c", "dashboard": "#15803d", "Prefect's server": "#6b21a8"}
_WIDTH, _HEIGHT, _LEFT, _FOOT = 860, 320, 60, 40
Sample = dict[str, float]  # megabytes by the name of what was weighed, and the minute


def soak(minutes: int, record: Path | None) -> list[Sample]:
    """A sample a minute, of one watch for the whole time and of rollouts that are rolled back after their last wave."""
    with tempfile.TemporaryDirectory(prefix="tidegate-soak-") as name:
        os.environ["TIDEGATE_HOME"] = name
        os.environ.pop("TIDEGATE_KIT", None)
        from console.home import connections
        from console.local_stack import stack

        up = stack.up(15.0, lambda _: None)
        # A turn of the deployment's own runs is a quarter of an hour: this one takes over from it, and stays.
        turn = [sys.executable, "-c", f"from flows.watch import watch; watch(minutes={minutes + 60})"]
        own = {**os.environ, "PREFECT_API_URL": up.api}

        def watch() -> "subprocess.Popen[bytes]":
            return subprocess.Popen(turn, cwd=_ROOT, env=own, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        watching = watch()
        over = threading.Event()
        rollouts = threading.Thread(target=_rollouts, args=(connections(), over), daemon=True)
        try:
            rollouts.start()
            samples = []
            begun = time.monotonic()
            for minute in range(1, minutes + 1):
                time.sleep(max(0.0, begun + 60 * minute - time.monotonic()))
                if watching.poll() is not None:  # it lost its claim, as where the machine stood still for long
                    print("the watch ended, and another one begins", file=sys.stderr, flush=True)
                    watching = watch()
                sample = {
                    "minute": float(minute),
                    "watch": _rss_of(watching.pid),
                    "waves": max([_rss_of(pid) for pid in _processes("rollout")], default=0.0),
                    "dashboard": _rss_of(up.dashboard.pid) if up.dashboard else 0.0,
                    "Prefect's server": _rss_of(up.server.pid),
                }
                samples.append(sample)
                print(json.dumps(sample), flush=True)
                if record is not None:
                    record.write_text(json.dumps(samples), encoding="utf-8")
            return samples
        finally:
            over.set()
            watching.terminate()
            watching.wait(60)
            stack.down(lambda _: None)


def _rollouts(via: OpenConnections, over: threading.Event) -> None:
    """Start one after another until it is over; one that ends by itself, as on a starved machine, is followed, too."""
    while not over.is_set():
        name = ""
        try:
            name = start_rollout("rehearsal.yaml", "benchmark@company.com", None, "auto")
            run = OpenRollout(via, name)
            while not over.wait(2) and run.refresh().phase.is_open and run.state.phase is not Phase.POST_ROLLOUT:
                pass
            over.wait(30)
            argv = [sys.executable, "-m", "console", "rollback", name, "--reason", "soak", "--as", "benchmark"]
            subprocess.run(argv, check=False, capture_output=True, cwd=_ROOT)
            while not over.wait(2) and run.refresh().phase.is_open:
                pass
        except Exception as fault:  # noqa: BLE001 - a soak of hours goes on, whatever became of one rollout
            print(
                f"after {name or 'none'} the next, since {type(fault).__name__}: {fault}", file=sys.stderr, flush=True
            )
            over.wait(10)


def picture(samples: Sequence[Sample]) -> str:
    """The samples as a chart in SVG: megabytes over minutes, a line for each of what was weighed."""
    last = max(s["minute"] for s in samples)
    most = 50 * (1 + max(s[name] for s in samples for name in _COLORS) // 50)

    def at(minute: float, megabytes: float) -> str:
        x = _LEFT + (_WIDTH - _LEFT - 150) * minute / last
        return f"{x:.1f},{20 + (_HEIGHT - _FOOT - 20) * (1 - megabytes / most):.1f}"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'font-family="sans-serif" font-size="12">'
        f'<title>Resident memory over {last:.0f} minutes</title><rect width="100%" height="100%" fill="#fff"/>'
    ]
    for megabytes in range(0, int(most) + 1, 50):
        x, y = at(0, megabytes).split(",")
        parts.append(f'<line x1="{x}" y1="{y}" x2="{_WIDTH - 150}" y2="{y}" stroke="#ddd"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{float(y) + 4}" text-anchor="end">{megabytes} MB</text>')
    for minute in range(0, int(last) + 1, 15):
        x = at(minute, 0).split(",")[0]
        parts.append(f'<text x="{x}" y="{_HEIGHT - 15}" text-anchor="middle">{minute} min</text>')
    for row, (name, color) in enumerate(_COLORS.items()):
        # Between two waves nothing carries a rollout, and a watch that stands by is not there yet.
        points = " ".join(at(s["minute"], s[name]) for s in samples if s[name])
        parts.append(f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="1.5"/>')
        parts.append(f'<text x="{_WIDTH - 140}" y="{40 + 20 * row}" fill="{color}">{name}</text>')
    return "\n".join([*parts, "</svg>\n"])


def main() -> None:
    """Run as a command."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--minutes", type=int, default=120)
    words.add_argument("--record", type=Path, help="write the samples here each minute, as JSON")
    words.add_argument("--picture", type=Path, help="draw the chart here at the end")
    words.add_argument("--draw", type=Path, help="draw the chart of this record alone")
    asked = words.parse_args()
    samples = json.loads(asked.draw.read_text()) if asked.draw else soak(asked.minutes, asked.record)
    if asked.picture:
        asked.picture.write_text(picture(samples), encoding="utf-8")


if __name__ == "__main__":
    main()
