"""Print the Grafana dashboard of the engine's own metrics, built with Grafana's schema library."""

from grafana_foundation_sdk.builders import dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DataSourceRef

SOURCE = DataSourceRef(type_val="prometheus", uid="${source}")
# Heading, what it tells, the question, how a line is called, the unit. One number where the question is about all.
NUMBERS = (
    ("Open rollouts", "Rollouts that own their flag.", "tidegate_rollouts_open", "short"),
    ("Journal", "1 while the journal answers.", "min(tidegate_journal_up)", "short"),
    ("Unreadable", "Rollouts that this release cannot read.", "tidegate_rollouts_unreadable", "short"),
    ("Unsent notices", "Messages that wait to be sent.", "sum(tidegate_notices_unsent) or vector(0)", "short"),
)
LINES = (
    ("Exposure", "Share of the newest wave's audience.", "tidegate_exposure_percent", "{{flag}}", "percent"),
    ("Wave", "Wave under way; 0 before the first.", "tidegate_rollout_wave", "{{flag}}", "short"),
    (
        "Since the last review",
        "Over three intervals of silence are an alert.",
        "tidegate_review_age_seconds",
        "{{flag}}",
        "s",
    ),
    (
        "Gates that wait",
        "How long people have been waited for.",
        "tidegate_gate_waiting_seconds",
        "{{flag}}, wave {{wave}}",
        "s",
    ),
    ("Holds", "1 while held for this cause.", "tidegate_hold == 1", "{{flag}}: {{cause}}", "short"),
    (
        "Exposure as planned",
        "0 where the exposure is not the wave's.",
        "tidegate_exposure_as_planned",
        "{{flag}}",
        "short",
    ),
    ("Rollbacks", "From the order to zero, and to the proof.", "tidegate_rollback_seconds", "{{flag}}: {{until}}", "s"),
    ("Since the last entry", "Of each rollout's journal.", "tidegate_entry_age_seconds", "{{flag}}", "s"),
)


def build() -> str:
    """The dashboard's JSON."""
    board = (
        dashboard.Dashboard("Tidegate")
        .uid("tidegate-engine")
        .description("The rollout engine itself, from the /metrics of its dashboard.")
        .tags(["tidegate"])
        .refresh("10s")
        .time("now-6h", "now")
        .timezone("browser")
        .with_variable(dashboard.DatasourceVariable("source").label("Prometheus").type("prometheus"))
    )
    for title, text, question, unit in NUMBERS:
        query = prometheus.Dataquery().ref_id("A").expr(question).instant()
        one = stat.Panel().title(title).description(text).datasource(SOURCE).unit(unit).height(4).span(6)
        board = board.with_panel(one.with_target(query))
    for title, text, question, name, unit in LINES:
        query = prometheus.Dataquery().ref_id("A").expr(question).legend_format(name).range()
        drawn = (
            timeseries.Panel().title(title).description(text).datasource(SOURCE).unit(unit).min(0).height(8).span(12)
        )
        board = board.with_panel(drawn.with_target(query))
    return JSONEncoder(sort_keys=True, indent=2).encode(board.build()) + "\n"


if __name__ == "__main__":
    print(build(), end="")
