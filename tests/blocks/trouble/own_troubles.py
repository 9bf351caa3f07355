"""Trouble with what has no vendor: a flag file, commands, an HTTP service of one's own, HAProxy and nginx."""

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from openfeature.evaluation_context import EvaluationContext

from blocks import FlagdFile, HaproxyFlag
from blocks.calls.bounded import _given_up
from blocks.flags.flagd import flagd_writer
from tests.blocks.evaluation import provider_on
from tests.blocks.flag_script import command_flag
from tests.blocks.flag_service import flag_service
from tests.blocks.servers import running_haproxy
from tests.blocks.split_flags import paths, running_nginx_flag
from tests.blocks.test_flag_backends import FLAG
from tests.blocks.trouble.trouble_suite import FOR_ALL, HTTP, Trouble
from tests.e2e.waiting import wait_for
from tidegate.values.exposure import ZERO

PATIENT, HASTY = 20.0, 2.0  # seconds: a slow machine is no trouble; where it hangs, none is waited for that long
USERS = [f"user-{number}" for number in range(12)]
# A flag file has no statuses: it holds what is no flag file, cannot be opened as one, or hangs.
FILE = ("500", "403", "hangs")
# Programs say what they were told by their exit status and words.
PROGRAM = HTTP
# HAProxy's socket: nobody listens, it does not know the command, it does not answer, or byte by byte.
SOCKET = ("unreachable", "500", "hangs", "trickles")
RELOAD = ("500", "hangs", "trickles")


@pytest.fixture
def trouble(request: pytest.FixtureRequest, place: str, tmp_path: Path) -> Iterator[Trouble]:
    """Trouble with a place, as the test file that asks is `making` it."""
    with request.module.making(tmp_path, place) as made:
        yield made


def _let_go(path: Path) -> bool:
    """Let go on whoever reads the FIFO, and maybe reads it once more; whether nobody does any longer."""
    with suppress(OSError):
        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
    return not [whom for whom, calls in tuple(_given_up.items()) if str(path) in whom and calls > 0]


def before_the_next(backend: Any, verb: str, done: Callable[[], object]) -> None:
    """Have this done once, right before this verb of the backend goes ahead."""
    own = getattr(type(backend), verb)

    class Interrupted(type(backend)):  # type: ignore[misc]
        pass

    def interrupted(self: Any, *arguments: Any, **more: Any) -> Any:
        setattr(Interrupted, verb, own)
        done()
        return own(self, *arguments, **more)

    setattr(Interrupted, verb, interrupted)
    backend.__class__ = Interrupted


@contextmanager
def file_trouble(folder: Path, name: str) -> Iterator[Trouble]:
    """A flagd file, by its form."""
    path = folder / ("flags.yaml" if "yaml" in name else "flags.json")
    listed, kept = name.endswith("list"), folder / "kept"
    theirs = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off"}
    path.write_text(json.dumps({"flags": [{"key": "theirs", **theirs}] if listed else {"theirs": theirs}}))
    backend, another = (FlagdFile(path=str(path), environment="rehearsal", timeout_seconds=PATIENT) for _ in range(2))

    def begins(kind: str, _: str) -> None:
        path.rename(kept)
        backend.timeout_seconds = HASTY if kind == "hangs" else PATIENT
        if kind == "500":
            path.write_text("no flag file")
        if kind == "403":
            path.mkdir()
        if kind == "hangs":
            os.mkfifo(path)

    def ends() -> None:
        backend.timeout_seconds = PATIENT
        if not kept.exists():
            return
        if path.is_fifo():
            wait_for(lambda: _let_go(path), 20, "whoever hung there has ended")
        if path.is_dir():
            path.rmdir()
        # What zero has written in the place of what was damaged stays.
        if not path.is_file() or path.read_text() == "no flag file":
            kept.replace(path)

    def between(done: Callable[[], object]) -> None:
        write_staged = flagd_writer.write_staged

        def interrupted(*arguments: Any) -> Any:
            flagd_writer.write_staged = write_staged
            done()
            return write_staged(*arguments)

        flagd_writer.write_staged = interrupted

    def edit() -> None:
        on = {**theirs, "defaultVariant": "on"}
        flags = [{"key": FLAG, **on}] if listed else {FLAG: on}
        staged = folder / "staged"
        staged.write_text(json.dumps({"flags": flags}))
        staged.replace(path)

    before = flagd_writer.write_staged
    try:
        yield Trouble(backend, another, begins, ends, between, edit, lambda: _evaluators_serve_nobody(path))
    finally:
        flagd_writer.write_staged = before
        ends()


def _evaluators_serve_nobody(path: Path) -> bool:
    """Whether flagd's own provider gives nobody the new path, by the file as it is now."""
    flags = yaml.safe_load(path.read_text())["flags"]
    definition = dict(flags[FLAG] if isinstance(flags, dict) else next(flag for flag in flags if flag["key"] == FLAG))
    definition.pop("key", None)  # the provider for Python reads no lists
    served = path.with_name("served.json")
    served.write_text(json.dumps({"flags": {FLAG: definition}}))
    with provider_on(served) as provider:
        contexts = [EvaluationContext(user, {"group": group}) for user in USERS for group in ("staff", "x")]
        return not any(provider.resolve_boolean_details(FLAG, False, context).value for context in contexts)


_MISBEHAVES = """\
#!/bin/sh
# Whatever it is asked, it does what the file `trouble` says; {asked} where it says nothing.
case $(cat {folder}/trouble 2>/dev/null) in
  "") exec {asked} "$@" ;;
  hangs) exec sleep 60 ;;
  trickles) while :; do printf x; sleep 0.05; done ;;
  unreachable) echo "curl: (7) Failed to connect" >&2; exit 7 ;;
  *) echo "curl: (22) The requested URL returned error: $(cat {folder}/trouble)" >&2; exit 22 ;;
esac
"""


def misbehaving(folder: Path, name: str, asked: str) -> str:
    """A program that does as the one that is asked, unless it is told otherwise."""
    program = folder / name
    program.write_text(_MISBEHAVES.format(folder=folder, asked=asked))
    program.chmod(0o755)
    return str(program)


@contextmanager
def command_trouble(folder: Path, _: str) -> Iterator[Trouble]:
    """Commands that say what their service answered."""
    another = command_flag(folder)
    program = misbehaving(folder, "flags-or-trouble", str(folder / "flags.sh"))
    verbs = {name: getattr(another, name) for name in ("read_command", "set_command", "zero_command")}
    healthy = {name: (program, *argv[1:]) for name, argv in verbs.items()}
    backend = another.model_copy(update={**healthy, "timeout_seconds": PATIENT})

    def begins(kind: str, what: str) -> None:
        (folder / "trouble").write_text(kind)
        backend.timeout_seconds = HASTY if kind in ("hangs", "trickles") else PATIENT
        if what == "reading":
            backend.set_command, backend.zero_command = verbs["set_command"], verbs["zero_command"]

    def ends() -> None:
        (folder / "trouble").unlink(missing_ok=True)
        backend.timeout_seconds = PATIENT
        backend.set_command, backend.zero_command = healthy["set_command"], healthy["zero_command"]

    def edit() -> None:
        (folder / FLAG).write_text(json.dumps({"exposure": FOR_ALL.to_json(), "epoch": 0}))

    def serves_nobody() -> bool:
        return bool(json.loads((folder / FLAG).read_text())["exposure"] == ZERO.to_json())

    yield Trouble(
        backend, another, begins, ends, lambda done: before_the_next(backend, "store", done), edit, serves_nobody,
        zero_needs_no_reading=PROGRAM, conditional=False, missing_is_zero=False,
    )  # fmt: skip


@contextmanager
def http_trouble(_: Path, name: str) -> Iterator[Trouble]:
    """A service of one's own, by its manner of versions."""
    with flag_service(name.removeprefix("http-")) as service, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{probe.getsockname()[1]}"
        backend, another = (service.backend(timeout_seconds=PATIENT) for _ in range(2))
        url = backend.url

        def begins(kind: str, what: str) -> None:
            if kind == "unreachable":
                backend.url = nobody
                return
            backend.timeout_seconds = HASTY if kind in ("hangs", "trickles") else PATIENT
            fault: Any = {"hangs": "hang", "trickles": "trickle"}.get(kind) or (int(kind), {"Retry-After": "0.1"})
            service.fault = lambda method, _: fault if what == "everything" or method == "GET" else None

        def ends() -> None:
            backend.url, backend.timeout_seconds = url, PATIENT
            service.fault = lambda _method, _path: None
            backend._retry_after._until.clear()

        def between(done: Callable[[], object]) -> None:
            service.before_set = done

        def serves_nobody() -> bool:
            found = service.flags[FLAG]
            exposure = found["exposure"]
            exposure = json.loads(exposure) if isinstance(exposure, str) else exposure
            return not found["enabled"] or exposure == ZERO.to_json()

        yield Trouble(
            backend, another, begins, ends, between, lambda: service.change(FLAG, exposure=FOR_ALL.to_json(), epoch=0),
            serves_nobody, [kind for kind in HTTP if kind not in ("unreachable", "404")], service.manner != "plain",
        )  # fmt: skip


@contextmanager
def haproxy_trouble(folder: Path, _: str) -> Iterator[Trouble]:
    """A real HAProxy whose runtime socket may be somebody else's."""
    with running_haproxy(folder, FLAG) as port:
        backend, another = (
            HaproxyFlag(path=f"{folder}/split.map", socket=f"{folder}/admin.sock", timeout_seconds=PATIENT)
            for _ in range(2)
        )
        over = threading.Event()

        def begins(kind: str, _: str) -> None:
            over.clear()
            backend.socket, backend.timeout_seconds = f"{folder}/other.sock", HASTY
            if kind == "unreachable":
                return
            server = socket.socket(socket.AF_UNIX)
            server.bind(backend.socket)
            server.listen(16)
            threading.Thread(target=_answer, args=(server, kind, over), daemon=True).start()

        def ends() -> None:
            over.set()
            backend.socket, backend.timeout_seconds = another.socket, another.timeout_seconds
            Path(f"{folder}/other.sock").unlink(missing_ok=True)

        def edit() -> None:
            another._runtime.replace_map(another.path, {FLAG: "10000"})

        yield Trouble(
            backend, another, begins, ends, lambda done: before_the_next(backend, "store", done), edit,
            lambda: set(paths(port, USERS).values()) == {"legacy"},
        )  # fmt: skip
        ends()


def _answer(server: socket.socket, kind: str, over: threading.Event) -> None:
    """A runtime socket that knows no command, does not answer, or byte by byte."""
    held = []
    server.settimeout(0.05)
    with server:
        while not over.is_set():
            with suppress(OSError):
                connection, _ = server.accept()
                held.append(connection)
                if kind == "500":
                    connection.recv(1000)
                    connection.sendall(b"Unknown command: 'show map', but maybe one of the following ones\n")
                    connection.close()
            if kind == "trickles":
                for connection in held:
                    with suppress(OSError):
                        connection.sendall(b"x")
    for connection in held:
        connection.close()


@contextmanager
def nginx_trouble(folder: Path, _: str) -> Iterator[Trouble]:
    """A real nginx whose test and reload may fail, hang, or never come to an end of their words."""
    with running_nginx_flag(folder) as (port, another):
        program = misbehaving(folder, "nginx-or-trouble", another.test[0])
        test, reload = ((program, *argv[1:]) for argv in (another.test, another.reload))
        backend = another.model_copy(update={"test": test, "reload": reload, "timeout_seconds": PATIENT})

        def begins(kind: str, _: str) -> None:
            (folder / "trouble").write_text(kind)
            backend.timeout_seconds = HASTY if kind in ("hangs", "trickles") else PATIENT

        def ends() -> None:
            (folder / "trouble").unlink(missing_ok=True)
            backend.timeout_seconds = PATIENT

        def edit() -> None:
            text = Path(another.path).read_text()
            Path(another.path).write_text(text.replace("default $tidegate_batch_patches_v1_1000;", "default new;"))
            assert Path(another.path).read_text() != text
            another._run(another.reload, "a reload")
            _until(lambda: set(paths(port, USERS).values()) == {"new"})

        yield Trouble(
            backend, another, begins, ends,
            lambda done: before_the_next(backend, "store", done), edit,
            lambda: _until(lambda: set(paths(port, USERS).values()) == {"legacy"}, quietly=True), reads_by_itself=True,
        )  # fmt: skip


def _until(look: Callable[[], bool], *, quietly: bool = False) -> bool:
    """Whether it comes to be so: nginx's old workers end a moment after its reload has."""
    waiting = threading.Event()
    for _ in range(60):
        if look():
            return True
        waiting.wait(0.05)
    assert quietly, "it never came to be"
    return False
