#!/bin/sh
# Calls that have no place in this tree: unbounded copies, silent number parsing, shells.
# A line with a comment "BANNED-OK: why" is let through.
set -eu
cd "$(dirname "$0")/../.."

calls='strcpy|stpcpy|strcat|strncpy|strncat|sprintf|vsprintf|strtok|strtok_r|gets|alloca'
calls="$calls|atoi|atol|atoll|atof|strtol|strtoll|strtoul|strtoull|strtoimax|strtoumax"
calls="$calls|system|popen|rand|srand|random|srandom|rand_r|drand48|tmpnam|mktemp"

if git grep -nE "(^|[^a-zA-Z0-9_.>])($calls)[[:space:]]*\(" -- '*.c' '*.h' |
	grep -vE 'BANNED-OK: |^[^:]+:[0-9]+:[[:space:]]*(/?\*|//)'; then
	echo "banned.sh: use strbuf, snprintf with a checked result, num_*, posix_spawn, getrandom" >&2
	exit 1
fi
