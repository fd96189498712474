/*
 * L1: one event, one line, on stderr. JSON (severity, message, ts, tenant_id, correlation_id, …)
 *or, on a terminal, a human form of the same fields. Messages are fixed lower-case phrases; what
 *varies goes into fields, so that a message can be counted. Control bytes are escaped. Never log
 *secrets.
 *
 *	log_info("unit applied", LOG_S("tenant_id", t), LOG_I("events", n));
 *
 * A trace is a field of its own, in JSON under the name and in the form that Google's logging
 *reads.
 */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include "common/base/base.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
enum log_format {
	LOG_FORMAT_AUTO,
	LOG_FORMAT_JSON,
	LOG_FORMAT_TEXT
}; /* auto: text on a terminal */

struct log_field {
	const char *key; /* NULL ends the list */
	const char *str; /* NULL: the integer */
	int64_t num;
};

static inline struct log_field log_string_field(const char *key, const char *value)
{
	return (struct log_field){key, value != NULL ? value : "", 0};
}

#define LOG_S(k, v) log_string_field((k), (v))
#define LOG_I(k, v) ((struct log_field){(k), NULL, (int64_t)(v)})
#define LOG_END     ((struct log_field){NULL, NULL, 0})
/* The 32 digits of a trace id; NULL: no field. */
#define LOG_TRACE(id) ((struct log_field){LOG_TRACE_KEY, (id), 0})
extern const char LOG_TRACE_KEY[];

void log_setup(const char *service, enum log_level level, enum log_format format);
/* Whose traces they are: projects/<project>/traces/<id>. "": the id alone. */
void log_set_trace_project(const char *project);
bool log_enabled(enum log_level level);
/* `message`, then struct log_field values up to LOG_END; use the macros. */
void log_write(enum log_level level, const char *message, ...);

#define log_at(level, ...) (log_enabled(level) ? log_write((level), __VA_ARGS__, LOG_END) : (void)0)

#define log_debug(...) log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...)  log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warn(...)  log_at(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_error(...) log_at(LOG_LEVEL_ERROR, __VA_ARGS__)

#endif
