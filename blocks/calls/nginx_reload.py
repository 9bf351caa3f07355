"""How nginx takes over a file that it includes: its own test first, then a reload that drops nobody."""

from collections.abc import Callable

from pydantic import BaseModel, Field, field_validator

from blocks.calls.running import run_argv
from blocks.errors import ConnectionFault, Refused


class NginxReload(BaseModel):
    """The two commands, and what comes of a file that nginx refuses; `timeout_seconds` is each connection's own."""

    timeout_seconds: float
    test: tuple[str, ...] = Field(default=("nginx", "-t"), description="The command that tests the configuration.")
    reload: tuple[str, ...] = Field(
        default=("nginx", "-s", "reload"), description="The command that reloads without dropping a connection."
    )

    @field_validator("test", "reload")
    @classmethod
    def _names_a_program(cls, argv: tuple[str, ...]) -> tuple[str, ...]:
        if not argv or not argv[0]:
            raise ValueError("found no program, allowed is a list that begins with one")
        return argv

    def must_be_sound(self) -> None:
        """Have nginx test its configuration; raises Refused or Unreachable."""
        self._run(self.test, "the test of nginx's configuration")

    def take_over_file(self, put_back: Callable[[], None], keep: Callable[[], None] | None = None) -> None:
        """Test and reload; raises Refused or Unreachable, after `put_back`.

        A file that nginx refuses would keep it from starting again. Where it refuses the former one, too, what is wrong
        stands elsewhere: then what sends nobody to the new path is kept, and whoever mends that brings nobody back in.
        """
        try:
            self.must_be_sound()
        except ConnectionFault:
            put_back()
            if keep is not None and not self._is_sound():
                keep()
            raise
        self._run(self.reload, "nginx's reload")

    def _is_sound(self) -> bool:
        """Whether nginx takes the configuration as it stands; one that cannot be tested is not."""
        try:
            self.must_be_sound()
        except ConnectionFault:
            return False
        return True

    def _run(self, argv: tuple[str, ...], what: str) -> None:
        done = run_argv(what, argv, "/", self.timeout_seconds)
        if done.code != 0:
            first = done.output.splitlines()[:1]
            raise Refused(f"{what} failed: {first[0][:300] if first else f'exit status {done.code}'}")
