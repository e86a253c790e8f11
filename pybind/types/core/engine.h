/* The Go side, seen from C: loaded at the first contention, never entered in a child of a
 * process that had loaded it. */
#ifndef FT_ENGINE_H
#define FT_ENGINE_H

#include "platform/common.h"

/* The exports that struct ft_side names. */
typedef int32_t ft_contend_fn(void *lock, struct ft_waiter *self);
typedef int32_t ft_withdraw_fn(void *lock, struct ft_waiter *self, int32_t why);
typedef void ft_release_fn(void *lock, struct ft_waiter *self);

struct ft_engine {
#define FT_EXPORT_FIELD(name, result, parameters) result(*name) parameters;
    FT_EXPORTS(FT_EXPORT_FIELD)
#undef FT_EXPORT_FIELD
};

/* The Go side, loaded if need be; call it attached. NULL means: poll (poll.h). That is so
 * in a child after a fork, and when the library cannot be loaded, which is warned of once.
 * Never fails and never raises. */
const struct ft_engine *ft_engine(void);

/* The Go side if it is loaded and alive here, else NULL. Loads nothing. */
const struct ft_engine *ft_engine_if_loaded(void);

/* Whether those who wait poll, for good: in a forked child, and where Go cannot be loaded. */
bool ft_engine_polls(void);

/* The file name of the Go library: beside this extension, the same suffix. Borrowed. */
const char *ft_engine_path(void);

/* Around a fork: a library that is half loaded would leave the loader locked in the child. */
void ft_engine_before_fork(void);
void ft_engine_after_fork_in_parent(void);
void ft_engine_after_fork_in_child(void);

#endif
