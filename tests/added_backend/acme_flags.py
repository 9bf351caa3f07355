"""Acme's feature flags: one JSON file a flag, in a folder that every evaluator reads."""

import fcntl
import hashlib
import json
import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from blocks.errors import Fenced, Refused, Unreachable
from blocks.flags.backend import FlagReading, must_be_permitted
from tidegate.values.exposure import ZERO, Exposure

if TYPE_CHECKING:
    from tidegate.rollout.permit import Permit


class AcmeFlags(BaseModel):
    """Acme's feature flags, one file each."""

    folder: str = Field(description="The folder that evaluators read; absolute.", pattern=r"^/")

    @property
    def propagation(self) -> timedelta:
        """Evaluators look once a second."""
        return timedelta(seconds=1)

    def read(self, flag: str) -> FlagReading:
        """What the file says; None where it is nothing that we wrote, zero where there is none."""
        exposure, _ = self._stored(flag)
        return FlagReading(exposure, _revision(exposure), str(exposure or "something that Tidegate did not write"))

    def fence(self, flag: str, epoch: int, allowed: Exposure | None = None) -> None:
        """Each write compares epochs under the lock, so that noting the newer one shuts older writers out."""
        with self._alone():
            exposure, found = self._stored(flag)
            if found > epoch:
                raise Fenced(f"flag {flag} carries epoch {found}, newer than {epoch}")
            if exposure is None:
                raise Refused(f"flag {flag}: what stands there was not written by Tidegate")
            self._store(flag, exposure, epoch)

    def write(self, flag: str, exposure: Exposure, epoch: int, permit: "Permit | None" = None) -> str:
        """Serve exactly this, under the epoch that was fenced."""
        with self._alone():
            served, found = self._stored(flag)
            if found != epoch:
                raise Fenced(f"flag {flag} carries epoch {found}, not {epoch}")
            must_be_permitted(flag, served, exposure, epoch, permit)
            self._store(flag, exposure, epoch)
            return self.read(flag).revision

    def zero(self, flag: str, epoch: int | None) -> str:
        """Serve nobody; without an epoch it takes the next one."""
        with self._alone():
            _, found = self._stored(flag)
            if epoch is not None and found > epoch:
                raise Fenced(f"flag {flag} carries epoch {found}, newer than {epoch}")
            self._store(flag, ZERO, found + 1 if epoch is None else epoch)
            return self.read(flag).revision

    def by_hand(self, flag: str) -> str:
        """A flag without a file is off for everybody."""
        return f"rm -f {shlex.quote(str(self._file(flag)))}"

    def check(self) -> str:
        """Whether the folder is there."""
        if not Path(self.folder).is_dir():
            raise Refused(f"{self.folder}: there is no such folder")
        return f"Acme flags in {self.folder}"

    def _file(self, flag: str) -> Path:
        return Path(self.folder) / f"{flag}.json"

    @contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            with (Path(self.folder) / "lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise Unreachable(f"{self.folder}: {error.strerror}") from error

    def _stored(self, flag: str) -> tuple[Exposure | None, int]:
        try:
            body = json.loads(self._file(flag).read_bytes())
            return Exposure.from_json(body["exposure"]), int(body["epoch"])
        except FileNotFoundError:
            return ZERO, 0
        except OSError as error:
            raise Unreachable(f"flag {flag}: {error.strerror}") from error
        except (ValueError, KeyError, TypeError):
            return None, 0

    def _store(self, flag: str, exposure: Exposure, epoch: int) -> None:
        staged = self._file(flag).with_suffix(".new")
        staged.write_text(json.dumps({"exposure": exposure.to_json(), "epoch": epoch}))
        os.replace(staged, self._file(flag))


def _revision(exposure: Exposure | None) -> str:
    body = None if exposure is None else exposure.to_json()
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]
