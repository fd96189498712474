/* Whether a subquery needs a row of the SELECT around it, and so runs anew for each; see
 * gate_reads.h. */
#ifndef QUERYD_ADHOC_GATE_OUTSIDE_H
#define QUERYD_ADHOC_GATE_OUTSIDE_H

#include "queryd/adhoc/gate_tree.h"

/* The text of a String; empty of anything else. */
struct slice gate_string_of(const struct gate_value *v);
/* Of "table.column" or "column": its parts, the table empty where it is not named. false: no
 * column. */
bool gate_column_of(const struct gate_value *node, struct slice *table, struct slice *column);
/* Whether it uses a column of a table that is not inside it: by the table's name, or by a name that
 * is no column of the views inside and given to nothing there. Beside a WITH query, whose columns
 * are not known here, names without a table count as its own. */
bool gate_needs_outside(const struct gate_value *in);

#endif
