"""Faults put into a copy of the product on purpose: the observer has to find each, or it sees nothing at all."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import blocks.journal.many_claims
import blocks.journal.store
from blocks.channels.slack import Slack
from engine.rollout.session import OpenRollout
from tidegate.rollout.permit import Permit

KINDS = ("unapproved", "doubled", "lost", "late", "lease")


def put_in(kind: str) -> None:
    """Change this process's copy; what concerns single steps is asked by `before_asking` and `after_the_end`."""
    if kind == "doubled":
        _around_post(lambda post, args: (post(*args), post(*args))[0])
    elif kind == "lost":

        def lossy(post: Callable[..., str], args: tuple[Any, ...]) -> str:
            # The one that every rollout here has, since each is rolled back: in every channel, whoever sends it.
            return "0.0" if args[2].event.startswith("rolling-back") else post(*args)

        _around_post(lossy)
    elif kind == "lease":
        for module in (blocks.journal.store, blocks.journal.many_claims):
            module.seconds_to_wait = lambda *_: 0.0  # type: ignore[attr-defined]


def before_asking(kind: str, run: OpenRollout, wave: int) -> None:
    """`unapproved`: the second wave is written before anybody was asked."""
    if kind == "unapproved" and wave == 2:
        _write(run, wave, run.keep_claim().epoch)


def after_the_end(kind: str, run: OpenRollout) -> None:
    """`late`: who lost its claim to a rollback writes once more, and nothing keeps it out."""
    if kind == "late" and run.state.wave:
        time.sleep(1)  # before the harness takes the rollout for over and judges
        flags = json.loads(Path(run.connections.flags.path).read_text())  # type: ignore[attr-defined]
        _write(run, run.state.wave, int(flags["flags"][run.flag]["metadata"]["tidegateEpoch"]))


def _write(run: OpenRollout, wave: int, epoch: int) -> None:
    exposure = run.plan.exposure_at(wave)
    forged = Permit(run.flag, exposure, epoch, time.monotonic() + 60, lambda: "")
    run.connections.flags.write(run.flag, exposure, epoch, forged)


def _around_post(around: Callable[[Callable[..., str], tuple[Any, ...]], str]) -> None:
    post = Slack.post
    Slack.post = lambda *args: around(post, args)  # type: ignore[method-assign]
