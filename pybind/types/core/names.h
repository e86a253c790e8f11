/* What is known of a lock beside its object: its name, the line that made it, and what has been
 * waited for it.
 *
 * Few locks have a name and few are contended, so an object has no room for that. A table finds
 * it by the address of the lock's word. An entry lives from the __init__ that gave a name, or
 * the first wait, to the dealloc of the object. So an address that is used again finds nothing
 * of the lock that was there before, and there are never more entries than locks.
 *
 * The table owns its bytes, in UTF-8, and holds no Python objects. So it can be read without
 * the GIL, while every thread is stuck, and from any interpreter; an interpreter that ends
 * leaves nothing behind that could not be read.
 *
 * The table's mutex is held for short. In between nothing calls Python, detaches or attaches,
 * so an attached thread may wait for it. It may be taken under the registry's lock; the
 * registry's lock is never taken under it.
 *
 * Who may call what:
 *   ft_name_make, ft_name_drop   attached: whoever makes or names a lock
 *   ft_names_keep                attached, by a thread that has a reference to the lock
 *   ft_names_get                 the same
 *   ft_names_of, ft_names_made   any thread, attached or not, also under the registry's lock;
 *                                not a signal handler. The word is only a key.
 *   ft_names_waited              attached, a thread that has waited and has a reference still
 *   ft_names_counted             any thread, as ft_names_of
 *   ft_names_end                 the dealloc of the object, once nobody can find it any more
 *   ft_names_…_fork              the three of pthread_atfork, inside the registry's lock */
#ifndef FT_NAMES_H
#define FT_NAMES_H

#include "platform/common.h"

/* A name on its way into the table. */
struct ft_known;

/* Whether constructors note the line that calls them: while a contention profile is made. It
 * may be set at any time and holds for locks that are made afterwards. Lines that were noted
 * stay until their locks are gone. */
extern _Atomic(bool) ft_names_sites;

/* Makes a name of what a program gave: NULL or None is no name, and *made is NULL then. -1
 * with TypeError or MemoryError set. */
int ft_name_make(PyObject *given, struct ft_known **made);

/* A copy of a name, or of the one that a lock has; *made is NULL for no name. False when there is no
 * memory; no exception is set. They call nothing of Python's, so the caller keeps a critical section. */
bool ft_name_copy(const struct ft_known *name, struct ft_known **made);
bool ft_names_copy(const void *word, struct ft_known **made);

/* Frees one that was not kept. */
void ft_name_drop(struct ft_known *made);

/* Gives the lock that name, or takes its name away when it is NULL. Cannot fail. */
void ft_names_keep(const void *word, struct ft_known *made);

/* The same by __init__, which also notes the line that called it, if that is wanted. */
void ft_names_begin(const void *word, struct ft_known *made);

/* The first half of that: adds the line, if that is wanted. */
struct ft_known *ft_name_with_line(struct ft_known *made);

/* The name as a new str, or None. NULL with MemoryError set. */
PyObject *ft_names_get(const void *word);

/* Most bytes of a name, and of a line, that reports show, with the 0 at the end. */
#define FT_NAME_SHOWN 128
#define FT_MADE_SHOWN 256

/* Copies the beginning of the name, or the end of where the lock was made ("file.py:12 in
 * function"), cut between two characters: UTF-8 in which a "?" stands for what cannot be
 * printed in a line. False, and the empty string, when it is not known. */
bool ft_names_of(const void *word, char shown[FT_NAME_SHOWN]);
bool ft_names_made(const void *word, char shown[FT_MADE_SHOWN]);

/* ---- counts ---- */

/* Counts a wait that is over: what was waited for ("ReaderWriterLock (write)", constant), and
 * how many ft_ticks(). The first for a lock needs memory; if there is none, it is not counted.
 * It is a part of every contended operation, and its only cost there: two readings of the
 * counter and a search of the table, less than 0.1 us. */
void ft_names_waited(const void *word, const char *what, uint64_t ticks);

/* What has been waited for one lock. */
struct ft_counted {
    const void *word;
    const char *what; /* of the last wait */
    char name[FT_NAME_SHOWN];
    bool named;
    uint64_t waits, ticks;
};

/* All locks that live and have been waited for, malloc'ed, and their number. NULL when there is
 * no memory. */
struct ft_counted *ft_names_counted(size_t *n);

/* ---- the end of a lock ---- */

/* Entries of the table. */
extern _Atomic(size_t) ft_names_known;

void ft_names_end_slow(const void *word);

/* Relaxed is enough: whoever has the last reference sees what was done with the others
 * before, so if there is an entry for this word, it sees a table that is not empty. */
static inline void
ft_names_end(const void *word)
{
    if (FT_UNLIKELY(atomic_load_explicit(&ft_names_known, memory_order_relaxed) != 0)) {
        ft_names_end_slow(word);
    }
}

/* ---- fork: the child has the names that the parent had, and counts anew ---- */

void ft_names_before_fork(void);
void ft_names_after_fork_in_parent(void);
void ft_names_after_fork_in_child(void);

#endif
