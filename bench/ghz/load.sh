#!/usr/bin/env bash
# Loads each running service with its ghz profile; bounded in count, on loopback only.
#   bench/ghz/load.sh [PORT_BASE]
set -euo pipefail
cd "$(dirname "$0")"
base=${1:-${ATLAS_PORT_BASE:-50050}}
command -v ghz >/dev/null || { echo "ghz is not installed: go install github.com/bojand/ghz/cmd/ghz@v0.121.0" >&2; exit 1; }

offset=0
for part in gateway embedder reranker memory; do
  echo "== $part at 127.0.0.1:$((base + offset))"
  ghz --config "$part.json" "127.0.0.1:$((base + offset))"
  offset=$((offset + 1))
done
