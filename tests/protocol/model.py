"""The protocol of claims, epochs, permits, raises and zero, small enough to look at every order of its steps.

Two processes want to raise the flag from wave 1 to wave 2; one person orders zero, one says hold, one puts an older
flag back by hand, and a lease runs out once. Each step is what the product does between two instants at which it may be stopped, killed, or overtaken: a read,
one write, one append. What takes part in the code: the claim and its epoch (`blocks/journal/store.py`), the fence of the
flag (`blocks/flags/flagd/flagd_fence.py`), the permit (`engine/exposure/permits.py`), the raise and its look behind the
write (`engine/exposure/raise_exposure.py`, `revert_raise.py`), zero (`engine/rollback/zero.py`), and the taker
(`engine/rollout/session.py`).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

WAVE_ONE, WAVE_TWO = 10, 25
# What people may do or leave, and what may happen or not: a state is at rest once nothing but these is left.
EVENTS = (
    "zero is ordered",
    "somebody says hold",
    "somebody puts an older flag back",
    "is killed",
    "a lease is too short",
)


@dataclass(frozen=True, slots=True)
class Rules:
    """The guards that can be taken out, one by one, to see what each of them is for."""

    fence: bool = True  # the flag refuses a writer of an older epoch
    zero_raises_epoch: bool = True  # an order of zero makes every writer of before a late one
    permit: bool = True  # asked for before each write, and once more behind it
    taker_never_raises: bool = True  # a re-write is the lower of flag and journal


@dataclass(frozen=True, slots=True)
class Writer:
    """A process on its way: its next step, the epoch of its claim, and whether it is dead."""

    step: str = "take"
    epoch: int = 0
    dead: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """The flag, the journal, the processes, and what people and the clock have left to do."""

    flag: int = WAVE_ONE
    fence: int = 1
    journal: int = WAVE_ONE
    epoch: int = 1
    holder: int | None = None  # which writer has the lease; none once it has run out
    intended: bool = False  # a raise is journalled and not yet recorded as done
    held: bool = False
    zero: str = "not ordered"  # then "ordered", "fenced", "written", "recorded"
    writers: tuple[Writer, Writer] = (Writer(), Writer())
    crashes: int = 1
    leases: int = 1
    holds: int = 1
    drifts: int = 1
    told: int | None = None  # where the flag stood when people were told that it is held
    path: tuple[str, ...] = field(default=(), compare=False)

    @property
    def permitted(self) -> bool:
        """Whether anybody may raise now, apart from whose claim it is."""
        return not self.held and self.zero == "not ordered"


def following(state: State, rules: Rules) -> Iterator[State]:
    """Every state that one more step of anybody leads to; the step's name is the last of its path."""
    for number, writer in enumerate(state.writers):
        if writer.dead:
            continue
        for name, after in _raise(state, number, writer, rules):
            yield replace(after, path=(*state.path, f"writer {number}: {name}"))
        if state.crashes and writer.step != "done":
            after = _moved(state, number, replace(writer, dead=True))
            yield replace(after, crashes=state.crashes - 1, path=(*state.path, f"writer {number}: is killed"))
    for name, after in _others(state, rules):
        yield replace(after, path=(*state.path, name))


def _moved(state: State, number: int, writer: Writer) -> State:
    writers = (writer, state.writers[1]) if number == 0 else (state.writers[0], writer)
    return replace(state, writers=writers)


def _raise(state: State, number: int, writer: Writer, rules: Rules) -> Iterator[tuple[str, State]]:
    """One step of a process that raises: claim, permit, intention, write, look behind it, record."""

    def then(step: str, **changes: int | bool | str | None) -> State:
        return replace(_moved(state, number, replace(writer, step=step)), **changes)  # type: ignore[arg-type]

    lost = state.epoch != writer.epoch
    match writer.step:
        case "take" if state.holder is None and state.zero == "not ordered":
            epoch = state.epoch + 1
            taken = replace(state, epoch=epoch, holder=number)
            yield "takes the claim", _moved(taken, number, Writer("fence", epoch))
        case "fence":
            # Late as well: a fence is only ever moved on.
            yield "fences the flag", then("re-write", fence=max(state.fence, writer.epoch))
        case "re-write":
            lower = min(state.flag, state.journal) if rules.taker_never_raises else state.journal
            if writer.epoch >= state.fence or not rules.fence:
                yield "re-writes what stands there", then("ask", flag=lower)
            else:
                yield "fails at the fence", then("done")
        case "ask":
            allowed = (state.permitted and not lost) if rules.permit else not lost
            as_journalled = state.flag == state.journal or not rules.permit
            yield ("has a permit", then("intend")) if allowed and as_journalled else ("has no permit", then("done"))
        case "intend":
            # An append is fenced by the database: an older epoch's fails.
            yield ("fails to append", then("done")) if lost else ("journals the raise", then("write", intended=True))
        case "write":
            if writer.epoch >= state.fence or not rules.fence:
                yield "writes the flag", then("look", flag=WAVE_TWO)
            else:
                yield "fails at the fence", then("done")
        case "look":
            if (state.permitted and not lost) or not rules.permit:
                yield "sees its permit hold", then("record")
            else:
                yield "sees its permit gone", then("revert")
        case "revert":
            if writer.epoch >= state.fence or not rules.fence:
                yield "lowers what it wrote", then("done", flag=min(state.flag, state.journal), intended=False)
            else:
                yield "fails at the fence", then("done")
        case "record":
            if lost:
                yield "fails to append", then("done")
            else:
                yield "records the raise", then("done", journal=WAVE_TWO, intended=False)


def _others(state: State, rules: Rules) -> Iterator[tuple[str, State]]:
    """What people, the clock and the guard do; zero is a chain of steps of its own, which needs no claim."""
    if state.holder is not None and state.writers[state.holder].dead:
        yield "the lease runs out", replace(state, holder=None)
    elif state.leases and state.holder is not None:
        yield "a lease is too short", replace(state, holder=None, leases=state.leases - 1)
    if state.holds and not state.held:
        yield "somebody says hold", replace(state, held=True, holds=0, told=state.flag)
    before = all(writer.dead or writer.step in ("take", "fence", "re-write", "ask", "done") for writer in state.writers)
    if state.drifts and before and state.zero == "not ordered" and state.flag > 0:
        yield "somebody puts an older flag back", replace(state, flag=0, drifts=0)
    more = 1 if rules.zero_raises_epoch else 0
    match state.zero:
        case "not ordered":
            yield "zero is ordered", replace(state, zero="ordered", epoch=state.epoch + more, holder=None)
        case "ordered":
            yield "zero fences the flag", replace(state, zero="fenced", fence=max(state.fence, state.epoch))
        case "fenced":
            yield "zero is written", replace(state, zero="written", flag=0)
        case "written":
            yield "zero is recorded", replace(state, zero="recorded", journal=0)
    if state.zero == "not ordered" and state.holder is None and state.flag > state.journal and _idle(state):
        # The watch: whatever stands above the journal and is nobody's raise any more goes back to it.
        yield (
            "the guard lowers the flag",
            replace(state, epoch=state.epoch + 1, fence=state.epoch + 1, flag=state.journal, intended=False),
        )


def _idle(state: State) -> bool:
    return all(writer.dead or writer.step in ("take", "done") for writer in state.writers)


def wrong(before: State, after: State) -> str:
    """Which promise this step broke, or empty."""
    if before.zero in ("written", "recorded") and after.flag > 0:
        return "zero did not stay zero"
    if after.flag > WAVE_TWO:
        return "more than was approved"
    if after.flag > before.flag and after.path and "re-writes" in after.path[-1]:
        return "a taker raised the flag"
    return ""


def unfinished(state: State) -> str:
    """What is wrong with a state in which nothing more has to happen, or empty."""
    if state.zero == "recorded" and state.flag != 0:
        return "rolled back, and the flag is up"
    if state.told is not None and state.flag > state.told:
        return "raised although people were told that it is held"
    if state.flag > state.journal:
        return "exposed beyond the journal, and nobody lowers it"
    return ""


def search(rules: Rules) -> tuple[int, dict[str, tuple[str, ...]]]:
    """How many states there are, and for each broken promise the shortest way to it."""
    first, broken = State(), dict[str, tuple[str, ...]]()
    seen, edge = {first}, [first]
    while edge:
        ahead = []
        for state in edge:
            after = list(following(state, rules))
            for each in after:
                if problem := wrong(state, each):
                    broken.setdefault(problem, each.path)
                elif each not in seen:
                    seen.add(each)
                    ahead.append(each)
            at_rest = all(each.path[-1].endswith(EVENTS) for each in after)
            if at_rest and (problem := unfinished(state)):
                broken.setdefault(problem, state.path)
        edge = ahead
    return len(seen), broken
