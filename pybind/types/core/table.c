#include "core/table.h"

#include <stdlib.h>
#include <string.h>

/* Stacks of real programs are some 30 deep, and fewer than the entries that they lead to. */
#define FRAMES_PER_ENTRY 32

/* ---- maps ---- */

static bool
map_init(struct ft_map *map, uint32_t most)
{
    uint64_t size = 8;
    while (size < 2 * (uint64_t)most) {
        size *= 2;
    }
    map->slots = calloc(size, sizeof *map->slots);
    map->mask = size - 1;
    map->most = most;
    return map->slots != NULL;
}

static void
map_free(struct ft_map *map)
{
    for (uint64_t i = 0; map->slots != NULL && i <= map->mask; i++) {
        for (struct ft_item *item = map->slots[i], *before; item != NULL; item = before) {
            before = item->before;
            free(item);
        }
    }
    free(map->slots);
}

typedef bool same_fn(const struct ft_item *item, const void *key);

/* In `place` is where it is, or would be added: that may be filled by another at any time, unless one has
 * the table's lock. */
static inline struct ft_item *
map_find_place(const struct ft_map *map, uint64_t hash, same_fn *same, const void *key, uint64_t *place)
{
    for (*place = hash & map->mask;; *place = (*place + 1) & map->mask) {
        struct ft_item *item = atomic_load_explicit(&map->slots[*place], memory_order_acquire);
        if (item == NULL || (item->hash == hash && same(item, key))) {
            return item;
        }
    }
}

static inline struct ft_item *
map_find(const struct ft_map *map, uint64_t hash, same_fn *same, const void *key)
{
    uint64_t place;
    return map_find_place(map, hash, same, key, &place);
}

/* Room for one more, zeroed and not yet to be found. Under the table's lock. */
static void *
map_room(const struct ft_map *map, uint64_t hash, size_t size)
{
    struct ft_item *item = map->n < map->most ? calloc(1, size) : NULL;
    if (item != NULL) {
        item->hash = hash;
    }
    return item;
}

/* What is at the place is not found any more. */
static void
map_put(struct ft_map *map, struct ft_item *item, uint64_t place)
{
    item->before = atomic_load_explicit(&map->slots[place], memory_order_relaxed);
    map->n++;
    atomic_store_explicit(&map->slots[place], item, memory_order_release);
}

static void
map_add(struct ft_map *map, struct ft_item *item)
{
    uint64_t i = item->hash & map->mask;
    while (atomic_load_explicit(&map->slots[i], memory_order_relaxed) != NULL) {
        i = (i + 1) & map->mask;
    }
    map_put(map, item, i);
}

/* A step of a hash: what is mixed in reaches all bits (after Fibonacci hashing and MurmurHash). */
static inline uint64_t
mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * 0x9E3779B97F4A7C15u;
    return hash ^ hash >> 29;
}

#define MIX_POINTER(hash, p) mix((hash), (uint64_t)(uintptr_t)(p))

/* ---- code objects and stacks ---- */

static bool
same_code(const struct ft_item *item, const void *key)
{
    return ((const struct ft_code *)item)->code == key;
}

/* Under the table's lock. */
static bool
keep_code(struct ft_table *table, PyObject *object)
{
    uint64_t hash = MIX_POINTER(0, object);
    if (map_find(&table->codes, hash, same_code, object) != NULL) {
        return true;
    }
    struct ft_code *code = map_room(&table->codes, hash, sizeof *code);
    if (code == NULL) {
        return false;
    }
    code->code = Py_NewRef(object);
    map_add(&table->codes, &code->item);
    return true;
}

struct frames {
    const struct ft_frame *frames;
    uint32_t n;
};

static bool
same_stack(const struct ft_item *item, const void *key)
{
    const struct ft_stack *stack = (const struct ft_stack *)item;
    const struct frames *wanted = key;
    return stack->n == wanted->n
           && memcmp(stack->frames, wanted->frames, wanted->n * sizeof *wanted->frames) == 0;
}

static struct ft_stack *
add_stack(struct ft_table *table, uint64_t hash, const struct frames *frames)
{
    if (frames->n > table->frames_left) {
        return NULL;
    }
    size_t size = frames->n * sizeof *frames->frames;
    struct ft_stack *stack = map_room(&table->stacks, hash, sizeof *stack + size);
    if (stack == NULL) {
        return NULL;
    }
    for (uint32_t i = 0; i < frames->n; i++) {
        if (!keep_code(table, frames->frames[i].code)) {
            free(stack);
            return NULL;
        }
    }
    table->frames_left -= frames->n;
    stack->number = table->stacks.n;
    stack->n = frames->n;
    memcpy(stack->frames, frames->frames, size);
    map_add(&table->stacks, &stack->item);
    return stack;
}

struct ft_stack *
ft_table_stack(struct ft_table *table, const struct ft_frame *frames, int n)
{
    struct frames wanted = {frames, (uint32_t)n};
    uint64_t hash = 0;
    for (int i = 0; i < n; i++) {
        hash = mix(MIX_POINTER(hash, frames[i].code), (uint64_t)frames[i].offset);
    }
    struct ft_item *found = map_find(&table->stacks, hash, same_stack, &wanted);
    if (found == NULL) {
        pthread_mutex_lock(&table->adding);
        found = map_find(&table->stacks, hash, same_stack, &wanted);
        if (found == NULL) {
            found = (struct ft_item *)add_stack(table, hash, &wanted);
        }
        pthread_mutex_unlock(&table->adding);
    }
    return (struct ft_stack *)found;
}

/* ---- locks and threads ---- */

static bool
same_word(const struct ft_item *item, const void *key)
{
    return ((const struct ft_known_lock *)item)->word == key;
}

struct ft_known_lock *
ft_table_find_lock(struct ft_table *table, const void *word)
{
    struct ft_item *last = map_find(&table->locks, MIX_POINTER(0, word), same_word, word);
    struct ft_known_lock *lock = (struct ft_known_lock *)last;
    return lock == NULL || atomic_load(&lock->gone) ? NULL : lock;
}

struct ft_known_lock *
ft_table_lock(struct ft_table *table, const void *word)
{
    struct ft_known_lock *lock = ft_table_find_lock(table, word);
    if (lock != NULL) {
        return lock;
    }
    const char *kind = ft_record_kind(word);
    char name[FT_MADE_SHOWN];
    _Static_assert(FT_NAME_SHOWN <= FT_MADE_SHOWN, "one of the two fits");
    bool named = ft_names_of(word, name) || (ft_names_made(word, name), false);
    pthread_mutex_lock(&table->adding);
    lock = ft_table_find_lock(table, word);
    if (lock == NULL && (lock = map_room(&table->locks, MIX_POINTER(0, word), sizeof *lock)) != NULL) {
        lock->word = word;
        lock->number = table->locks.n;
        lock->named = named;
        strncpy(lock->kind, kind, sizeof lock->kind - 1);
        memcpy(lock->name, name, sizeof lock->name);
        uint64_t place;
        map_find_place(&table->locks, lock->item.hash, same_word, word, &place);
        map_put(&table->locks, &lock->item, place);
    }
    pthread_mutex_unlock(&table->adding);
    return lock;
}

/* The tasks of a thread are one, as there may be very many, and each but for a moment. An ident is
 * soon that of another thread; the system's number is not. */
static uint64_t
owner_of(const struct ft_thread *thread)
{
    return thread->task == NULL ? thread->owner : ~(uint64_t)thread->native;
}

static bool
same_thread(const struct ft_item *item, const void *key)
{
    return ((const struct ft_known_thread *)item)->owner == owner_of(key);
}

struct ft_known_thread *
ft_table_thread(struct ft_table *table, const struct ft_thread *thread)
{
    uint64_t hash = mix(0, owner_of(thread));
    struct ft_item *found = map_find(&table->threads, hash, same_thread, thread);
    if (found == NULL) {
        pthread_mutex_lock(&table->adding); /* only this thread adds itself */
        struct ft_known_thread *known = map_room(&table->threads, hash, sizeof *known);
        if (known != NULL) {
            known->owner = owner_of(thread);
            known->ident = thread->ident;
            known->native = thread->native;
            known->number = table->threads.n;
            map_add(&table->threads, &known->item);
        }
        pthread_mutex_unlock(&table->adding);
        found = (struct ft_item *)known;
    }
    return (struct ft_known_thread *)found;
}

/* ---- entries ---- */

static bool
same_entry(const struct ft_item *item, const void *key)
{
    const struct ft_key *a = &((const struct ft_entry *)item)->key, *b = key;
    return a->stack == b->stack && a->lock == b->lock && a->thread == b->thread && a->side == b->side
           && a->holder == b->holder;
}

struct ft_entry *
ft_table_entry(struct ft_table *table, const struct ft_key *key)
{
    uint64_t hash = MIX_POINTER(MIX_POINTER(MIX_POINTER(0, key->stack), key->lock), key->thread);
    hash = mix(hash, (uint64_t)key->side << 1 | key->holder);
    struct ft_item *found = map_find(&table->entries, hash, same_entry, key);
    if (found == NULL) {
        pthread_mutex_lock(&table->adding);
        found = map_find(&table->entries, hash, same_entry, key);
        struct ft_entry *entry = found == NULL ? map_room(&table->entries, hash, sizeof *entry) : NULL;
        if (entry != NULL) {
            entry->key = *key;
            map_add(&table->entries, &entry->item);
            found = &entry->item;
        }
        pthread_mutex_unlock(&table->adding);
    }
    return (struct ft_entry *)found;
}

void
ft_entry_add(struct ft_entry *entry, int64_t ns)
{
    uint64_t length = ns > 0 ? (uint64_t)ns : 0;
    int power = length == 0 ? 0 : 63 - __builtin_clzll(length);
    atomic_fetch_add_explicit(&entry->ns, length, memory_order_relaxed);
    atomic_fetch_add_explicit(&entry->lengths[power], 1, memory_order_relaxed);
    uint64_t longest = atomic_load_explicit(&entry->longest, memory_order_relaxed);
    while (longest < length
           && !atomic_compare_exchange_weak_explicit(&entry->longest, &longest, length, memory_order_relaxed,
                                                     memory_order_relaxed)) {
    }
}

uint64_t
ft_entry_count(const struct ft_entry *entry)
{
    uint64_t n = 0;
    for (int i = 0; i < FT_LENGTHS; i++) {
        n += atomic_load_explicit(&entry->lengths[i], memory_order_relaxed);
    }
    return n;
}

/* ---- the table ---- */

struct ft_table *
ft_table_new(uint32_t room)
{
    struct ft_table *table = calloc(1, sizeof *table);
    if (table == NULL) {
        return NULL;
    }
    pthread_mutex_init(&table->adding, NULL);
    table->frames_left = (uint64_t)room * FRAMES_PER_ENTRY;
    if (!map_init(&table->entries, room) || !map_init(&table->stacks, room) || !map_init(&table->codes, room)
        || !map_init(&table->locks, room) || !map_init(&table->threads, room)) {
        ft_table_free(table);
        return NULL;
    }
    return table;
}

void
ft_table_free(struct ft_table *table)
{
    for (uint64_t i = 0; table->codes.slots != NULL && i <= table->codes.mask; i++) {
        struct ft_code *code = (struct ft_code *)table->codes.slots[i];
        if (code != NULL) {
            Py_CLEAR(code->code);
        }
    }
    map_free(&table->entries);
    map_free(&table->stacks);
    map_free(&table->codes);
    map_free(&table->locks);
    map_free(&table->threads);
    pthread_mutex_destroy(&table->adding);
    free(table);
}
