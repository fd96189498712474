/* etld's settings: the struct and its key table, both from the two config.def files. */
#ifndef ETLD_CONFIG_H
#define ETLD_CONFIG_H

#include "common/daemon/conf.h"

struct etld_config {
#define KEY CONF_MEMBER
#include "common/config.def"
#include "etld/config.def"
#undef KEY
};

extern const struct conf_key etld_keys[];
extern const size_t etld_key_count;

#endif
