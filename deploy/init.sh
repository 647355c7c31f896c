#!/bin/sh
# Once, before the first start: settings from the example, and secrets that nobody else knows.
# What is there already stays as it is.
set -eu
cd "$(dirname "$0")/.."
secrets=deploy/secrets
[ -e .env ] || cp .env.example .env
mkdir -p "$secrets"
chmod 700 "$secrets"
for name in api_keys metrics_key postgres_password grafana_password; do
    if [ ! -s "$secrets/$name" ]; then
        od -An -N24 -tx1 /dev/urandom | tr -d ' \n' >"$secrets/$name"
        echo >>"$secrets/$name"
        # The folder is closed to others; the containers' own users must be able to read the files.
        chmod 644 "$secrets/$name"
    fi
done
echo "settings: .env   key: $secrets/api_keys   Grafana, user admin: $secrets/grafana_password"
