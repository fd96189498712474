/* POST dashboards/{id}:share: an embed token for a dashboard, and how to connect with it. */
#ifndef QUERYD_DOCUMENT_SHARE_H
#define QUERYD_DOCUMENT_SHARE_H

#include "queryd/access.h"

void share_dashboard(const struct call *c);

#endif
