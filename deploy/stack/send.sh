#!/usr/bin/env bash
# The demo messages, round after round, at $RATE a second. Run in the image of Assize.
set -euo pipefail

# The same ids sent again are repeats and get no second verdict: each start sends messages of its own.
sed "s/\"demo-/\"demo-$(date +%s)-/" /stack/messages.ndjson >/tmp/messages.ndjson

exec assize send --rate "$RATE" --repeat 10000000 /tmp/messages.ndjson
