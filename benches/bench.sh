# shellcheck shell=bash disable=SC2154
# `./dev bench`: every measurement of benches/RESULTS.md, in one run on one machine. Sourced by ./dev.

readonly BENCH_OUT=$run/bench
# Enough users for every message of the runs that ask Redis: known ones in turn, and each newcomer.
readonly BENCH_USERS=1010000

cmd_bench() {
  local only=${1:-all}
  [[ $only =~ ^(all|drain|latency|scaling|drift|stages|results)$ ]] ||
    stop "$EXIT_USAGE" "bench takes all, drain, latency, scaling, drift, stages or results, not '$only'"
  require_build_tools
  require_python
  cmd_data
  if [[ $only != results ]]; then
    say "building the release binary (minutes the first time)"
    cargo build --locked --release --bin assize
    bench_binary=$(target_folder)/release/assize
    trap services_stop_started EXIT
    services_up
    bench_configure
  fi
  case $only in
    all)
      # Not joined by &&: then a failure inside of one would not end it.
      bench_stages
      bench_drain
      bench_latency
      bench_scaling
      bench_drift
      ;;
    results) ;;
    *) "bench_$only" ;;
  esac
  mkdir -p "$BENCH_OUT"
  # A failure leaves the last results as they are.
  python3 benches/results.py "$BENCH_OUT" >"$BENCH_OUT/RESULTS.md"
  cp "$BENCH_OUT/RESULTS.md" benches/
  # Beside the text that shows it.
  [[ ! -f $BENCH_OUT/drain/throughput.svg ]] || cp "$BENCH_OUT/drain/throughput.svg" benches/
  say "benches/RESULTS.md"
}

bench_configure() {
  mkdir -p "$BENCH_OUT"
  export ASSIZE_HASH_KEY=a-key-for-benches-only
  local common="[kafka]
bootstrap_servers = \"$test_kafka\"
[schemas]
registry = \"$test_registry\"
[features]
redis = \"$test_redis\"
"
  printf '%s[[task]]\nname = "spam"\nbundle = "models/spam-sms"\n' "$common" >"$BENCH_OUT/spam.toml"
  # A model that reads user features, so that Redis is asked.
  printf '%s[[task]]\nname = "risk"\nbundle = "tests/bundles/user-risk"\n' "$common" >"$BENCH_OUT/users.toml"
}

# bench NAME CONFIG ARGUMENTS...: into a folder of its own; a bound that is not kept is told and does not end the rest.
bench() {
  local name=$1 config=$2
  shift 2
  say "bench: $name: assize bench $*"
  rm -rf "${BENCH_OUT:?}/$name"
  mkdir -p "$BENCH_OUT/$name"
  echo "assize bench $*" >"$BENCH_OUT/$name/command"
  "$bench_binary" bench "$@" --config "$BENCH_OUT/$config.toml" --out "$BENCH_OUT/$name" || say "bench: $name: exit $?"
}

# Times by criterion; instructions and allocations by callgrind, held against benches/instructions.json.
bench_stages() {
  if ((EUID == 0)); then want valgrind valgrind && install_missing; fi
  command -v valgrind >/dev/null || stop_missing "valgrind is needed: install the package valgrind"
  mkdir -p "$BENCH_OUT"
  cargo bench --locked --package assize-benches --bench stages
  cargo run --locked --release --quiet --package assize-benches --bin table >"$BENCH_OUT/stages.md"
  cargo run --locked --release --quiet --package assize-benches --bin instructions >"$BENCH_OUT/instructions.md" ||
    say "bench: more instructions than benches/instructions.json says, or another compiler"
  cat "$BENCH_OUT/instructions.md" >&2
}

bench_drain() {
  bench drain spam --drain 2000000 --rounds 3 --limit \
    --per-second-min 100000 --limit-share-min 0.8 --memory-max 300 --first-verdict-max 3
}

# A broker's first half minute is its compiler's: not what is asked about.
bench_warm_broker() {
  say "bench: warming the broker up"
  "$bench_binary" bench --drain 1000000 --config "$BENCH_OUT/spam.toml" --out "$BENCH_OUT/warm-up" >/dev/null
}

bench_latency() {
  bench_warm_broker
  bench latency-default-5000 spam --rate 5000 --p99-max 130
  bench latency-default-20000 spam --rate 20000 --p99-max 250
  export ASSIZE_STREAM__PROFILE=latency
  bench latency-profile-100 spam --rate 100 --p50-max 20 --p99-max 50
  bench latency-profile-1000 spam --rate 1000 --p50-max 20 --p99-max 50
  bench latency-profile-5000 spam --rate 5000
  unset ASSIZE_STREAM__PROFILE
}

bench_scaling() {
  bench_warm_broker
  local partitions processes chars share
  for partitions in 1 2 4 8 32; do
    bench "partitions-$partitions" spam --drain 2000000 --partitions "$partitions"
  done
  for processes in 1 2; do
    bench "processes-$processes" spam --drain 2000000 --processes "$processes"
  done
  for chars in 50 500; do
    bench "chars-$chars" spam --drain 1000000 --text-chars "$chars"
  done
  bench chars-10000 spam --drain 100000 --text-chars 10000
  bench_fill_redis
  for share in 1.0 0.5 0.05; do
    bench "new-users-$share" users --drain 1000000 --users 1000 --new-users "$share"
  done
}

# Pairs, one with the drift job beside the stream and one without; the order changes, so that what the machine does
# meanwhile favours neither.
bench_drift() {
  bench_warm_broker
  local pair jobs job
  for pair in 1 2 3 4 5; do
    jobs=(false true)
    ((pair % 2)) || jobs=(true false)
    for job in "${jobs[@]}"; do
      export ASSIZE_DRIFT__ENABLED=$job
      bench "drift-$job-$pair" spam --drain 2000000
    done
  done
  for job in false true; do
    export ASSIZE_DRIFT__ENABLED=$job
    bench "drift-rate-$job" spam --rate 1000
  done
  unset ASSIZE_DRIFT__ENABLED
}

# Known and new authors alike, for ten minutes. In single quotes (\047), because Redis ends a word at a double quote within it.
bench_fill_redis() {
  awk -v users="$BENCH_USERS" 'BEGIN { for (user = 1; user <= users; user++)
    printf "SET features:user:%d \047{\"account_age_days\":%d,\"follower_count\":10,\"messages_sent_7d\":3}\047 EX 600\r\n", user, user % 3000 }' |
    redis-cli -u "$test_redis" --pipe >"$BENCH_OUT/redis.log"
}
