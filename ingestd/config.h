/* ingestd's settings: the struct and its key table, both from the two config.def files. */
#ifndef INGESTD_CONFIG_H
#define INGESTD_CONFIG_H

#include "common/daemon/conf.h"

struct ingestd_config {
#define KEY CONF_MEMBER
#include "common/config.def"
#include "ingestd/config.def"
#undef KEY
};

extern const struct conf_key ingestd_keys[];
extern const size_t ingestd_key_count;

#endif
