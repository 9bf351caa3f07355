"""What an entry of the journal can record."""

from enum import StrEnum

from tidegate.values.older_words import KINDS


class Kind(StrEnum):
    """What an entry records. Kinds and versions are only ever added."""

    OPENED = "opened"  # plan, plan_hash, started_by, pace_seconds, connections, approve, environment
    PREFLIGHT = "preflight"  # verdict, findings; snapshot (argument, at), where the plan names one
    GATE_OPENED = "gate_opened"  # wave, attempt, verdict, findings, refusal, flow_run, rolled_back_before, old_path
    ANSWERED = "answered"  # wave, attempt, answer, via; proof where a code was asked for (never the code)
    GATE_DECIDED = "gate_decided"  # wave, attempt, outcome, reason, by, extension_seconds, stated, statements, second
    RAISING = "raising"  # wave, exposure, epoch: intent, before the flag is written
    RAISED = "raised"  # wave, exposure, revision, epoch: read back
    REVIEWED = "reviewed"  # wave, credit, healthy, verdict, findings, metrics, raw
    NO_DATA_STARTED = "no_data_started"  # reason
    NO_DATA_ENDED = "no_data_ended"
    CROSSED = "crossed"  # metric, level, crossed, sentence
    HELD = "held"  # cause, reason, by; flow_run where its cancelling was the cause
    RESUMED = "resumed"  # cause, reason, by
    MEASURED = (
        "measured"  # reference (0: baseline, n: wave n), variant, start, end, window_seconds, metrics with raw counts
    )
    SOAKED = "soaked"  # wave
    ROLLING_BACK = "rolling_back"  # reason, criterion, by, ordered_at, zero_at, revision, epoch
    PROVEN = "proven"  # proven, counter, last_request_at, proven_at, sentence
    STEP = "step"  # number, step, text, outcome, output, seconds, by
    DRILLED = "drilled"  # flag, by, ordered_at, zero_at, proven, proven_at, seconds, requests, sentence
    QUEUED = "queued"  # notice
    SENT = "sent"  # event, channel, reference
    FINISHED = "finished"  # reason
    CLOSED = "closed"  # reason, by; superseded_by where a newer release takes its place
    REPORTED = "reported"  # report, form, sha256, sequence: a report on the entries up to there was written
    CARRIED = "carried"  # flow_run: the Prefect run that carries the rollout on from here
    EXTENDED = "extended"  # wave, extension_seconds, by, reason: while the wave soaks
    ORPHANED = "orphaned"  # flow_run, attempt, reason: nobody carries it; a new run is about to be started
    ATTEMPTED = "attempted"  # event, channel, holder: the first try to send a notice; its answer may be lost
    # event, channel, count, reached, refused, reason, until (none: given up): a message was refused, wholly or by some
    DELIVERY_REFUSED = "delivery_refused"
    GATE_LOOKED = "gate_looked"  # wave, attempt, verdict, findings: the evidence of a waiting gate has changed
    BUILD_SEEN = "build_seen"  # versions, before, soak_anew: the versions that the new path runs
    GRADUATION_ASKED = "graduation_asked"  # findings: what is missing before the release is production-grade
    READINESS_STATED = "readiness_stated"  # by, stated, note
    TESTED = "tested"  # criterion, verdict, sentence, arrived, wanted: a test alarm was sent
    UPKEPT = "upkept"  # item, work, by, note, file, verdict, sentence: one line of the plan's upkeep was done
    # wave, start, end, figures, reasons, expected (points): amounts used, requests by path, how long each was up
    ACCOUNTED = "accounted"
    LOWERING = "lowering"  # wave, before, exposure, epoch, by, reason: intent, before the flag is lowered
    LOWERED = "lowered"  # wave, before, exposure, revision, epoch, by, reason: back at an earlier wave, read back
    LEGACY_LOOKED = "legacy_looked"  # ready, seen: whether legacy could take everybody back has changed
    # wave, before, shares, over_seconds, ordered_at, reason, criterion, epoch: a gentle rollback, before its first step
    EASING = "easing"
    EASED = "eased"  # step, share, before, exposure, revision, epoch: a step of it, read back
    RETIRED = "retired"  # by, reason: the old code is gone, there is no rollback
    LEASED = "leased"  # until, epoch: the exposure's end was put off; raised and lowered say lease_until themselves
    BACKTESTED = "backtested"  # flag, by, and a BacktestResult: a journal of this one entry, which is no rollout's
    COUNTED = "counted"  # wave, before and rows by series: [end, bad and all on the new path, bad and all beside it]
    ORDERED = "ordered"  # what, by, via, refused (why, or empty); proof where a code was asked for (never the code)
    AMENDMENT = "amendment"  # plan, plan_hash, by, reason, changes: a change of the plan is proposed
    AMENDED = "amended"  # plan_hash, outcome (counted, amended, rejected), by, reason
    FROZEN = "frozen"  # by, reason: no rollout is raised any more; stands in a list of its own
    UNFROZEN = "unfrozen"  # by, reason
    UNGUARDED = "unguarded"  # rollout, reason, channel: people were paged; stands in a list of its own
    GUARDED_AGAIN = "guarded_again"  # rollout
    # wave, before, exposure, revision, epoch, reason: a raise without a living permit, and what it was lowered to
    RAISE_REVERTED = "raise_reverted"
    UNKNOWN = "unknown"  # never written: an entry that this release cannot read; why

    @classmethod
    def _missing_(cls, value: object) -> "Kind | None":
        present = KINDS.get(str(value))
        return None if present is None else cls(present)
