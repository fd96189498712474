# Turns sql/**/*.sql into C: `awk -v header=F -v source=F -f embed.awk FILES`.
#
#   sql/<db>/<daemon>/<verb_noun>.sql                 -> const struct sql_stmt SQL_<daemon>_<verb_noun>
#   sql/warehouse/postgres/<daemon>/<verb_noun>.sql   -> the same
#   sql/<db>[/postgres]/migrations/NNNN_name.sql      -> a row of sql_<db>_migrations[], in order
#
# A rebuild (etld/rebuild_<what>.sql) becomes two statements: it writes the live version of its tables
# (analytics_live.<table>), and SQL_etld_beside_<what> is the same for the version beside it: other
# schema, and what it would tell others (inserts into analytics_run) goes to sinks in that schema. Which
# table is behind a name is said by views (warehouse migration 0017), so neither text ever changes.
#
# The parameter count is the highest `-- $N` of the header comment, which `make sql-check` compares
# with what Postgres finds. Comment lines at the head of a statement stay out of the binary.
# mawk: a doubled backslash needs gsub(/\\/, "&&"); its sprintf() ends at 8 kB, printf does not.

function quote(s)
{
	gsub(/\\/, "&&", s)
	gsub(/"/, "\\\"", s)
	return s
}

function emit(name,    symbol)
{
	symbol = name
	sub(/\//, "_", symbol)
	if (name in seen) {
		print file ": repeated statement name" > "/dev/stderr"
		exit 1
	}
	seen[name] = 1
	printf "extern const struct sql_stmt SQL_%s;\n", symbol > header
	printf "const struct sql_stmt SQL_%s = {\"%s\", %d,\n%s};\n\n", symbol, symbol, params, body > source
	all = all sprintf("\t&SQL_%s,\n", symbol)
	nall++
}

function flush_file(    n, part, stem, daemon)
{
	if (file == "")
		return
	n = split(file, part, "/")
	stem = part[n]
	sub(/\.sql$/, "", stem)
	daemon = part[n - 1]
	if (daemon == "migrations") {
		database = part[2]
		version = stem + 0
		sub(/^[0-9]+_/, "", stem)
		rows[database] = rows[database] "\t{" version ", \"" stem "\",\n" body "\t},\n"
		count[database]++
		latest[database] = version
	} else {
		if (stem !~ /^[a-z0-9_]+$/) {
			print file ": bad statement name" > "/dev/stderr"
			exit 1
		}
		emit(daemon "/" stem)
		if (daemon == "etld" && sub(/^rebuild_/, "beside_", stem)) {
			gsub(/analytics_live\./, "analytics_beside.", body)
			gsub(/insert into analytics_run\./, "insert into analytics_beside.", body)
			emit(daemon "/" stem)
		}
	}
	body = ""
}

BEGIN {
	print "/* Generated from sql/ by sql/embed.awk. */\n#ifndef SQL_GEN_H\n#define SQL_GEN_H\n#include \"common/pg/sqlstmt.h\"\n" > header
	print "/* Generated from sql/ by sql/embed.awk. */\n#include \"sql_gen.h\"\n" > source
}

FNR == 1 {
	flush_file()
	file = FILENAME
	params = 0
	head = 1
	body = ""
}

{
	if (head && match($0, /^-- \$[0-9]+/)) {
		n = substr($0, 5, RLENGTH - 4) + 0
		if (n > params)
			params = n
	}
	if (head && (/^--/ || /^$/) && FILENAME !~ /migrations/)
		next
	head = 0
	body = body "\t\"" quote($0) "\\n\"\n"
}

END {
	flush_file()
	for (database in rows) {
		printf "extern const struct sql_migration sql_%s_migrations[];\nextern const size_t sql_%s_migration_count;\nenum { SQL_%s_VERSION = %d };\n", database, database, toupper(database), latest[database] > header
		printf "const struct sql_migration sql_%s_migrations[] = {\n%s};\nconst size_t sql_%s_migration_count = %d;\n\n", database, rows[database], database, count[database] > source
	}
	printf "extern const struct sql_stmt *const sql_all_stmts[];\nextern const size_t sql_all_stmt_count;\n\n#endif\n" > header
	printf "const struct sql_stmt *const sql_all_stmts[] = {\n%s\tNULL,\n};\nconst size_t sql_all_stmt_count = %d;\n", all, nall > source
}
