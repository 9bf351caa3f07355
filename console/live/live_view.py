"""The live view of a rollout: waves, soak, verdicts and messages, and the gate's question in the terminal."""

import select
import sys
import threading
from collections import deque
from datetime import datetime, timedelta
from time import monotonic

import httpx
from rich.console import Console, Group
from rich.live import Live
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

from blocks.errors import ConnectionFault
from console.commands.gate_commands import answer_gate
from console.local_stack.demo_summary import Shares, share_of_wave
from engine.rollout.open import NotAllowed
from engine.rollout.session import OpenRollout, utc_now
from tidegate.gates.approval import Choice, Outcome, approvers_of
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase
from tidegate.notices.texts import wave_words
from tidegate.pages.journal_lines import entry_words
from tidegate.pages.progress_page import wave_status
from tidegate.pages.tables import evidence_table
from tidegate.values.units import format_percent
from tidegate.values.verdict import Finding, Verdict

_LINES = 14
_SILENT = (Kind.QUEUED, Kind.RAISING, Kind.ANSWERED)


class Viewer:
    """What is on the screen: a table of waves above the last lines of the journal; plain lines without a terminal."""

    def __init__(self, run: OpenRollout, prefect_url: str, *, ask: bool) -> None:
        self.out = Console(highlight=False)
        self.run, self.prefect_url, self.ask = run, prefect_url, ask
        self.seen = 0
        self.lines: deque[str] = deque(maxlen=_LINES)
        self._announced_gate: tuple[int, int] | None = None
        self._live = Live(console=self.out, refresh_per_second=4, transient=True) if self.out.is_terminal else None
        if self._live is not None:
            self._live.start()

    def refresh(self) -> None:
        """Read the journal's newest entries and draw."""
        for entry in self.run.connections.journal.entries(self.run.rollout, after=self.seen):
            self.seen = entry.sequence
            words = entry_words(entry, reviews=False)
            if words and entry.kind not in _SILENT:
                self.say(f"{entry.at.astimezone():%H:%M:%S}  {words}")
        self.run.refresh()
        if self._live is not None:
            self._live.update(Group(self.table(), Text("\n".join(self.lines))))

    def say(self, line: str) -> None:
        """One more line."""
        if self._live is None:
            self.out.print(line, markup=False, soft_wrap=True)
        else:
            self.lines.append(line)

    def table(self) -> Table:
        """The waves as they stand."""
        run = self.run
        state = run.state
        title = f"{run.plan.title}: {state.phase.value.replace('_', ' ')}, exposure {state.exposure}"
        table = Table(title=title, title_justify="left", min_width=70)
        for heading in ("Wave", "Exposure", "Status", "Soak", "Reviews"):
            table.add_column(heading)
        for number in range(1, len(run.plan.waves) + 2):
            word, soak = wave_status(state, run.timing, number)
            reviews = str(state.waves[number].recorded) if number in state.waves else ""
            if number <= len(run.plan.waves):
                wave = run.plan.waves[number - 1]
                name, exposure = wave.title, f"{format_percent(wave.percent)} of {wave.audience}"
            else:
                name, exposure = "Post-rollout (shortened)", "100%"
            style = {"soaking": "bold green", "done": "green", "gate": "bold yellow", "rolled back": "bold red"}.get(
                word
            )
            table.add_row(name, exposure, word, soak.removesuffix(" (at rehearsal pace)"), reviews, style=style)
        return table

    def close(self) -> None:
        """Leave the last table on the screen."""
        if self._live is not None:
            self._live.stop()
            self._live = None
        self.out.print(self.table())
        for line in self.lines:
            self.out.print(line, markup=False, soft_wrap=True)

    def offer_gate(self) -> None:
        """Let the person at the terminal answer the waiting gate; others may answer in the UI meanwhile."""
        gate = self.run.state.gate
        waiting = self.run.state.phase is Phase.GATE and gate is not None and not gate.outcome and gate.answer is None
        if not self.ask or gate is None or not waiting:
            return
        if self._announced_gate != (gate.wave, gate.attempt):
            self._announced_gate = (gate.wave, gate.attempt)
            where = f"in the UI: {self.prefect_url}/runs/flow-run/{gate.flow_run}"
            here = "press Enter to decide here, or answer " if sys.stdin.isatty() else "answer "
            self.say(f"The gate before wave {gate.wave} waits: {here}{where}")
            if gate.refusal:
                self.say(f"The last answer was refused: {gate.refusal}")
            if question := self.run.state.asked_before(gate.wave):
                self.say(f"A go answers this with yes: {question}")
        if sys.stdin.isatty() and select.select([sys.stdin], [], [], 0)[0]:
            sys.stdin.readline()
            self._decide()

    def _decide(self) -> None:
        gate = self.run.refresh().gate
        if gate is None or gate.outcome:
            return
        if self._live is not None:
            self._live.stop()
        findings = [Finding(**{**f, "verdict": Verdict(f["verdict"])}) for f in gate.findings]
        self.out.print(Markdown(f"## May {wave_words(self.run.plan, gate.wave)} begin?\n{evidence_table(findings)}"))
        choices = "/".join(c.value for c in Choice)
        try:
            said = self.out.input(f"Decision ({choices}) [go]: ", markup=False).strip() or "go"
            default = approvers_of(self.run.plan, gate.wave)[0]
            who = self.out.input(f"Your e-mail address [{default}]: ", markup=False).strip() or default
            if said not in list(Choice):
                raise NotAllowed(f"decision: found {said!r}, allowed are {choices}")
            extension = self.out.input("Extend by, e.g. 12h: ").strip() if said == Choice.EXTEND else None
            outcome, reason = answer_gate(self.run, who.lower(), Choice(said), "", extension, confirm=False)
            self.say(f"{outcome.value}: {reason}")
            if outcome is Outcome.REFUSED:
                self.say("The gate still waits: press Enter to decide again.")
        except (NotAllowed, ConnectionFault) as refusal:
            self.say(f"refused: {refusal}")
        finally:
            if self._live is not None:
                self._live.start()


def follow_live(run: OpenRollout, viewer: Viewer, *, fault: str | None, service: str, deadline: timedelta) -> Shares:
    """Show the rollout until it ends; with a fault, release it once wave 1 runs. Returns the measured shares."""
    shares: Shares = {}
    until, broken = monotonic() + deadline.total_seconds(), False
    try:
        while run.state.phase.is_open and monotonic() < until:
            viewer.refresh()
            viewer.offer_gate()
            _measure(run, shares, utc_now())
            if fault and not broken and _has_run(run, timedelta(seconds=5)):
                httpx.put(f"{service}/faults", json={"kind": fault}, timeout=30).raise_for_status()
                viewer.say(f"*** the fault {fault!r} is released on the new path ***")
                broken = True
            threading.Event().wait(0.3)
        viewer.refresh()
    finally:
        viewer.close()
    return shares


def _has_run(run: OpenRollout, span: timedelta) -> bool:
    record = run.state.waves.get(1)
    return record is not None and utc_now() - record.raised_at >= span


def _measure(run: OpenRollout, shares: Shares, now: datetime) -> None:
    """The share of each wave, counted by Prometheus over all of the wave but its first three seconds."""
    record = run.state.record
    if record is None or run.state.wave > len(run.plan.waves) or run.state.phase is not Phase.WAVE:
        return
    span = now - record.raised_at - timedelta(seconds=3)
    if span >= timedelta(seconds=4):
        found = share_of_wave(run, run.state.wave, now, span)
        if found is not None:
            shares[run.state.wave] = found
