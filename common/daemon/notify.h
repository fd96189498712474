/*
 * L2: telling the supervisor how we are: the sd_notify protocol by hand (one datagram to
 * $NOTIFY_SOCKET), so that no libsystemd is needed. Without a supervisor every call does nothing.
 *
 * Nothing here blocks: when the supervisor does not read, the message is lost and -EAGAIN returned.
 */
#ifndef COMMON_NOTIFY_H
#define COMMON_NOTIFY_H

#include "common/base/base.h"

/* Sends KEY=VALUE lines ("READY=1\nSTATUS=…", "STOPPING=1", "WATCHDOG=1"). 1: sent; 0: there is no
 * supervisor; negative errno: not sent. A caller may ignore it: the supervisor times out then. */
int notify_send(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* RELOADING=1 with the time stamp that systemd wants beside it; follow it by READY=1. */
int notify_reloading(void);
/* How often the supervisor wants to hear WATCHDOG=1 at least, in ms; 0: it does not watch us. */
int64_t notify_watchdog_ms(void);

#endif
