#!/bin/sh
# Shell scripts pass shellcheck; Python compiles and, where pyflakes is installed, passes it.
set -eu
cd "$(dirname "$0")/../.."

shell='' python=''
for file in $(git ls-files .ci tools tests); do
	[ -f "$file" ] || continue
	case $file in
	*.py) python="$python $file"; continue ;;
	*.sh) shell="$shell $file"; continue ;;
	*.*) continue ;;
	esac
	case $(head -c 64 "$file" | tr -d '\000' | head -n 1) in
	'#!'*python*) python="$python $file" ;;
	'#!'*sh*) shell="$shell $file" ;;
	esac
done

# shellcheck disable=SC2086
[ -z "$shell" ] || shellcheck $shell
# shellcheck disable=SC2086
/usr/bin/python3 -c 'import ast, sys
for name in sys.argv[1:]:
    ast.parse(open(name, encoding="utf-8").read(), name)' $python
if /usr/bin/python3 -c 'import pyflakes' 2>/dev/null; then
	# shellcheck disable=SC2086
	/usr/bin/python3 -m pyflakes $python
fi
