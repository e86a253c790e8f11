/* What differs between the builds of CPython. */
#ifndef FT_PYVER_H
#define FT_PYVER_H

#include "platform/common.h"

/* Whether signals have come whose Python handlers have not run yet; the main thread asks.
 * Looking for them by PyErr_CheckSignals costs a waiting thread its place for a moment. From
 * 3.13 on the thread state says it, in the second bit of a public field; Python sets it in
 * the C handler. A version that is not known here always looks. */
static inline bool
ft_signals_pending(void)
{
#if PY_VERSION_HEX < 0x03100000
    return (__atomic_load_n(&PyThreadState_Get()->eval_breaker, __ATOMIC_RELAXED) & 2) != 0;
#else
    return true;
#endif
}

#ifdef Py_GIL_DISABLED
/* Threads run in parallel: the holder of a lock may be running, and readers that share no
 * memory scale. */
#define FT_SPINS 1
#define FT_READ_BIAS 1
#else
/* One thread runs at a time: a thread that is seen holding a lock does not run, and readers
 * cannot scale. Publishing a read lock would cost the writers a scan and win nothing. */
#define FT_SPINS 0
#define FT_READ_BIAS 0
#endif

#endif
