/* queryd's settings: the struct and its key table, both from the two config.def files. */
#ifndef QUERYD_CONFIG_H
#define QUERYD_CONFIG_H

#include "common/daemon/conf.h"

struct queryd_config {
#define KEY CONF_MEMBER
#include "common/config.def"
#include "queryd/config.def"
#undef KEY
};

extern const struct conf_key queryd_keys[];
extern const size_t queryd_key_count;

#endif
