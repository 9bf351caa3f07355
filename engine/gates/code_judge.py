"""Who judges one-time codes: one verb, so that it can be done by this process or by another one on its behalf."""

from datetime import datetime
from pathlib import Path
from typing import Protocol

from engine.gates.code_client import SocketCodeJudge, codes_socket
from engine.gates.code_memory import code_memory
from engine.gates.private_json import PrivateFileError
from engine.gates.totp_seeds import ApproversError, approvers_path, read_seeds
from engine.rollout.identity import utc_now
from tidegate.gates.codes import CodeProof, prove_code


class CodeJudge(Protocol):
    """Whoever says what a code proves."""

    def judge(self, person: str, code: str, given_at: datetime, use: str = "") -> CodeProof:
        """What this person's code proves, spent before this returns; what cannot be judged proves nothing.

        `use` names what the code is for: asked again for the very same use, the answer is the same.
        """
        ...


class SeedsCodeJudge:
    """Judges by a file of seeds that this process may read, and by what is remembered beside it."""

    def __init__(self, seeds: Path) -> None:
        self._seeds = seeds

    def judge(self, person: str, code: str, given_at: datetime, use: str = "") -> CodeProof:
        """What this person's code proves; see CodeJudge."""
        try:
            seed = read_seeds(self._seeds).get(person)
            if seed is None:
                return prove_code(person, None, code, given_at, ())
            with code_memory(self._seeds) as memory:
                if (before := memory.answered(person, use)) is not None:
                    return before
                proof = prove_code(person, seed, code, given_at, memory.of(person))
                if proof.step is not None or proof.wrong:
                    memory.add(person, proof, use, utc_now())
                return proof
        except (ApproversError, PrivateFileError) as error:
            return CodeProof(given_at, problem=f"no code can be judged on this worker: {error}")


def code_judge() -> CodeJudge:
    """The judge of this worker: the service where one is named, and then never the seeds."""
    service = codes_socket()
    return SeedsCodeJudge(approvers_path()) if service is None else SocketCodeJudge(service)
