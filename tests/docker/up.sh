#!/usr/bin/env bash
# Builds the image, brings the profile cpu up, asks one question through it, takes it down again.
#
#   up.sh            needs root or a running Docker daemon, and docker-compose or Compose v2
#
# Where images cannot be pulled the base image is made by debootstrap, and the service `reason` runs
# alone, with its journal in SQLite; elsewhere the whole stack is brought up. Prints one line a check.
set -euo pipefail
cd "$(dirname "$0")/../.."

export COMPOSE_PROJECT_NAME=reason-test COMPOSE_PROFILES=cpu DOCKER_BUILDKIT=0
export BUILD_NETWORK=host REASON_MODEL=gguf:/models/smollm2.gguf
REASON_PORT=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export REASON_PORT PROMETHEUS_PORT=$((REASON_PORT + 1)) GRAFANA_PORT=$((REASON_PORT + 2))
base=$(sed -n 's/^ARG PYTHON_IMAGE=//p' Dockerfile)
url=http://127.0.0.1:$REASON_PORT
compose() { if command -v docker-compose >/dev/null; then docker-compose "$@"; else docker compose "$@"; fi; }

daemon=
# shellcheck disable=SC2317  # called by the trap
finish() {
    code=$?
    [ $code -eq 0 ] || compose logs --tail 30 reason || true
    compose down --volumes --timeout 20 >/dev/null 2>&1 || true
    [ -z "$daemon" ] || kill "$daemon"
    exit $code
}
trap finish EXIT

if ! docker info >/dev/null 2>&1; then
    dockerd --iptables=false >"${TMPDIR:-/tmp}/dockerd.log" 2>&1 &
    daemon=$!
    for _ in $(seq 30); do docker info >/dev/null 2>&1 && break || sleep 1; done
fi
docker info >/dev/null
sh deploy/init.sh

services=()
if ! docker image inspect "$base" >/dev/null 2>&1 && ! timeout 60 docker pull --quiet "$base"; then
    tests/docker/base.sh "$base"
fi
if ! timeout 120 docker pull --quiet postgres:17.6-bookworm >/dev/null 2>&1; then
    echo "images cannot be pulled: the service reason runs alone, its journal in SQLite"
    services=(--no-deps reason)
    export REASON_JOURNAL_URL=
fi

compose build --quiet reason >/dev/null
echo "ok: image of $(($(docker image inspect --format '{{.Size}}' reason:0.1.0) / 1000000)) MB"
docker run --rm --entrypoint python reason:0.1.0 -c \
    'import importlib.util as u, sys; sys.exit(any(u.find_spec(n) for n in ("torch", "vllm")))'
echo "ok: neither torch nor vllm is in it"
compose up --detach "${services[@]}"
container=$(compose ps -q reason)
for _ in $(seq 60); do
    state=$(docker inspect --format '{{.State.Health.Status}}' "$container")
    [ "$state" = healthy ] && break || sleep 3
done
[ "$state" = healthy ]
echo "ok: healthy"

key=$(cat deploy/secrets/api_keys)
[ "$(curl -s -o /dev/null -w '%{http_code}' "$url/v1/models")" = 401 ]
echo "ok: without a key nobody gets in"
curl -s --max-time 300 "$url/v1/chat/completions" -H "Authorization: Bearer $key" \
    -H 'Content-Type: application/json' -d '{"model": "reason-direct", "messages": [{"role": "user",
    "content": "Tom has 3 apples and buys 4 more. How many apples does Tom have?"}]}' |
    python3 -c 'import json, sys
done = json.load(sys.stdin)
assert "usage" in done and done["usage"]["completion_tokens"] > 0, done
assert done["choices"][0]["message"]["content"], done
# The answer of so small a model may well be wrong.
print("ok: one question answered:", done["choices"][0]["message"]["content"][:60])'
docker exec "$container" reason solve hanoi --disks 4 --model embedded --json --quiet |
    grep -q '"status": "solved", "verified": true'
echo "ok: four disks solved and verified by the embedded model"
curl -sf "$url/metrics" -H "Authorization: Bearer $(cat deploy/secrets/metrics_key)" |
    grep -q '^reason_questions_total{outcome='
echo "ok: the key of the counts opens them"

curl -sf "$url/api/runs" -H "Authorization: Bearer $key" -H 'Content-Type: application/json' >/dev/null \
    -d '{"task": {"name": "hanoi", "disks": 4}, "options": {"model": ["sim"]}}'
counted='reason_run_steps_total{task="hanoi"} 15.0'
for _ in $(seq 60); do
    found=$(curl -sf "$url/metrics" -H "Authorization: Bearer $key")
    case $found in *"$counted"*) break ;; *) sleep 2 ;; esac
done
case $found in *"$counted"*) ;; *) false ;; esac
echo "ok: a run started through the API is solved and counted"

[ "$(docker exec "$container" id -u)" = 10001 ]
! docker exec "$container" touch /opt/reason/x 2>/dev/null
docker exec "$container" test -s /tmp/keys
echo "ok: no root, and no writing but to /data and /tmp"
compose restart --timeout 20 reason >/dev/null 2>&1
for _ in $(seq 60); do curl -sf "$url/health" >/dev/null && break || sleep 2; done
curl -sf "$url/health" >/dev/null
docker exec "$container" reason runs list --json | grep -q hanoi-4
echo "ok: restarted, and the run is still there"
