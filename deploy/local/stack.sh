# shellcheck shell=bash disable=SC2154
# Checks of the container stack that need no container engine: docker-compose.yml, and Prometheus' configuration, rules and
# their tests. Sourced by ./dev, which sets root and run.

check_stack() {
  require_compose
  install_promtool || return
  local folder=$run/stack
  # The development services alone, as ./dev up starts them, and with the demo.
  compose config --quiet && compose --profile demo config --quiet || return
  # promtool wants to see the token's file, which exists in the container only.
  rm -rf "$folder" && mkdir -p "$folder" && cp "$root"/deploy/prometheus/*.yml "$folder" || return
  sed -i "s|/secrets/admin-token|/dev/null|" "$folder/prometheus.yml"
  "$promtool" check config "$folder/prometheus.yml" >&2 && "$promtool" test rules "$folder/rules_test.yml" >&2
}

# Version 2 comes with Docker and as a package; version 1 reads this file too.
require_compose() {
  docker compose version >/dev/null 2>&1 || want docker-compose docker-compose
  install_missing
}

# The one program out of Debian's package: installing all of that would start a server.
install_promtool() {
  promtool=$(type -P promtool || echo "$run/tools/promtool")
  [[ ! -x $promtool ]] || return 0
  command -v apt-get >/dev/null || stop_missing "promtool is needed: it comes with Prometheus (prometheus.io/download)."
  local folder=$run/promtool
  rm -rf "$folder" && mkdir -p "$folder" "$run/tools"
  # Fresh machines have no package lists yet, and old lists name packages that are gone.
  download_prometheus "$folder" || { ((EUID == 0)) && quietly "$run/apt.log" apt-get update && download_prometheus "$folder"; } ||
    stop_missing "promtool is needed: sudo apt-get update, and again; or install Debian's package prometheus."
  dpkg-deb --fsys-tarfile "$folder"/prometheus_*.deb | tar --extract --to-stdout ./usr/bin/promtool >"$folder/promtool"
  chmod +x "$folder/promtool"
  mv "$folder/promtool" "$promtool"
  rm -rf "$folder"
}

download_prometheus() { (cd "$1" && timeout 120 apt-get download --quiet --quiet prometheus) >"$run/apt.log" 2>&1; }
