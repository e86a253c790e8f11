/* The Go library, seen from C: loaded at the first contention, never entered in a child of a
 * process that had loaded it. */
#ifndef FT_GOLIB_H
#define FT_GOLIB_H

#include "platform/common.h"

/* The exports that struct ft_wait_ops and ft_release_slow name. */
typedef int32_t ft_contend_fn(void *lock, struct ft_waiter *self);
typedef int32_t ft_withdraw_fn(void *lock, struct ft_waiter *self, int32_t why);
typedef void ft_release_fn(void *lock, struct ft_waiter *self);

struct ft_golib {
#define FT_EXPORT_FIELD(name, result, parameters) result(*name) parameters;
    FT_EXPORTS(FT_EXPORT_FIELD)
#undef FT_EXPORT_FIELD
};

/* The library, loaded if need be; call it attached. NULL means: core/fallback.h. That is so in
 * a child after a fork, and when the library cannot be loaded, which is warned of once: Python
 * code may run for that. Never fails and never raises. */
const struct ft_golib *ft_golib_load(void);

/* The library if it is loaded and alive here, else NULL. Loads nothing. */
const struct ft_golib *ft_golib(void);

/* Whether there never will be one here: in a forked child, and where it cannot be loaded. */
bool ft_golib_missing(void);

/* The file name of the Go library: beside this extension, the same suffix. Borrowed. */
const char *ft_golib_path(void);

/* Around a fork: a library that is half loaded would leave the loader locked in the child. */
void ft_golib_before_fork(void);
void ft_golib_after_fork_in_parent(void);
void ft_golib_after_fork_in_child(void);

#endif
