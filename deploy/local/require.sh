# shellcheck shell=bash disable=SC2154
# What the commands of ./dev need on this machine. Debian packages are installed when run as root and named otherwise;
# the toolchains a developer chooses (Rust, Python, Java) are checked and never installed. Sourced by ./dev,
# which sets run, the folder for logs.

missing_packages=()

# want COMMAND PACKAGE: PACKAGE is missing unless COMMAND is found.
want() { command -v "$1" >/dev/null || missing_packages+=("$2"); }

require_build_tools() {
  command -v cargo >/dev/null || stop_missing "Rust is needed: install it with rustup (rust-lang.org/tools/install)."
  want cc gcc
  want c++ g++
  want make make
  want pkg-config pkg-config
  pkg-config --exists openssl 2>/dev/null || missing_packages+=(libssl-dev)
  install_missing
}

require_python() {
  command -v python3 >/dev/null || stop_missing "Python 3.11 or later is needed: apt-get install python3."
  python3 -c 'import ensurepip, venv' 2>/dev/null || missing_packages+=(python3-venv)
  install_missing
}

# Training and its pinned packages are tried with 3.11; fetching data works with any Python 3.
require_python_311() {
  require_python
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    stop_missing "Python 3.11 or later is needed here, found $(python3 --version)."
}

require_java() {
  local advice="apt-get install openjdk-17-jre-headless maven (a later Java does as well)"
  command -v java >/dev/null || stop_missing "Java 17 is needed to run Kafka and the registry: $advice."
  command -v mvn >/dev/null || stop_missing "Maven is needed to fetch Kafka and the registry: $advice."
  local major
  major=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
  ((${major:-0} >= 17)) || stop_missing "Java 17 or later is needed, found ${major:-an unknown version}: $advice."
}

require_redis() {
  want redis-server redis-server
  install_missing
}

install_missing() {
  ((${#missing_packages[@]})) || return 0
  local packages=("${missing_packages[@]}")
  missing_packages=()
  if ! command -v apt-get >/dev/null; then
    stop_missing "Install what these Debian packages hold: ${packages[*]}."
  elif ((EUID != 0)); then
    stop_missing "Run: sudo apt-get install -y ${packages[*]}"
  fi
  say "installing ${packages[*]}"
  mkdir -p "$run"
  quietly "$run/apt.log" apt-get update
  DEBIAN_FRONTEND=noninteractive \
    quietly "$run/apt.log" apt-get install -y --no-install-recommends "${packages[@]}"
}

stop_missing() { stop "$EXIT_MISSING" "$1"; }

# A virtual environment of our own, so that nothing is installed into the system's Python.
# venv FOLDER: make it unless it is there.
venv() { [[ -x $1/bin/pip ]] || python3 -m venv "$1"; }

pip_in() {
  local folder=$1
  shift
  "$folder/bin/pip" --disable-pip-version-check --quiet "$@"
}
