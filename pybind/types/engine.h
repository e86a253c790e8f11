/* The Go side, seen from C: loaded at the first contention, never entered in a child of a
 * process that had loaded it. */
#ifndef FT_ENGINE_H
#define FT_ENGINE_H

#include "common.h"

/* One operation on a lock that is being waited for. */
typedef int32_t ft_contend_fn(void *lock, struct ft_waiter *self);
typedef int32_t ft_withdraw_fn(void *lock, struct ft_waiter *self, int32_t why);
typedef void ft_release_fn(void *lock, struct ft_waiter *self);
typedef int32_t ft_lock_release_fn(void *lock, struct ft_waiter *self, uint64_t owner);
typedef int32_t ft_permits_fn(void *lock, struct ft_waiter *self, uint64_t n, uint64_t most);
typedef void ft_notify_fn(void *condition, struct ft_waiter *self, uint64_t n);
typedef void ft_into_fn(void *condition, struct ft_waiter *self, void *lock, uint64_t n);
typedef int32_t ft_open_fn(void *barrier, struct ft_waiter *self, uint64_t round);
typedef int64_t ft_waiting_fn(void *lock, uint32_t kind);
typedef void ft_interrupted_fn(void *lock);

/* name, type: the exports of pybind/bridge, one entry each. */
#define FT_EXPORTS(X)                          \
    X(ft_interval_contend, ft_contend_fn)      \
    X(ft_interval_withdraw, ft_withdraw_fn)    \
    X(ft_interval_release, ft_release_fn)      \
    X(ft_interval_cede, ft_contend_fn)         \
    X(ft_rw_contend_read, ft_contend_fn)       \
    X(ft_rw_contend_write, ft_contend_fn)      \
    X(ft_rw_withdraw_read, ft_withdraw_fn)     \
    X(ft_rw_withdraw_write, ft_withdraw_fn)    \
    X(ft_rw_release_read, ft_release_fn)       \
    X(ft_rw_release_write, ft_release_fn)      \
    X(ft_rw_downgrade, ft_release_fn)          \
    X(ft_lock_release, ft_lock_release_fn)     \
    X(ft_lock_yield, ft_lock_release_fn)       \
    X(ft_semaphore_contend, ft_contend_fn)     \
    X(ft_semaphore_withdraw, ft_withdraw_fn)   \
    X(ft_semaphore_release, ft_permits_fn)     \
    X(ft_event_await, ft_contend_fn)           \
    X(ft_event_withdraw, ft_withdraw_fn)       \
    X(ft_event_set, ft_release_fn)             \
    X(ft_condition_enlist, ft_release_fn)      \
    X(ft_condition_withdraw, ft_withdraw_fn)   \
    X(ft_condition_aside, ft_contend_fn)       \
    X(ft_condition_notify, ft_notify_fn)       \
    X(ft_condition_notify_into, ft_into_fn)    \
    X(ft_barrier_arrive, ft_contend_fn)        \
    X(ft_barrier_withdraw, ft_withdraw_fn)     \
    X(ft_barrier_open, ft_open_fn)             \
    X(ft_barrier_fail, ft_notify_fn)           \
    X(ft_barrier_break, ft_release_fn)         \
    X(ft_barrier_reset, ft_release_fn)         \
    X(ft_waiting, ft_waiting_fn)               \
    X(ft_interrupted, ft_interrupted_fn)

struct ft_engine {
#define FT_EXPORT_FIELD(name, type) type *name;
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
