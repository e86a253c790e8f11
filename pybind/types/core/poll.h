/* Waiting without Go: in a forked child, and where the Go library cannot be loaded.
 *
 * There is no queue: a thread looks, sleeps a little, looks again. Correct, bounded in
 * what it burns, and not fair. */
#ifndef FT_POLL_H
#define FT_POLL_H

#include "core/wait.h"

enum ft_outcome ft_poll(const struct ft_side *side, void *lock, struct ft_thread *self,
                        int64_t deadline, bool interruptible);

/* A short sleep between two looks, shorter when the deadline is near. */
void ft_poll_nap(struct ft_thread *self, int64_t deadline);

/* Lets others take a lock that was just released, if somebody waits for it: returns when
 * `word` has an owner, or after a little while. */
void ft_poll_make_room(const void *lock, const _Atomic(uint64_t) *word, uint32_t kind);

#endif
