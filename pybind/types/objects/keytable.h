/* The table of a KeyedLock: an entry for each key that is in use, with its lock.
 *
 * Users of an entry are: a call in the middle of it, whoever holds the lock, and a KeyedContext.
 * The last one takes the entry out of the table and frees it.
 *
 *   the table, serial, next    the critical section of the KeyedLock; with the GIL, the GIL
 *   users                      from 0 and to 0 in the critical section; else whoever is a user
 *   key, hash, serial          constant once the entry is in the table
 *
 * Keys are compared by code of theirs, which may do anything: use this KeyedLock, wait for a lock,
 * raise. So it runs outside the critical section, for one candidate at a time, of which the caller
 * is a user meanwhile. Entries are numbered in the order of their making: a search that has compared
 * all of a hash up to a number goes on with one of a greater number, and in the same critical section
 * that finds none it adds its own. */
#ifndef FT_KEYTABLE_H
#define FT_KEYTABLE_H

#include "objects/exclusives.h"

/* It begins as the object of a lock does, for reports, which tell the type by the word. It is none:
 * nobody counts references to it, and its type is kept by the KeyedLock. */
struct ft_keyed_entry {
    FT_OBJECT_HEAD
    struct ft_interval_lock lock;
    PyObject *key;
    Py_hash_t hash;
    uint64_t serial;
    _Atomic(Py_ssize_t) users;
    struct ft_keyed_entry *next;
};

FT_ASSERT_WORD(struct ft_keyed_entry, lock.word);

typedef struct {
    FT_OBJECT_HEAD
    /* What it was made as, a reference, and the type of all entries: a program may give it another
     * __class__ while there are some. NULL in the middle of __new__ only. */
    PyTypeObject *made_as;
    struct ft_keyed_entry **buckets; /* NULL while there has been no entry */
    size_t n_buckets;       /* a power of two */
    size_t n_entries;
    uint64_t serial; /* of the newest entry */
} KeyedLock;

/* The entry of a key, of which the caller becomes a user. NULL with an exception set, or without one
 * when there is none. */
struct ft_keyed_entry *ft_entry_find(KeyedLock *keyed, PyObject *key);

/* The same, but it is made if need be. */
struct ft_keyed_entry *ft_entry_find_or_make(KeyedLock *keyed, PyObject *key);

/* One user more, by a user. */
static inline void
ft_entry_use(struct ft_keyed_entry *e)
{
    atomic_fetch_add(&e->users, 1);
}

/* One user less. An exception that is on its way stays; the end of a key may run code of its own. */
void ft_entry_leave(KeyedLock *keyed, struct ft_keyed_entry *e);

/* Gives the KeyedLock and the locks of all its keys that name, as ft_names_keep does. False when there
 * is no memory: nothing has changed, and the name is still the caller's. */
bool ft_entries_name(KeyedLock *keyed, struct ft_known *made);

/* For the collector: all keys, and letting them go when nobody can reach the KeyedLock any more. */
int ft_entries_traverse(KeyedLock *keyed, visitproc visit, void *arg);
void ft_entries_clear(KeyedLock *keyed);

/* Frees the table with what is left in it: locks that are held, and will be for ever. */
void ft_entries_free(KeyedLock *keyed);

#endif
