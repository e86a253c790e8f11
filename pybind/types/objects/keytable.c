#include "objects/keytable.h"

#include "core/names.h"
#include "core/record.h"

#include <stdlib.h>

/* A table of half the size keeps an eighth of its buckets free; from there on it shrinks. */
#define FEWEST_BUCKETS 8

/* ---- the table: in the critical section ---- */

static inline struct ft_keyed_entry **
bucket_of(KeyedLock *self, Py_hash_t hash)
{
    return &self->buckets[((size_t)hash * 0x9E3779B97F4A7C15ULL >> 32) & (self->n_buckets - 1)];
}

/* Where there is no memory for another size the old one does; false without any. */
static bool
resize(KeyedLock *self, size_t n)
{
    struct ft_keyed_entry **fresh = calloc(n, sizeof *fresh), **old = self->buckets;
    size_t n_old = self->n_buckets;
    if (fresh == NULL) {
        return old != NULL;
    }
    self->buckets = fresh;
    self->n_buckets = n;
    for (size_t i = 0; i < n_old; i++) {
        for (struct ft_keyed_entry *e = old[i], *next; e != NULL; e = next) {
            next = e->next;
            struct ft_keyed_entry **bucket = bucket_of(self, e->hash);
            e->next = *bucket;
            *bucket = e;
        }
    }
    free(old);
    return true;
}

static bool
add(KeyedLock *self, struct ft_keyed_entry *e)
{
    if (self->n_entries >= self->n_buckets
        && !resize(self, self->n_buckets == 0 ? FEWEST_BUCKETS : 2 * self->n_buckets)) {
        return false;
    }
    struct ft_keyed_entry **bucket = bucket_of(self, e->hash);
    e->serial = ++self->serial;
    e->next = *bucket;
    *bucket = e;
    self->n_entries++;
    return true;
}

static void
take_out(KeyedLock *self, struct ft_keyed_entry *e)
{
    struct ft_keyed_entry **link = bucket_of(self, e->hash);
    while (*link != e) {
        link = &(*link)->next;
    }
    *link = e->next;
    self->n_entries--;
    if (self->n_buckets > FEWEST_BUCKETS && self->n_entries < self->n_buckets / 8) {
        resize(self, self->n_buckets / 2);
    }
}

/* The oldest entry with this hash that is newer than `seen`, or NULL. */
static struct ft_keyed_entry *
newer(KeyedLock *self, Py_hash_t hash, uint64_t seen)
{
    struct ft_keyed_entry *found = NULL;
    for (struct ft_keyed_entry *e = self->buckets == NULL ? NULL : *bucket_of(self, hash); e != NULL; e = e->next) {
        if (e->hash == hash && e->serial > seen && (found == NULL || e->serial < found->serial)) {
            found = e;
        }
    }
    return found;
}

/* ---- names: in the critical section ---- */

/* Has the lock of an entry go by the name of its KeyedLock. False without memory for that. */
static bool
name_entry(KeyedLock *self, struct ft_keyed_entry *e)
{
    struct ft_known *made;
    if (!ft_names_copy(ft_word_address((PyObject *)self), &made)) {
        return false;
    }
    ft_names_keep(&e->lock, made);
    return true;
}

/* A copy of the name for each entry, malloc'ed; NULL when there is no memory. */
static struct ft_known **
copies_of(const struct ft_known *name, size_t n)
{
    struct ft_known **copies = malloc((n + 1) * sizeof *copies);
    for (size_t i = 0; copies != NULL && i < n; i++) {
        if (!ft_name_copy(name, &copies[i])) {
            while (i > 0) {
                ft_name_drop(copies[--i]);
            }
            free(copies);
            return NULL;
        }
    }
    return copies;
}

bool
ft_entries_name(KeyedLock *self, struct ft_known *made)
{
    struct ft_known **copies;
    Py_BEGIN_CRITICAL_SECTION(self);
    copies = copies_of(made, self->n_entries);
    if (copies != NULL) {
        size_t n = 0;
        for (size_t i = 0; i < self->n_buckets; i++) {
            for (struct ft_keyed_entry *e = self->buckets[i]; e != NULL; e = e->next) {
                ft_names_keep(&e->lock, copies[n++]);
            }
        }
        ft_names_keep(ft_word_address((PyObject *)self), made);
    }
    Py_END_CRITICAL_SECTION();
    free(copies);
    return copies != NULL;
}

/* ---- users ---- */

static void free_entry(struct ft_keyed_entry *e);

static struct ft_keyed_entry *
new_entry(KeyedLock *self, PyObject *key, Py_hash_t hash)
{
    struct ft_keyed_entry *e = calloc(1, sizeof *e);
    if (e == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    e->ob_base.ob_type = self->made_as;
    e->lock.interval = FT_DEFAULT_INTERVAL;
    e->key = Py_NewRef(key);
    e->hash = hash;
    e->users = 1;
    return e;
}

static void
free_entry(struct ft_keyed_entry *e)
{
    ft_inspect_await();
    ft_record_gone(&e->lock);
    ft_names_end(&e->lock);
    Py_DECREF(e->key); /* the end of a key may run code of its own */
    free(e);
}

void
ft_entry_leave(KeyedLock *self, struct ft_keyed_entry *e)
{
    Py_ssize_t users = atomic_load(&e->users);
    while (users > 1) {
        if (atomic_compare_exchange_weak(&e->users, &users, users - 1)) {
            return;
        }
    }
    bool last;
    Py_BEGIN_CRITICAL_SECTION(self);
    last = atomic_fetch_sub(&e->users, 1) == 1;
    if (last) {
        take_out(self, e);
    }
    Py_END_CRITICAL_SECTION();
    if (last) {
        PyObject *raised = PyErr_GetRaisedException();
        free_entry(e);
        PyErr_SetRaisedException(raised);
    }
}

/* The next candidate, with the caller as a user; `fresh`, if there is one, once there is none.
 * NULL: neither, or no memory. */
static struct ft_keyed_entry *
candidate(KeyedLock *self, Py_hash_t hash, uint64_t seen, struct ft_keyed_entry *fresh)
{
    struct ft_keyed_entry *e;
    Py_BEGIN_CRITICAL_SECTION(self);
    e = newer(self, hash, seen);
    if (e != NULL) {
        ft_entry_use(e);
    }
    else if (fresh != NULL && name_entry(self, fresh) && add(self, fresh)) {
        e = fresh;
    }
    Py_END_CRITICAL_SECTION();
    return e;
}

/* The entry of a key, made if need be and if `fresh` is given, with the caller as a user. NULL: there
 * is none, or an exception is set. */
static struct ft_keyed_entry *
search(KeyedLock *self, PyObject *key, Py_hash_t hash, struct ft_keyed_entry *fresh)
{
    uint64_t seen = 0;
    for (;;) {
        struct ft_keyed_entry *e = candidate(self, hash, seen, fresh);
        if (e == NULL && fresh != NULL) {
            PyErr_NoMemory();
        }
        if (e == NULL || e == fresh) {
            return e;
        }
        int same = PyObject_RichCompareBool(e->key, key, Py_EQ);
        if (same > 0) {
            return e;
        }
        seen = e->serial;
        ft_entry_leave(self, e);
        if (same < 0) {
            return NULL;
        }
    }
}

struct ft_keyed_entry *
ft_entry_find(KeyedLock *self, PyObject *key)
{
    Py_hash_t hash = PyObject_Hash(key);
    return hash == -1 ? NULL : search(self, key, hash, NULL);
}

struct ft_keyed_entry *
ft_entry_find_or_make(KeyedLock *self, PyObject *key)
{
    Py_hash_t hash = PyObject_Hash(key);
    struct ft_keyed_entry *fresh = hash == -1 ? NULL : new_entry(self, key, hash);
    if (fresh == NULL) {
        return NULL;
    }
    struct ft_keyed_entry *e = search(self, key, hash, fresh);
    if (e != fresh) {
        PyObject *raised = PyErr_GetRaisedException();
        free_entry(fresh);
        PyErr_SetRaisedException(raised);
    }
    return e;
}

/* ---- the collector, and the end ---- */

int
ft_entries_traverse(KeyedLock *self, visitproc visit, void *arg)
{
    for (size_t i = 0; i < self->n_buckets; i++) {
        for (struct ft_keyed_entry *e = self->buckets[i]; e != NULL; e = e->next) {
            Py_VISIT(e->key);
        }
    }
    return 0;
}

/* The entries stay, with None in the place of their keys. These go once the table is not looked at
 * any more, since that may run code. Without memory for their list the cycle stays. */
void
ft_entries_clear(KeyedLock *self)
{
    PyObject **keys = malloc((self->n_entries + 1) * sizeof *keys);
    size_t n = 0;
    for (size_t i = 0; keys != NULL && i < self->n_buckets; i++) {
        for (struct ft_keyed_entry *e = self->buckets[i]; e != NULL; e = e->next) {
            keys[n++] = e->key;
            e->key = Py_NewRef(Py_None);
        }
    }
    while (n > 0) {
        Py_DECREF(keys[--n]);
    }
    free(keys);
}

void
ft_entries_free(KeyedLock *self)
{
    for (size_t i = 0; i < self->n_buckets; i++) {
        for (struct ft_keyed_entry *e; (e = self->buckets[i]) != NULL;) {
            self->buckets[i] = e->next;
            free_entry(e);
        }
    }
    free(self->buckets);
}
