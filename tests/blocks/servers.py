"""Real servers of the rollback, started on loopback and ended with the test."""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from demo.processes import free_ports
from demo.provision import HAPROXY, NGINX, REDIS, part_environment, provide

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
  server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://{variable}; }} }}
  {stand_ins}
}}
"""
_SPLIT = "$tidegate_path"
_STAND_IN = 'server {{ listen 127.0.0.1:{port}; location / {{ return 200 "{name}"; }} }}'


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
    folder: Path, *, front: int = 0, paths: tuple[int, int] | None = None, split: str = "", variable: str = _SPLIT
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
    places = {"port": port, "new": new, "legacy": legacy, "stand_ins": stand_ins, "variable": variable}
    config.write_text(_NGINX.format(folder=folder, user=user, **places))
    ours = '# Written by Tidegate.\nsplit_clients "x" $tidegate_path {\n    * legacy;\n}\n'
    (folder / "split.conf").write_text(split or ours)
    argv = (str(provide(NGINX)), "-p", str(folder), "-c", str(config), "-e", str(folder / "error.log"))
    with subprocess.Popen(argv, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for_port(port, process, folder / "error.log")
            yield port, argv
        finally:
            process.terminate()


_HAPROXY = """\
global
  stats socket {folder}/admin.sock mode 600 level admin
defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 5s
frontend front
  bind 127.0.0.1:{port}
  http-request set-var(txn.share) str({flag}),map_str_int({folder}/split.map,0)
  http-request set-var-fmt(txn.group) "{flag}:%[req.hdr(x-user-group)]"
  http-request set-var(txn.share) var(txn.group),map_str_int({folder}/split.map) if {{ var(txn.group),map({folder}/split.map) -m found }}
  http-request set-var(txn.bucket) req.hdr(x-user-id),xxh32,mod(10000)
  use_backend new if {{ var(txn.bucket),sub(txn.share) -m int lt 0 }}
  default_backend legacy
backend new
  http-request return status 200 content-type text/plain string new
backend legacy
  http-request return status 200 content-type text/plain string legacy
"""


@contextlib.contextmanager
def running_haproxy(folder: Path, flag: str) -> Iterator[int]:
    """A real HAProxy in front of a new and a legacy path that answer with their names, and its port."""
    [port] = free_ports(1)
    (folder / "haproxy.cfg").write_text(_HAPROXY.format(folder=folder, port=port, flag=flag))
    (folder / "split.map").touch()
    log = folder / "haproxy.log"
    argv = [str(provide(HAPROXY)), "-db", "-f", str(folder / "haproxy.cfg")]
    environment = {**os.environ, **part_environment(HAPROXY)}
    with log.open("wb") as output, subprocess.Popen(argv, stdout=output, stderr=output, env=environment) as process:
        try:
            wait_for_port(port, process, log)
            end = time.monotonic() + 10
            while not (folder / "admin.sock").exists():
                assert time.monotonic() < end, log.read_text()
                time.sleep(0.01)
            yield port
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
