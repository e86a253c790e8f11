/* Barrier: what its files share. The word and the rounds: golib/locks/barrier.go.
 *
 *   barrier.c   the type
 *   rounds.c    arriving, waiting for the others, and how a round ends */
#ifndef FT_BARRIER_H
#define FT_BARRIER_H

#include "core/thread.h"
#include "objects/lockobj.h"

typedef struct {
    FT_OBJECT_HEAD
    struct ft_barrier barrier;
    /* Without Go, in a forked child: bit r % 64 is set when round r failed. */
    _Atomic(uint64_t) failed_rounds;
    PyObject *action; /* called by the last party of each round; NULL: none */
    /* The default of wait; NULL only when made by __new__ alone, else constant and so is all
     * above but the word. */
    _Atomic(PyObject *) timeout;
    PyObject *dict;
} Barrier;

#define ONE_ARRIVAL (1ULL << FT_OWNER_SHIFT)

/* Without Go, beside full: the round is being ended, no action runs. Whoever ends a round sets it, and
 * clears it with the same store that begins the next one. Go never sees it: a process that waits
 * without Go does so to its end. */
#define BEING_ENDED (1ULL << 2)
_Static_assert((BEING_ENDED & (FT_BARRIER_FULL | FT_BARRIER_BROKEN)) == 0, "a flag of its own");

static inline uint64_t
ft_barrier_load(Barrier *self)
{
    return atomic_load(&self->barrier.word);
}

/* wait() */
PyObject *ft_barrier_wait(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);

/* Ends the round for all that wait: breaks the barrier, or makes it as new. */
void ft_barrier_end_round(Barrier *self, struct ft_thread *thread, bool broken);

#endif
