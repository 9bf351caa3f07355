"""Every command by its name: where what it takes is declared, and what help lists of it. Known without an import."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Typed:
    """A command: its function as `module:name`, and the first sentence of its help."""

    place: str
    help: str


@dataclass(frozen=True, slots=True)
class Below:
    """Commands below a word, such as `tidegate plan check`."""

    help: str
    commands: Mapping[str, Typed]


COMMANDS: Mapping[str, Typed | Below] = {
    "rollback": Typed(
        "console.rollback.rollback_command:rollback",
        "Flag to zero for everybody now, then the proof. Works without the Prefect server.",
    ),
    "plan": Below(
        "Check, show, date and amend a plan.",
        {
            "check": Typed(
                "console.arguments.plan:check",
                "Say whether a plan can run, which lines still wait for their kind of check, and what its bounds mean.",
            ),
            "show": Typed("console.arguments.plan:show", "Print the plan as a document for people, timeline included."),
            "schema": Typed("console.arguments.plan:schema", "Print the JSON Schema of a plan, for editors."),
            "calendar": Typed(
                "console.arguments.plan:calendar", "Print the real dates of every wave, in the plan's time zone."
            ),
            "amend": Typed(
                "console.arguments.plan:amend",
                "Propose another plan for an open rollout: shows what differs; its approvers have to say yes.",
            ),
            "approve": Typed(
                "console.arguments.plan:approve",
                "Say yes to a proposed change; what was approved under the old plan and not raised yet is asked anew.",
            ),
            "reject": Typed(
                "console.arguments.plan:reject",
                "Give a proposed change up; needs a name only, since the plan stays as it is.",
            ),
        },
    ),
    "init": Typed(
        "console.arguments.setup:init",
        "Write a first plan, a kit and the service's lines, from what your Prometheus knows of the service.",
    ),
    "doctor": Typed(
        "console.arguments.setup:doctor",
        "List what stands between you and a rollout, each with its remedy. Exit code 1 if something would stop it.",
    ),
    "preflight": Typed(
        "console.arguments.rollout:preflight",
        "Check connections, flag, queries, alert rules and gates of a plan. Changes nothing.",
    ),
    "start": Typed(
        "console.arguments.rollout:start",
        "Open a rollout of this plan and start its run; with --resume, a new run for an open rollout.",
    ),
    "status": Typed(
        "console.arguments.rollout:status", "Show one rollout (waves, soak, last evidence, rollback), or list them all."
    ),
    "drill": Typed(
        "console.arguments.rollout:drill",
        "Practise the rollback: the real key and counter, exposed to synthetic users only.",
    ),
    "backtest": Typed(
        "console.arguments.past:backtest",
        "Try a plan on the past: how often its criteria would have fired on what was healthy, and how soon on harm.",
    ),
    "explain": Typed(
        "console.arguments.past:explain_decision",
        "Judge a decision again from the journal's rows. Exit code 1 if anything comes out otherwise than recorded.",
    ),
    "approve": Typed(
        "console.arguments.gate:approve",
        "Answer the gate that waits. Only go and extend need an approver; hold and rollback need a name.",
    ),
    "hold": Typed(
        "console.arguments.steering:hold",
        "Keep exposure where it is until `tidegate resume`; guarding goes on. Needs a name, nothing else.",
    ),
    "resume": Typed(
        "console.arguments.steering:resume",
        "End a hold; needs an approver of some gate of the plan, and a code where the plan asks for codes.",
    ),
    "extend": Typed(
        "console.arguments.steering:extend",
        "Let the wave under way soak longer; needs an approver. At a gate: `tidegate approve --decision extend`.",
    ),
    "close": Typed("console.arguments.steering:close", "End a rollout that goes no further. The flag stays as it is."),
    "supersede": Typed(
        "console.arguments.steering:supersede",
        "End a rollout that a newer release replaces, and say which one. The flag stays as it is.",
    ),
    "freeze": Typed(
        "console.arguments.steering:freeze",
        "Stop every raise of every rollout, also of those opened later, until `tidegate unfreeze`. Needs a name.",
    ),
    "unfreeze": Typed(
        "console.arguments.steering:unfreeze",
        "Let rollouts be raised again after `tidegate freeze`; each still needs its gate.",
    ),
    "approver": Below(
        "One-time codes of approvers; the seeds lie on this worker only.",
        {
            "add": Typed(
                "console.arguments.approver:add",
                "Make a seed and show it once, as a QR code for the person's authenticator.",
            ),
            "list": Typed("console.arguments.approver:show", "List who has a seed on this worker."),
            "remove": Typed(
                "console.arguments.approver:remove", "Forget a person's seed; their codes prove nothing from now on."
            ),
        },
    ),
    "codes": Below(
        "Judge one-time codes for workers that must not read the seeds.",
        {
            "serve": Typed(
                "console.arguments.approver:serve",
                "Judge codes until it is ended; workers find it by TIDEGATE_CODES_SOCKET.",
            ),
        },
    ),
    "graduate": Typed(
        "console.arguments.afterwards:graduate",
        "State that a rollout is production-grade after its post-rollout days; without --state, show what is asked.",
    ),
    "retire": Typed(
        "console.arguments.afterwards:retire_old_path",
        "Record that the old path's code is gone: from then on a rollback is refused. Approvers only.",
    ),
    "watch": Typed(
        "console.arguments.watch:watch",
        "Show one rollout as the plan's dashboard does: wave, soak, metrics against bounds, issues. Ctrl-C ends it.",
    ),
    "report": Typed(
        "console.arguments.report:report",
        "Print a report in Markdown. The hash of a close-out is written to the journal.",
    ),
    "postmortem": Typed(
        "console.arguments.report:write_postmortem",
        "Print the draft of a post-mortem in Markdown, from the journal alone.",
    ),
    "upkeep": Typed(
        "console.arguments.afterwards:upkeep",
        "List what goes on after a rollout; mark a task as done, or do the scheduled work now.",
    ),
    "dashboard": Typed(
        "console.arguments.dashboard:dashboard",
        "Serve every rollout's page: status, metrics, charts, decisions, and the buttons CONTINUE, PAUSE, ROLLBACK.",
    ),
    "journal": Typed(
        "console.arguments.journal:journal",
        "Print a rollout's journal in plain words, or `journal verify`: check the chain of hashes of every entry.",
    ),
    "up": Typed(
        "console.arguments.stack:up",
        "Start the local stack (Prefect server, workers, dashboard, Prometheus, demo service, load, inbox).",
    ),
    "down": Typed("console.arguments.stack:down", "End exactly what `up` started."),
    "deploy": Typed(
        "console.arguments.stack:deploy",
        "Put work pools, blocks (from the kit file), deployments and automations on the server of PREFECT_API_URL.",
    ),
    "server": Typed(
        "console.arguments.stack:server",
        "Start Prefect's server on this machine, with the pages that gates need, until it is ended.",
    ),
    "worker": Typed(
        "console.arguments.stack:worker",
        "Start Prefect's worker of one of the pools tidegate, tidegate-rollback and tidegate-watch, until it is ended.",
    ),
    "demo": Typed(
        "console.arguments.stack:demo",
        "Roll a real service out to 100 % in four waves, or see a bad release rolled back automatically.",
    ),
    "completion": Typed(
        "console.arguments.setup:completion",
        'Print what completes commands, rollouts, plans and waves: `eval "$(tidegate completion bash)"`.',
    ),
}
