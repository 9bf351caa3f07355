"""What the service has to do: read the flag, and count by path and group, in its own language."""

from pathlib import Path

from engine.first_plan.answers import InitAnswers

FILES = {"python": "rollout.py", "node": "rollout.mjs", "go": "rollout.go", "java": "Rollout.java"}
_FOLDER = Path(__file__).parent / "snippets"


def snippet(answers: InitAnswers) -> str:
    """The service's lines, with every child of every counter there from the start."""
    text = (_FOLDER / f"{answers.language}.txt").read_text(encoding="utf-8")
    places = {
        "NAME": answers.name,
        "NEW": answers.new,
        "OLD": answers.old,
        "STAFF": answers.staff,
        "PREFIX": answers.prefix,
        "PATH": answers.path_label,
        "GROUP": answers.group_label,
        "FLAG_FILE": answers.flag_file,
    }
    for name, value in places.items():
        text = text.replace(f"@{name}@", value)
    return text
