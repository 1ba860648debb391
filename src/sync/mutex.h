/* SPDX-License-Identifier: MIT */
/*
 * mutex.h - what a condition variable needs of a mutex beside gyre/sync.h
 */
#ifndef SYNC_MUTEX_H
#define SYNC_MUTEX_H

#include <gyre/sync.h>

/* Lock it whatever becomes of the scope: there is no way not to hold it. */
void mutex_lock_shielded(gyre_mutex *mutex);

#endif
