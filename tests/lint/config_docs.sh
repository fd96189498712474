#!/bin/sh
# Every setting (common/config.def, <daemon>/config.def) is in README.md, as `key`.
set -eu
cd "$(dirname "$0")/../.."

missing=$(sed -n 's/^KEY(\([a-z0-9_]*\),.*/\1/p' ./*/config.def | sort -u | while read -r key; do
	grep -q "\`$key\`" README.md || echo "$key"
done)
if [ -n "$missing" ]; then
	echo "config_docs.sh: not in README.md: $(echo "$missing" | tr '\n' ' ')" >&2
	exit 1
fi
