/*
 * A statement of sql/, embedded at build time (sql/embed.awk). C code holds no SQL text of its own:
 * it names one of these, and `make sql-check` prepares every one against a migrated database.
 */
#ifndef COMMON_SQLSTMT_H
#define COMMON_SQLSTMT_H

#include <stddef.h>

struct sql_stmt {
	const char *name; /* <daemon>_<verb_noun>: the name it is prepared under and logged by */
	int nparams;
	const char *text;
};

struct sql_migration {
	int version; /* ascending per database */
	const char *name;
	const char *text;
};

#endif
