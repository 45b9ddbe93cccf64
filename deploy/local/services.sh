# shellcheck shell=bash disable=SC2154
# Kafka, Redis and the schema registry on this machine's loopback: in containers where an engine answers, natively
# otherwise. Sourced by ./dev, which sets root (the checkout) and run (its folder run/).
#
#   run/lib/          jars of Kafka and the registry, fetched once
#   run/NAME/         one folder a service: pid, log, settings, data; its process works in it, which is how we know it
#   run/mode          "native" or "compose" while something is up

readonly services=(kafka redis registry)
declare -rA port_of=(
  [kafka]=${ASSIZE_KAFKA_PORT:-19092} [redis]=${ASSIZE_REDIS_PORT:-16379} [registry]=${ASSIZE_REGISTRY_PORT:-18081})
declare -rA port_variable_of=(
  [kafka]=ASSIZE_KAFKA_PORT [redis]=ASSIZE_REDIS_PORT [registry]=ASSIZE_REGISTRY_PORT)
readonly controller_port=${ASSIZE_KAFKA_CONTROLLER_PORT:-19093}

readonly START_LIMIT_S=60
readonly STOP_LIMIT_S=30
readonly KAFKA_HEAP_MIB=1024
readonly REGISTRY_HEAP_MIB=384
# Any 16 bytes in base64; fixed, because formatting must be safe to repeat.
readonly CLUSTER_ID=assize-local-cluster-A

test_kafka=127.0.0.1:${port_of[kafka]}
test_redis=redis://127.0.0.1:${port_of[redis]}
test_registry=http://127.0.0.1:${port_of[registry]}/apis/ccompat/v7

# The services that this very command started, so that it can end those and no others.
started=()

services_up() {
  local mode
  mode=$(services_mode)
  [[ $mode == native || $mode == compose ]] || stop "$EXIT_USAGE" "ASSIZE_SERVICES is native or compose, not '$mode'"
  mkdir -p "$run"
  # Two `up` at once would start everything twice.
  exec 9>"$run/lock"
  flock --timeout "$START_LIMIT_S" 9 || stop 1 "another ./dev up is still at work (run/lock)"
  echo "$mode" >"$run/mode"
  "up_$mode"
  exec 9>&-
}

# Arguments go to `compose down`, where containers are used.
services_down() {
  local name
  if [[ $(services_mode) == compose ]]; then
    compose down --remove-orphans "$@"
  else
    for name in registry redis kafka; do stop_native "$name"; done
  fi
  rm -f "$run/mode"
}

# What this command started and nothing else, latest first.
services_stop_started() {
  local i
  if [[ $(services_mode) == compose ]]; then
    ((!${#started[@]})) || services_down
  else
    for ((i = ${#started[@]} - 1; i >= 0; i--)); do stop_native "${started[i]}"; done
    ((${#started[@]} < ${#services[@]})) || rm -f "$run/mode"
  fi
}

# Also forgets every topic and every key; the fetched jars stay.
services_wipe() {
  local name
  services_down --volumes
  for name in "${services[@]}"; do rm -rf "${run:?}/$name"; done
}

# Prints a line per service; true when all of them answer.
services_status() {
  local name state all_up=0
  for name in "${services[@]}"; do
    if ! is_up "$name"; then
      state=down
      all_up=1
      port_is_held "${port_of[$name]}" && state="down, and something else holds its port"
    elif [[ $(services_mode) == native ]]; then
      state="up, pid $(<"$run/$name/pid")"
    else
      state="up, container"
    fi
    printf '%-9s 127.0.0.1:%-6s %s\n' "$name" "${port_of[$name]}" "$state"
  done
  return "$all_up"
}

print_addresses() {
  cat <<END

For tests by hand:
  export ASSIZE_TEST_KAFKA=$test_kafka
  export ASSIZE_TEST_REDIS=$test_redis
  export ASSIZE_TEST_REGISTRY=$test_registry
END
}

# ---- which way ------------------------------------------------------------------------------------------------------

# What is up stays as it was started; otherwise an engine that answers decides. ASSIZE_SERVICES overrides.
services_mode() {
  if [[ -f $run/mode ]]; then
    cat "$run/mode"
  elif [[ -n ${ASSIZE_SERVICES:-} ]]; then
    echo "$ASSIZE_SERVICES"
  elif engine_answers && compose version >/dev/null 2>&1; then
    echo compose
  else
    echo native
  fi
}

# A docker client without an engine is common: only an answer of the server counts.
engine_answers() {
  command -v docker >/dev/null && [[ -n $(timeout 10 docker info --format '{{.ServerVersion}}' 2>/dev/null) ]]
}

compose() {
  local tool=(docker compose)
  docker compose version >/dev/null 2>&1 || tool=(docker-compose)
  # One project per checkout, so that two of them never share containers.
  "${tool[@]}" --project-name "assize-$(cksum <<<"$root" | cut -d ' ' -f 1)" --file "$root/docker-compose.yml" "$@"
}

up_compose() {
  local name
  all_answer || started=("${services[@]}")
  compose up --detach
  for name in "${services[@]}"; do
    wait_for "$name" || {
      compose logs --tail 40 "$name" >&2
      stop 1 "$name did not answer on port ${port_of[$name]} within $START_LIMIT_S s"
    }
  done
}

# ---- natively -------------------------------------------------------------------------------------------------------

up_native() {
  local name
  require_redis
  require_java
  for name in "${services[@]}"; do
    is_ours "$name" || refuse_held_port "$name" "${port_of[$name]}" "${port_variable_of[$name]}"
  done
  is_ours kafka || refuse_held_port "Kafka's controller" "$controller_port" ASSIZE_KAFKA_CONTROLLER_PORT
  fetch_jars
  for name in "${services[@]}"; do
    is_ours "$name" && continue
    say "starting $name on port ${port_of[$name]}"
    "start_$name"
    started+=("$name")
  done
  for name in "${services[@]}"; do
    wait_for "$name" || {
      tail -n 40 "$run/$name/log" >&2
      stop 1 "$name did not answer on port ${port_of[$name]} within $START_LIMIT_S s; its log is run/$name/log"
    }
  done
}

refuse_held_port() {
  local who=$1 port=$2 variable=$3
  port_is_held "$port" || return 0
  local holder=""
  command -v ss >/dev/null && holder=$(ss -Hltnp "sport = :$port" 2>/dev/null | sed -n 's/.*users:((\(.*\)))/ (\1)/p')
  stop "$EXIT_PORT" "port $port, meant for $who, is held by another process$holder. Stop it, or set $variable."
}

fetch_jars() {
  local stamp=$run/lib/pom.xml
  cmp -s "$root/deploy/local/pom.xml" "$stamp" && return
  say "fetching Kafka and the registry from Maven Central (about 200 MB, once)"
  rm -rf "${run:?}/lib"
  quietly "$run/fetch.log" mvn --batch-mode --quiet --strict-checksums \
    --file "$root/deploy/local/pom.xml" package -Dout="$run/lib"
  cp "$root/deploy/local/pom.xml" "$stamp"
}

start_kafka() {
  local folder=$run/kafka
  mkdir -p "$folder"
  cp "$root/deploy/local/kafka.properties" "$folder/server.properties"
  cat >>"$folder/server.properties" <<END

listeners=PLAINTEXT://127.0.0.1:${port_of[kafka]},CONTROLLER://127.0.0.1:$controller_port
controller.quorum.voters=1@127.0.0.1:$controller_port
log.dirs=$folder/data
END
  local java=(java -cp "$run/lib/kafka/*" -Dlog4j2.configurationFile="$root/deploy/local/log4j2.properties")
  quietly "$folder/format.log" "${java[@]}" -Xmx128m kafka.tools.StorageTool format --ignore-formatted \
    --cluster-id "$CLUSTER_ID" --config "$folder/server.properties"
  spawn kafka "${java[@]}" -Xms256m -Xmx${KAFKA_HEAP_MIB}m kafka.Kafka "$folder/server.properties"
}

start_redis() {
  spawn redis redis-server --bind 127.0.0.1 --port "${port_of[redis]}" --save "" --appendonly no
}

start_registry() {
  local runner=("$run"/lib/registry/apicurio-registry-app-*-runner.jar)
  # It serves a few requests in all: the quick compiler halves its start.
  spawn registry java -Xmx${REGISTRY_HEAP_MIB}m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC \
    -Dquarkus.http.host=127.0.0.1 -Dquarkus.http.port="${port_of[registry]}" -jar "${runner[0]}"
}

# spawn NAME COMMAND...: start it in its folder, in a session of its own, so that Ctrl-C here does not reach it.
spawn() {
  local name=$1 folder=$run/$1
  shift
  mkdir -p "$folder"
  [[ ! -f $folder/log ]] || mv "$folder/log" "$folder/log.previous"
  (
    cd "$folder" || exit
    setsid "$@" >log 2>&1 </dev/null 9>&- &
    echo $! >pid
  )
}

# A pid file outlives its process and the number is used again: the process counts only if it works in our folder.
is_ours() {
  local pid
  pid=$(cat "$run/$1/pid" 2>/dev/null) || return 1
  [[ $(readlink "/proc/$pid/cwd") == "$run/$1" ]]
}

stop_native() {
  local name=$1 pid deadline
  if is_ours "$name"; then
    pid=$(<"$run/$name/pid")
    kill "$pid"
    deadline=$((SECONDS + STOP_LIMIT_S))
    while is_ours "$name" && ((SECONDS < deadline)); do sleep 0.1; done
    ! is_ours "$name" || { say "$name did not stop within $STOP_LIMIT_S s; killing it" && kill -9 "$pid"; }
  fi
  rm -f "$run/$name/pid"
}

# ---- asking ---------------------------------------------------------------------------------------------------------

is_up() {
  if [[ $(services_mode) == native ]]; then is_ours "$1" && answers "$1"; else answers "$1"; fi
}

all_answer() {
  local name
  for name in "${services[@]}"; do answers "$name" || return 1; done
}

wait_for() {
  local name=$1 deadline=$((SECONDS + START_LIMIT_S))
  until answers "$name"; do
    ((SECONDS < deadline)) || return 1
    [[ $(services_mode) == compose ]] || is_ours "$name" || return 1
    sleep 0.2
  done
}

answers() { "${1}_answers"; }

# ApiVersions, version 0, correlation id 1, client "dev": a broker answers with its length and the same id.
kafka_answers() {
  local reply
  reply=$(exchange "${port_of[kafka]}" '\x00\x00\x00\x0d\x00\x12\x00\x00\x00\x00\x00\x01\x00\x03dev' 8 | od -An -tx1)
  [[ $reply == *" 00 00 00 01" ]]
}

redis_answers() { [[ $(exchange "${port_of[redis]}" 'PING\r\n' 5) == +PONG ]]; }

registry_answers() {
  [[ $(exchange "${port_of[registry]}" 'GET /apis/ccompat/v7/subjects HTTP/1.0\r\n\r\n' 12) == HTTP/1.?" 200" ]]
}

# exchange PORT REQUEST BYTES: send REQUEST, print the first BYTES of the answer. Needs no client program.
exchange() {
  # shellcheck disable=SC2016 # the inner shell expands these
  timeout 3 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$1" && printf %b "$2" >&3 && head -c "$3" <&3' - "$@" 2>/dev/null
}

port_is_held() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
