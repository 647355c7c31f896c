#!/usr/bin/env bash
# A stand-in for the Python base image, for machines whose Docker cannot pull images:
#
#   base.sh TAG     makes bookworm by debootstrap and imports it under TAG, unless TAG is there
#
# It takes along what this machine's own pip and TLS need to reach the package index.
set -euo pipefail

tag=$1
docker image inspect "$tag" >/dev/null 2>&1 && exit 0
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$root" \
    http://deb.debian.org/debian >&2
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
ln -s python3 "$root/usr/bin/python"
for own in /etc/pip.conf /etc/xdg/pip/pip.conf /etc/ssl/certs/ca-certificates.crt; do
    if [ -e "$own" ]; then
        mkdir -p "$root$(dirname "$own")"
        cp -L "$own" "$root$own"
    fi
done
# Caps on releases that name this machine's disk mean nothing elsewhere.
sed -i '/^constraint *=/d' "$root/etc/xdg/pip/pip.conf" 2>/dev/null || true
tar -C "$root" -c . | docker import --change 'CMD ["python3"]' - "$tag" >&2
