/* The table of a recording: see core/record.h. */
#ifndef FT_TABLE_H
#define FT_TABLE_H

#include "core/names.h"
#include "core/record.h"
#include "platform/frames.h"

#include <pthread.h>

/* Frames beyond that are cut off, the outermost. */
#define FT_DEPTH 128
/* Powers of two of a wait's length in nanoseconds. */
#define FT_LENGTHS 63

/* What a map finds. */
struct ft_item {
    uint64_t hash;
    struct ft_item *before; /* what has been in its place, and is not found any more */
};

/* Open addressing; read without a lock, added to under the table's, never removed from. `n` counts
 * those that are not found any more too. */
struct ft_map {
    struct ft_item *_Atomic *slots;
    uint64_t mask;
    uint32_t n, most; /* under the table's lock */
};

struct ft_stack {
    struct ft_item item;
    uint32_t number, n;
    struct ft_frame frames[];
};

struct ft_code {
    struct ft_item item;
    PyObject *code; /* the reference */
};

/* One life of a lock's address. The map finds the last one of each: were all of them on the way to it,
 * a program that makes its locks anew would go a longer way with each. */
struct ft_known_lock {
    struct ft_item item;
    const void *word;
    _Atomic(bool) gone;
    uint32_t number;
    bool named;                /* the name is its own, and not that of the line that made it */
    char kind[64];
    char name[FT_MADE_SHOWN]; /* "": neither is known */
};

struct ft_known_thread {
    struct ft_item item;
    uint64_t owner; /* as in struct ft_thread, or what stands for the tasks of one */
    unsigned long ident;
    int native;
    uint32_t number;
    char name[64]; /* by that thread, under the `records` lock of itself or a task; "": not known yet */
};

struct ft_key {
    const struct ft_stack *stack; /* NULL: there was no room for it */
    const struct ft_known_lock *lock;
    const struct ft_known_thread *thread;
    enum ft_side side;
    bool holder;
};

/* How often something happened is the sum of its histogram. */
struct ft_entry {
    struct ft_item item;
    struct ft_key key;
    _Atomic(uint64_t) ns, longest;
    _Atomic(uint64_t) lengths[FT_LENGTHS];
};

struct ft_table {
    uint64_t session; /* another number for each table */
    uint64_t rate;
    int64_t minimum;
    PyInterpreterState *interpreter; /* the code objects are its own */
    pthread_mutex_t adding;
    struct ft_map entries, stacks, codes, locks, threads;
    uint64_t frames_left;
    struct ft_entry lost; /* the waits that have no entry */
};

/* NULL when there is no memory. */
struct ft_table *ft_table_new(uint32_t room);

/* Drops the references; the caller is attached to the interpreter that recorded. */
void ft_table_free(struct ft_table *table);

/* They find, or make while there is room; NULL when there is none. */
struct ft_stack *ft_table_stack(struct ft_table *table, const struct ft_frame *frames, int n);
struct ft_known_lock *ft_table_lock(struct ft_table *table, const void *word);
struct ft_known_thread *ft_table_thread(struct ft_table *table, const struct ft_thread *thread);
struct ft_entry *ft_table_entry(struct ft_table *table, const struct ft_key *key);

/* The lock that lives at an address now, if it is known. */
struct ft_known_lock *ft_table_find_lock(struct ft_table *table, const void *word);

void ft_entry_add(struct ft_entry *entry, int64_t ns);
uint64_t ft_entry_count(const struct ft_entry *entry);

/* What ft_record_stop returns. */
PyObject *ft_table_report(struct ft_table *table);

#endif
