/* dqd's settings: the struct and its key table, both from the two config.def files. */
#ifndef DQD_CONFIG_H
#define DQD_CONFIG_H

#include "common/daemon/conf.h"

struct dqd_config {
#define KEY CONF_MEMBER
#include "common/config.def"
#include "dqd/config.def"
#undef KEY
};

extern const struct conf_key dqd_keys[];
extern const size_t dqd_key_count;

#endif
