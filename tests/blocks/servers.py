"""Real servers of the rollback, started on loopback and ended with the test."""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from demo.provision import NGINX, REDIS, part_environment, provide

_NGINX = """\
daemon off; {user} worker_processes 2; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log off; keepalive_timeout 65s;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  include {folder}/split.conf;
  upstream new {{ server 127.0.0.1:{new}; }}
  upstream legacy {{ server 127.0.0.1:{legacy}; }}
  server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://$tidegate_path; }} }}
  {stand_ins}
}}
"""
_STAND_IN = 'server {{ listen 127.0.0.1:{port}; location / {{ return 200 "{name}"; }} }}'


def free_ports(count: int) -> list[int]:
    """Ports on which nobody listens."""
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def wait_for_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return once the process listens."""
    end = time.monotonic() + 10
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.01)
    raise AssertionError(f"it does not listen on {port}: {log.read_text()[-1000:] if log.exists() else ''}")


@contextlib.contextmanager
def running_nginx(
    folder: Path, *, front: int = 0, paths: tuple[int, int] | None = None
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """A real nginx in front of a new and a legacy path: its port, and how it is called for a test or a reload.

    Without the ports of the two, stand-ins answer with their names.
    """
    port, *own = free_ports(3)
    port = front or port
    new, legacy = paths or own
    stand_ins = (
        "" if paths else "".join(_STAND_IN.format(port=p, name=n) for p, n in ((new, "new"), (legacy, "legacy")))
    )
    user = "user root;" if os.geteuid() == 0 else ""
    config = folder / "nginx.conf"
    config.write_text(_NGINX.format(folder=folder, user=user, port=port, new=new, legacy=legacy, stand_ins=stand_ins))
    ours = '# Written by Tidegate.\nsplit_clients "x" $tidegate_path {\n    * legacy;\n}\n'
    (folder / "split.conf").write_text(ours)
    argv = (str(provide(NGINX)), "-p", str(folder), "-c", str(config), "-e", str(folder / "error.log"))
    with subprocess.Popen(argv, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for_port(port, process, folder / "error.log")
            yield port, argv
        finally:
            process.terminate()


@contextlib.contextmanager
def running_redis(folder: Path) -> Iterator[int]:
    """A real Redis with nothing in it."""
    [port] = free_ports(1)
    argv = [str(provide(REDIS)), "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", str(folder)]
    log = folder / "redis.log"
    environment = {**os.environ, **part_environment(REDIS)}
    with log.open("wb") as output, subprocess.Popen(argv, stdout=output, stderr=output, env=environment) as process:
        try:
            wait_for_port(port, process, log)
            yield port
        finally:
            process.terminate()
