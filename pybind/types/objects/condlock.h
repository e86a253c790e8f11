/* The lock of a Condition, whatever it is: one of ours, used by its word, or any other, used
 * by its methods as threading.Condition uses them. */
#ifndef FT_CONDLOCK_H
#define FT_CONDLOCK_H

#include "objects/family.h"
#include "objects/lockobj.h"

/* What the lock is. Subclasses may override methods, so they are Foreign. */
enum kind { FOREIGN, LOCK, RLOCK, INTERVAL };

typedef struct {
    PyObject_HEAD
    PyObject *weakrefs;
    struct ft_condition condition;
    _Atomic(uint64_t) notified; /* notifications; polled for in a forked child */
    PyObject *lock;             /* NULL only when made by __new__ alone; else constant */
    enum kind kind;
    PyObject *dict;
    /* The word of the Event that this is the _cond of, for counting who was queued there
     * before: a key, never looked into. NULL for others, and when the Event is gone. */
    void *_Atomic event;
} Condition;

/* What a wait has to put back: an RLock's depth, or what a foreign _release_save gave. */
struct saved {
    unsigned long depth;
    PyObject *state;
};

/* The word of a lock of ours: it stands at the same place in all of them. */
static inline struct ft_interval_lock *
word_of(Condition *self)
{
    return (struct ft_interval_lock *)((char *)self->lock + FT_WORD_OFFSET);
}

/* How a thread waits for the lock of ours. */
static inline const struct ft_wait_ops *
ops_of(Condition *self)
{
    return self->kind == RLOCK  ? &ft_rlock_ops
           : self->kind == LOCK ? &ft_anybodys_ops
                                : ft_exclusive_ops_of(word_of(self));
}

/* Calls a method of the lock that may be missing. 1 with the result, 0 without the method,
 * -1 with an exception set. */
int ft_condlock_call_optional(Condition *self, const char *name, PyObject *arg, PyObject **result);

/* Calls a method of the lock and drops the result. */
int ft_condlock_call(Condition *self, const char *name);

/* Whether this thread holds the lock, as far as the lock tells; -1 with an exception set. */
int ft_condlock_is_owned(Condition *self, struct ft_thread *thread);

/* -1 with RuntimeError, or another exception of the lock's methods, set. */
int ft_condlock_check_owned(Condition *self, struct ft_thread *thread, const char *doing);

/* Releases the lock entirely. chain: whom to wake once detached. */
int ft_condlock_release(Condition *self, struct ft_thread *thread, struct saved *saved,
                        struct ft_waiter **chain);

/* Takes the lock again; signals wait until it is had, since the caller's block counts on
 * it. An exception that is on its way stays. */
int ft_condlock_retake(Condition *self, struct ft_thread *thread, struct saved *saved);

#endif
