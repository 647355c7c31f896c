#!/bin/sh
# Hands secrets, which come as files, to those who read them: keys to the server, the password to
# libpq. Only files of this user are written, and only to a file system in memory.
set -eu
umask 077
secrets=/run/secrets
if [ -r $secrets/api_keys ]; then
    # The dashboard of counts has a key of its own, so that it can be changed alone.
    cat $secrets/api_keys $secrets/metrics_key >/tmp/keys
    if [ "${1:-} ${2:-}" = "reason serve" ]; then
        set -- "$@" --api-key-file /tmp/keys
    fi
fi
if [ -r $secrets/postgres_password ]; then
    printf '*:*:*:*:%s\n' "$(cat $secrets/postgres_password)" >/tmp/pgpass
    export PGPASSFILE=/tmp/pgpass
fi
exec "$@"
