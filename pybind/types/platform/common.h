/* What every file of the C types needs. */
#ifndef FT_COMMON_H
#define FT_COMMON_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "ft_shared.h"

#define FT_LIKELY(x) __builtin_expect(!!(x), 1)
#define FT_UNLIKELY(x) __builtin_expect(!!(x), 0)
/* The slow half of an operation: never inlined into the fast one, kept away from it. */
#define FT_SLOW __attribute__((noinline, cold))
/* The fast half that several functions share: each becomes what it would be if written out. */
#define FT_INLINE static inline __attribute__((always_inline))

#define FT_CACHE_LINE 64

/* Uncontended transitions are sequentially consistent, as Go's are. On x86-64 the
 * order costs nothing: the locked instruction is needed anyway. */
static inline bool
ft_cas(_Atomic(uint64_t) *word, uint64_t old, uint64_t new)
{
    return atomic_compare_exchange_strong(word, &old, new);
}

#endif
