#!/bin/sh
# A rebuild says which table it writes and never which version of it: the schema analytics_live is
# replaced at build time (sql/embed.awk), what is behind it by views (warehouse migration 0017). So its
# statements may write rows there, or tell others in analytics_run, and name no table by its number.
set -eu
cd "$(dirname "$0")/../.."

bad=0
for file in sql/warehouse/postgres/etld/rebuild_*.sql; do
	if grep -nE '(fact|dim)_[a-z_]+_v[0-9]+' "$file" /dev/null; then
		echo "rebuilds.sh: $file names a version" >&2
		bad=1
	fi
	if grep -nE '(insert into|delete from|update) +analytics_curated\.(fact|dim)_' "$file" /dev/null; then
		echo "rebuilds.sh: $file writes past analytics_live" >&2
		bad=1
	fi
done
exit $bad
