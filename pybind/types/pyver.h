/* What differs between the builds of CPython. */
#ifndef FT_PYVER_H
#define FT_PYVER_H

#include "common.h"

#ifdef Py_GIL_DISABLED
/* Threads run in parallel: the holder of a lock may be running, and readers that share no
 * memory scale. */
#define FT_SPINS 1
#define FT_READ_BIAS 1
#else
/* One thread runs at a time: whoever is seen holding a lock does not run, and readers
 * cannot scale. Publishing a read lock would cost the writers a scan and win nothing. */
#define FT_SPINS 0
#define FT_READ_BIAS 0
#endif

#endif
