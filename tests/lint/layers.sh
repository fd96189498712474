#!/bin/sh
# Who may include what: the ladder of common/ (its levels are in common/module.mk), no daemon a
# sibling's headers, a third-party header only in the .c files that wrap the library. Tests may
# include anything.
set -eu
cd "$(dirname "$0")/../.."

git ls-files 'common/*.[ch]' 'ingestd/*.[ch]' 'etld/*.[ch]' 'queryd/*.[ch]' 'dqd/*.[ch]' \
	'tools/*.[ch]' | xargs grep -nE '^[[:space:]]*#[[:space:]]*include' /dev/null |
	awk '
# library header -> the files that wrap it, as a pattern
BEGIN {
	wrapper["^event2/"] = "^common/[a-z]+/(daemon|worker|notify|pg|redisq|zsock|http|jwks)[a-z_]*\\.c$|^common/http/httpd[a-z_]*_priv\\.h$"
	wrapper["^(libpq-fe|postgres_ext|pg_config)"] = "^common/pg/pg[a-z_]+\\.c$|^common/pg/pgconn_priv\\.h$"
	wrapper["^hiredis/"] = "^common/net/redisq\\.c$"
	wrapper["^zmq"] = "^common/net/zsock\\.c$"
	wrapper["^cjson/"] = "^common/base/json\\.c$"
	wrapper["^curl/"] = "^(common/http/httpc|tools/replay_http)\\.c$"
	wrapper["^pg_query"] = "^queryd/adhoc/gate\\.c$"
	wrapper["^zlib"] = "^ingestd/door/archive\\.c$"
	wrapper["^openssl/"] = "^common/(base/hash|auth/jwk|auth/sign)\\.c$"
	while ((getline line < "common/module.mk") > 0) {
		n = split(line, word, " ")
		if (line ~ /^COMMON_L[0-9] :=/)
			current = substr(line, 9, 1) + 0
		else if (!continued)
			continue
		for (i = 1; i <= n; i++)
			level[word[i]] = current
		continued = line ~ /\\$/
	}
	# headers without a .c of their own
	level["base"] = 0
	level["sqlstmt"] = 1
}

function complain(why)
{
	print file ":" number ": includes " what ": " why
	bad = 1
}

function stem(path)
{
	sub(/^.*\//, "", path)
	sub(/(_priv)?\.[a-z]+$/, "", path) # x_priv.h: shared by the files that make up x
	return path
}

{
	split($0, part, ":")
	file = part[1]
	number = part[2]
	what = $0
	if (!match(what, /[<"][^>"]+[>"]/))
		next
	what = substr(what, RSTART + 1, RLENGTH - 2)
	folder = file
	sub(/\/.*/, "", folder)
	if (what ~ /^(ingestd|etld|queryd|dqd|tools)\// && index(what, folder "/") != 1)
		complain("a sibling'\''s header")
	else if (what ~ /^tests\//)
		complain("a test'\''s header")
	else if (folder == "common" && what ~ /^common\/.*\.(h|def)$/) {
		if (!(stem(file) in level))
			complain(file " is in no level of common/module.mk")
		else if (what ~ /\.h$/ && !(stem(what) in level))
			complain("it is in no level of common/module.mk")
		else if (what ~ /\.h$/ && level[stem(what)] > level[stem(file)])
			complain("level " level[stem(what)] " from level " level[stem(file)])
	} else {
		for (header in wrapper)
			if (what ~ header && file !~ wrapper[header])
				complain("only " wrapper[header] " may")
	}
}

END { exit bad }
' >&2 || { echo "layers.sh: see the ladder in common/module.mk" >&2; exit 1; }
