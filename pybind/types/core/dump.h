/* A dump of who waits for what: every lock that is waited for, who holds it, and those who
 * wait, in order, with their stacks.
 *
 * It needs neither the GIL nor a thread that runs: it reads the records of the threads under
 * the registry's lock. A thread that sleeps in a wait has published its frames before, and it
 * does not go on while they are read (enum ft_parked). Of a thread that runs nothing is known
 * but that it does. */
#ifndef FT_DUMP_H
#define FT_DUMP_H

#include "core/names.h"
#include "core/wait.h"

#define FT_DUMP_FRAMES 64

/* One thread that waits. */
struct ft_dumped {
    unsigned long ident;
    int native;
    const void *lock;
    const char *what;
    char name[FT_NAME_SHOWN]; /* of the lock */
    bool named;               /* whether it has one */
    int64_t waited; /* nanoseconds, good to some milliseconds */
    uint64_t ticket; /* the order of arrival at one lock */
    char *stack;    /* lines "  File …", malloc'ed; empty where it is not known */
};

/* One lock and a thread that holds it. */
struct ft_dumped_holder {
    const void *lock;
    unsigned long ident; /* 0: a thread that has ended */
    bool waits;          /* it waits itself, and is in the list of those */
    bool alone;          /* it does not share the lock */
};

struct ft_dump {
    struct ft_dumped *waiters; /* lock by lock, those who came first before the others */
    size_t n;
    struct ft_dumped_holder *holders;
    size_t n_holders;
};

/* With or without the stacks. False when there is no memory. */
bool ft_dump_take(struct ft_dump *dump, bool stacks);
void ft_dump_free(struct ft_dump *dump);

/* The dump as text, malloc'ed; NULL when there is no memory. */
char *ft_dump_text(const struct ft_dump *dump);

/* Has a dump written to the file of fd whenever the signal comes, by a thread of its own, so that it
 * comes even when no thread of Python can run. The file stays open, by a number of ours; but 0, 1
 * and 2 are what they are when the signal comes. 0, or an errno. It goes on until
 * ft_dump_unregister, which puts back the handler that was there; false when there was nothing to
 * put back. */
int ft_dump_register(int sig, int fd);
bool ft_dump_unregister(int sig);

/* In a forked child: the thread that writes is not there; the next signal has to make one. */
void ft_dump_after_fork(void);

#endif
