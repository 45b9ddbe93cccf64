#!/usr/bin/env bash
# What the stack needs once: two secrets, our schemas in the registry, and the topics. Run in the image of Assize; safe to run again.
set -euo pipefail
cd /secrets

# secret NAME MODE: 32 random bytes, kept over restarts: under another hash key repeats are not recognised.
secret() {
  [[ ! -s $1 ]] || return 0
  head --bytes=32 /dev/urandom | base64 --wrap=0 >"$1.new"
  chmod "$2" "$1.new"
  mv "$1.new" "$1"
}

secret hash-key 0400
# Prometheus reads it too, as another user.
secret admin-token 0444

# Ids in an order that does not depend on who starts first.
assize schema register
exec assize topics create
