"""Who would be exposed first: the cohort of a user's bucket, the same before a flag is on as after."""

from openfeature.contrib.tools.flagd.core.targeting.custom_ops import fractional

# Each ends where a wave of the release plan does.
SHARES: tuple[tuple[str, int], ...] = (("0-10", 10), ("10-25", 15), ("25-50", 25), ("50-100", 50))
NAMES: tuple[str, ...] = tuple(name for name, _ in SHARES)
# Groups that the plan moves by name, whatever their bucket: kept off as a control, or on the new path.
BY_NAME = {"synthetic-control": "control", "synthetic": "none", "drill": "none"}


def cohort_of(flag: str, user: str, group: str = "") -> str:
    """The cohort of a user, from the bucket that the flag's own evaluation puts them in."""
    if group in BY_NAME:
        return BY_NAME[group]
    return str(fractional({"targetingKey": user, "$flagd": {"flagKey": flag}}, *SHARES))


def cohort_of_bucket(bucket: int) -> str:
    """The cohort of a user in this one of a hundred buckets, counted from 1; a share takes the first ones."""
    end = 0
    for name, share in SHARES:
        end += share
        if 0 < bucket <= end:
            return name
    raise ValueError(f"found the bucket {bucket}, allowed are 1 to {end}")


def cohorts_of_group(group: str) -> tuple[str, ...]:
    """The cohorts that users of a group can be in."""
    return (BY_NAME[group],) if group in BY_NAME else NAMES


class FirstSeen:
    """Tells users seen for the first time since the flag's exposure changed, so that each is counted once."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._exposure: object = None

    def is_first(self, user: str, exposure: object) -> bool:
        """Whether this user was not seen yet under this exposure; None, while the flag cannot be evaluated, is none."""
        if exposure is None:
            return False
        if exposure != self._exposure:
            self._exposure = exposure
            self._seen.clear()
        if user in self._seen:
            return False
        self._seen.add(user)
        return True
