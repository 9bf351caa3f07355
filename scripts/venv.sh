#!/usr/bin/env bash
# Makes the virtual environment with the locked dependencies and this project, or brings it up to date:
#   scripts/venv.sh FOLDER              the checkout itself, with what its tests need
#   scripts/venv.sh FOLDER installed    a wheel of it and no more: the checkout may go afterwards (deploy/Dockerfile)
set -euo pipefail

venv=$1 how=${2:-checkout}
case $venv in /*) ;; *) venv=$PWD/$venv ;; esac
cache=${TIDEGATE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tidegate}

say() { printf 'setup: %s\n' "$*" >&2; }

find_python() {
  local name
  for name in ${PYTHON:-} python3.13 python3.12 python3.11 python3; do
    if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$name"
      return
    fi
  done
  say 'Python 3.11 or newer is missing.'
  say '  Debian 12, Ubuntu 24.04 or newer: sudo apt-get install python3 python3-venv'
  say '  macOS: brew install python@3.13'
  return 1
}

# Debian keeps ensurepip, which `venv` needs, in a package of its own.
install_venv_package() {
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
  say 'installing python3-venv ...'
  apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends python3-venv >/dev/null
}

# Without root: pip's own wheel, unpacked from the package that holds it, installs pip into the environment.
make_venv_with_unpacked_pip() {
  command -v apt-get >/dev/null && command -v dpkg >/dev/null || return 1
  local root=$cache/pip-whl lists wheel
  if ! compgen -G "$root/usr/share/python-wheels/pip-*.whl" >/dev/null; then
    say 'fetching pip from the distribution ...'
    lists=$(mktemp -d)
    mkdir -p "$lists/lists/partial" "$lists/cache/archives/partial" "$lists/debs" "$root"
    local options=(-o "Dir::State::Lists=$lists/lists" -o "Dir::Cache=$lists/cache" -o Debug::NoLocking=1 -qq)
    (
      cd "$lists/debs" &&
        apt-get "${options[@]}" update &&
        apt-get "${options[@]}" download python3-pip-whl &&
        dpkg -x ./*.deb "$root"
    ) || { rm -rf "$lists"; return 1; }
    rm -rf "$lists"
  fi
  wheel=$(compgen -G "$root/usr/share/python-wheels/pip-*.whl" | head -n 1)
  "$python" -m venv --clear --without-pip "$venv" &&
    PYTHONPATH=$wheel "$venv/bin/python" -m pip install --quiet --disable-pip-version-check pip
}

make_venv() {
  "$python" -m venv --clear "$venv" >/dev/null 2>&1 && return
  install_venv_package && "$python" -m venv --clear "$venv" && return
  make_venv_with_unpacked_pip && return
  rm -rf "$venv"
  say "$python cannot make a virtual environment."
  say '  Debian or Ubuntu: sudo apt-get install python3-venv'
  say '  macOS: brew install python@3.13'
  return 1
}

install_locked() {
  # uv takes a fifth of pip's time; where it cannot be had or cannot reach the index, pip does the same.
  if "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r scripts/uv.txt &&
    VIRTUAL_ENV=$venv "$venv/bin/uv" pip install --quiet --compile-bytecode --require-hashes -r requirements.lock &&
    VIRTUAL_ENV=$venv "$venv/bin/uv" pip install --quiet --no-deps --no-build-isolation --editable .; then
    return
  fi
  say 'uv did not do it; using pip ...'
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
}

# The wheel brings its own bounds; what is taken within them is what the lock holds, by its hashes.
install_wheel() {
  local wheels
  wheels=$(mktemp -d)
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r scripts/uv.txt &&
    "$venv/bin/uv" build --quiet --wheel --build-constraints requirements.lock --out-dir "$wheels" . &&
    VIRTUAL_ENV=$venv "$venv/bin/uv" pip install --quiet --compile-bytecode --constraints requirements.lock \
      --reinstall-package tidegate "$(compgen -G "$wheels/tidegate-*.whl")[demo]" &&
    rm -rf "$wheels" || { rm -rf "$wheels"; return 1; }
  # One name for units and images, wherever this Python keeps its packages.
  ln -sfn "$("$venv/bin/python" -I -c 'import tidegate_app; print(tidegate_app.FOLDER)')" "$venv/packages"
}

if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
  python=$(find_python)
  say "making $venv with $python ..."
  make_venv
fi
if [ "$how" = installed ]; then
  say 'building the wheel and installing it with the locked dependencies ...'
  install_wheel
  say "done: $venv/bin/tidegate"
  exit
fi
say 'installing the locked dependencies ...'
install_locked
# Where Python may write no bytecode, every process would compile some megabytes of source anew: a rollback included.
"$venv/bin/python" -m compileall -q tidegate blocks engine tasks flows console demo tidegate_app || true
say "done: $venv/bin/tidegate"
