/* Waiting without Go: in a forked child, and where the Go library cannot be loaded.
 *
 * There is no queue: a thread looks, sleeps a little, looks again. Correct, bounded in
 * what it burns, and not fair. */
#ifndef FT_FALLBACK_H
#define FT_FALLBACK_H

#include "core/wait.h"

/* As ft_wait; with interruptible false signals wait. */
enum ft_outcome ft_fallback_wait(const struct ft_wait_ops *ops, void *lock, struct ft_thread *self,
                                 int64_t deadline, bool interruptible);

/* A short sleep between two looks, shorter when the deadline is near. */
void ft_fallback_nap(struct ft_thread *self, int64_t deadline);

/* Lets others take a lock that was just released, if somebody waits for it: returns when
 * `word` has an owner, or after a little while. */
void ft_fallback_make_room(const void *lock, const _Atomic(uint64_t) *word, uint32_t kind);

#endif
