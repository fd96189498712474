#!/bin/sh
# SQL lives in sql/, where psql can run it and `make sql-check` prepares it; not in C strings.
set -eu
cd "$(dirname "$0")/../.."

anywhere='\b(select\b.*\bfrom|insert[[:space:]]+into|update\b.*\bset|delete[[:space:]]+from|merge[[:space:]]+into)\b'
whole='[[:space:]]*(select [^%]|set (local|session)\b|copy [a-z_.]+ *\(|(create|alter|drop) (table|index|view|role|schema|function)\b|(un)?listen [a-z_]+")'

# redisq.c is left out: SELECT is a command of Redis, too
if git grep -niE "\"[^\"]*$anywhere|\"$whole" -- '*.c' '*.h' ':!tests/' ':!common/net/redisq.c'; then
	echo "sql_in_c.sh: this belongs into a file of sql/" >&2
	exit 1
fi
