"""A load balancer's split as a flag: our file says what is served, and it is asked to take it over.

Writers on this machine check and write under the file's lock; a zero waits for it half a second and then goes ahead,
and what a late writer brings in after that carries an older epoch, which is set back at the next guard check.
"""

import hashlib
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from pydantic import Field

from blocks.errors import ChangedMeanwhile, ConnectionFault, Refused
from blocks.flags.backend import FlagReading
from blocks.flags.epoch_store import EpochStore, Stored, stored
from blocks.flags.splits.split_file import Section, SplitFile
from tidegate.values.exposure import ZERO, Exposure

_ZERO_WAIT_SECONDS = 0.5  # a rollback does not queue for long


class SplitStore(EpochStore):
    """What the splits of any load balancer share."""

    path: str = Field(description="Our file, which the load balancer reads.", pattern=r"^/[A-Za-z0-9._/-]+$")
    timeout_seconds: float = Field(default=10, gt=0, description="How long the load balancer may take to take it over.")
    propagation_seconds: float = Field(default=2, ge=0, description="How long until every process of it goes by it.")

    @abstractmethod
    def body(self, flag: str, exposure: Exposure) -> str:
        """The lines that serve this."""

    @abstractmethod
    def is_off(self, body: str) -> bool:
        """Whether these lines send nobody to the new path, whoever wrote them."""

    @abstractmethod
    def why_not(self, flag: str, exposure: Exposure, others: Mapping[str, Section]) -> str:
        """Why this cannot be said here, as a sentence; empty where it can."""

    @abstractmethod
    def take_over(self, sections: Mapping[str, Section], file: SplitFile) -> None:
        """Make the load balancer go by these and keep them; raises ConnectionFault."""

    @abstractmethod
    def unlike(self, flag: str, section: Section) -> str:
        """How what runs differs from the file, as the rest of a sentence; empty where it does not, or cannot tell."""

    def question(self, flag: str, wanted: Exposure | None = None) -> str:
        """Nothing is left to people; raises Refused for what cannot be said in this load balancer's file."""
        if wanted is not None and (why := self.why_not(flag, wanted, SplitFile(self.path).sections())):
            raise Refused(f"{self.path}: {why}")
        return ""

    def look(self, flag: str, seconds: float | None = None) -> Stored:  # noqa: ARG002 - each call has its own limit
        """What the file says, where what runs is like it; raises Unreachable or Refused."""
        section = SplitFile(self.path).sections().get(flag)
        if section is None:
            return stored(flag, None)
        epoch: Any = section.state.get("epoch", 0)
        unlike = self.unlike(flag, section)
        # What somebody has set past the file is an edit, too.
        version = hashlib.sha256(f"{section} {unlike}".encode()).hexdigest()
        if self.is_off(section.body) and not unlike:
            return stored(flag, {"exposure": ZERO.to_json(), "epoch": epoch}, version)
        found = stored(flag, {"exposure": section.state.get("exposure"), "epoch": epoch}, version)
        exposure = found.reading.exposure
        if exposure is None or unlike or section.body != self.body(flag, exposure):
            words = unlike or "the file holds another split than ours"
            return Stored(FlagReading(None, version[:16], words), found.epoch, version)
        return found

    def store(self, flag: str, exposure: Exposure, epoch: int, seen: Stored) -> None:
        """Write it where the file is still as seen; raises ChangedMeanwhile, Refused or Unreachable."""
        file = SplitFile(self.path)
        with file.locked(self.timeout_seconds):
            before = file.sections()
            if why := self.why_not(flag, exposure, before):
                raise Refused(f"{self.path}: {why}")
            if self.look(flag).version != seen.version:
                raise ChangedMeanwhile(f"{self.path}: flag {flag} was changed meanwhile")
            try:
                self.take_over({**before, flag: self._section(flag, exposure, epoch)}, file)
            except ConnectionFault:
                if (
                    not exposure.is_zero
                    and (now := file.sections().get(flag))
                    and now.body == self.body(flag, exposure)
                ):
                    # What is refused must not come in by a restart; a zero that came past the lock stays.
                    file.exchange({flag: now}, before)
                raise

    def turn_off(self, flag: str, epoch: int) -> None:
        """Send nobody to the new path, whoever holds the lock."""
        file = SplitFile(self.path)
        with file.locked(_ZERO_WAIT_SECONDS, or_go_on=True):
            self.take_over({**file.sections(), flag: self._section(flag, ZERO, epoch)}, file)

    def _section(self, flag: str, exposure: Exposure, epoch: int) -> Section:
        return Section({"flag": flag, "epoch": epoch, "exposure": exposure.to_json()}, self.body(flag, exposure))
