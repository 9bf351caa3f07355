"""`tidegate init`: a first plan, a kit and the service's lines, from what Prometheus knows of the service."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from blocks.errors import ConnectionFault
from blocks.flags.flagd.flagd_file import FlagdFile
from blocks.flags.keys import keys_of
from blocks.kit import write_kit
from blocks.prometheus.block import Prometheus
from console.home import NotFound
from engine.first_plan.answers import QUESTIONS, AnswerError, InitAnswers, checked
from engine.first_plan.choices import chosen
from engine.first_plan.plan_text import plan_text
from engine.first_plan.seen import ServiceSeen, look
from engine.first_plan.snippet import FILES, snippet
from engine.rollout.identity import utc_now
from engine.rollout.open import NotAllowed
from tidegate.plan.loading.loader import load_plan
from tidegate.plan.loading.strict_yaml import PlanError, read_mapping

out = Console(highlight=False, soft_wrap=True)


def init(answers: Path | None, into: Path, *, force: bool) -> None:
    """Ask what is missing, look at Prometheus, and write the files; raises NotAllowed and then writes nothing."""
    given = _given(answers)
    try:
        answered = checked(given if answers is not None else _asked(given, into))
    except AnswerError as error:
        raise NotAllowed(f"{answers or 'init'}: {error}") from None
    files = {
        "plan": into / f"{answered.name}.yaml",
        "kit": into / "kit.yaml",
        "snippet": into / FILES[answered.language],
    }
    if there := [str(path) for path in files.values() if path.exists() and not force]:
        raise NotAllowed(f"{', '.join(there)}: there already, allowed is another --into FOLDER, or --force")
    seen = look(Prometheus(url=answered.prometheus), answered, utc_now())
    text = plan_text(answered, seen, chosen(seen))
    plan = load_plan(files["plan"], lambda _: text.encode())
    into.mkdir(parents=True, exist_ok=True)
    files["plan"].write_text(text, encoding="utf-8")
    files["snippet"].write_text(snippet(answered), encoding="utf-8")
    write_kit(files["kit"], _kit(answered, into.absolute()))
    _tell(answered, seen, files, len(plan.waves), _flag_made(answered))


def _kit(answers: InitAnswers, into: Path) -> dict[str, dict[str, str]]:
    parts = {
        "journal": {"url": answers.journal or f"sqlite:///{into / 'journal.db'}"},
        "flags": {"path": answers.flag_file},
        "prometheus": {"url": answers.prometheus},
        "plans": {"folder": str(into)},
    }
    if answers.environment == "production":
        return parts
    # A pace is allowed only where every part says so.
    return {part: {**values, "environment": answers.environment} for part, values in parts.items()}


def _flag_made(answers: InitAnswers) -> str:
    """The flag is made, off, where nobody has it: a service complains of a file or a flag that is not there."""
    name, file = answers.name, Path(answers.flag_file)
    by_hand = f"where it lies, `tidegate rollback --flag {name} --create` makes the flag, off"
    if not file.parent.is_dir():
        return f"NOT written: {file}, its folder is not on this machine; {by_hand}"
    flags = FlagdFile(path=str(file))
    try:
        if file.exists() and name in (keys_of(flags) or ()):
            return f"found: {file} has the flag {name}, which stays as it is"
        flags.zero(name, None)
    except (ConnectionFault, OSError) as error:
        return f"NOT written: {error}; {by_hand}"
    return f"written: {file} with the flag {name}, off"


def _given(answers: Path | None) -> Mapping[str, Any]:
    if answers is None:
        return {}
    try:
        values, problems = read_mapping(answers.read_bytes(), str(answers), "a file of answers")
    except OSError as error:
        raise NotFound(f"{answers}: it cannot be read ({error.strerror})") from None
    if problems:
        raise PlanError(*problems)
    return {key: node.plain() for key, node in values.items()}


def _asked(given: Mapping[str, Any], into: Path) -> Mapping[str, Any]:
    if not sys.stdin.isatty():
        raise NotAllowed("init: nobody is there to be asked, allowed is --answers FILE")
    found = dict(given)
    for key, question in QUESTIONS.items():
        usual = f"sqlite:///{into.absolute() / 'journal.db'}" if key == "journal" else question.usual
        found[key] = typer.prompt(question.words, default=usual)
    return found


def _tell(answers: InitAnswers, seen: ServiceSeen, files: Mapping[str, Path], waves: int, flag: str) -> None:
    if seen.counter is not None:
        out.print(f"found: {seen.counter.name}, {seen.counter.a_day:,.0f} in {seen.counter.seen_words}", markup=False)
    if seen.histogram:
        out.print(f"found: {seen.histogram}", markup=False)
    if seen.rules:
        out.print(f"found: the alert rules {', '.join(seen.rules)}", markup=False)
    for sentence in seen.missing:
        out.print(f"NOT found: {sentence}", markup=False)
    out.print(f"written: {files['plan']}, a plan of {waves} waves", markup=False)
    out.print(f"written: {files['kit']} (mode 0600), {files['snippet']} for the service", markup=False)
    out.print(flag, markup=False)
    out.print(f"Next: export TIDEGATE_KIT={files['kit'].absolute()}", markup=False)
    for command in (f"tidegate plan check {answers.name}.yaml", "tidegate deploy", "tidegate doctor"):
        out.print(f"      {command}", markup=False)
