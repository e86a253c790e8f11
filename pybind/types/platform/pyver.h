/* What differs between the versions and the builds of CPython: 3.13, 3.14, 3.15, with and without
 * the GIL. A version that is not known here gets what is public alone, and works. */
#ifndef FT_PYVER_H
#define FT_PYVER_H

#include "platform/common.h"

/* Versions whose internal headers were read for what follows. */
#define FT_KNOWN_VERSION (PY_VERSION_HEX >= 0x030d0000 && PY_VERSION_HEX < 0x030f0000)

/* Whether frames.c reads the interpreter's own frames. From 3.14 on every thread of the
 * free-threaded build runs a copy of the code, in a table that another thread may replace and
 * free while nobody is attached who looks: there the public functions serve. */
#ifdef Py_GIL_DISABLED
#define FT_KNOWN_FRAMES (FT_KNOWN_VERSION && PY_VERSION_HEX < 0x030e0000)
#else
#define FT_KNOWN_FRAMES FT_KNOWN_VERSION
#endif

/* Whether signals have come whose Python handlers have not run yet; the main thread asks.
 * Looking for them by PyErr_CheckSignals costs a waiting thread its place for a moment. The
 * thread state says it, in a bit of a public field; Python sets it in the C handler. Where the
 * bit is not known, the thread always looks. (frames.c compares it with CPython's own header.) */
#define FT_SIGNALS_BIT 2u

/* Python sets the bit in the state of its first main thread, and does so still in a child that
 * another thread has forked and is the main one of. There this is set, for good. */
extern _Atomic(bool) ft_signals_unseen;

static inline bool
ft_signals_pending(void)
{
#if FT_KNOWN_VERSION
    return atomic_load_explicit(&ft_signals_unseen, memory_order_relaxed)
           || (__atomic_load_n(&PyThreadState_Get()->eval_breaker, __ATOMIC_RELAXED) & FT_SIGNALS_BIT) != 0;
#else
    return true;
#endif
}

/* The method that a with statement looks up first. */
#if PY_VERSION_HEX >= 0x030e0000
#define FT_WITH_FIRST "__exit__"
#else
#define FT_WITH_FIRST "__enter__"
#endif

/* Deferred reference counts: calls of methods of a shared object then do not write to its
 * count, which is what makes two threads slower than one that call methods of one lock. Such
 * an object is freed by the garbage collector alone. So a lock begins with an ordinary count,
 * and gets a deferred one when threads are seen to share it (ft_share). The collector has to
 * know the type: that costs nothing on this build, whose objects all have room for its bits.
 * FT_COLLECTED=1 makes the types so elsewhere, for tests. */
#if defined(Py_GIL_DISABLED) && PY_VERSION_HEX >= 0x030e0000
#define FT_DEFERS 1
#else
#define FT_DEFERS 0
#endif

#ifndef FT_COLLECTED
#define FT_COLLECTED FT_DEFERS
#endif

/* Says that threads share an object; any thread that is attached may say it, also again. */
static inline void
ft_share(PyObject *op)
{
#if FT_DEFERS
    PyUnstable_Object_EnableDeferredRefcount(op);
#else
    (void)op;
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
