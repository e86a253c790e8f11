#define _GNU_SOURCE /* MAP_ANONYMOUS, SA_ONSTACK, pthread_getattr_default_np */
#include "platform/guest.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Go reserves 1.7 GiB without touching it: its page summaries, a heap arena, an arena of malloc
 * for each of five threads, and their stacks. It was seen to fail with 1.2 GiB left, stacks of
 * 8 MiB included. */
#define ROOM ((size_t)2 << 30)

/* Of that it may write to so much, stacks not included; with 36 MiB it was seen to fail. */
#define WRITABLE ((size_t)64 << 20)

/* Go starts five. Its collector has a sixth (pybind/bridge/guest.go). */
#define THREADS 8

/* The kernel lets root, and those with one of the capabilities SYS_ADMIN and SYS_RESOURCE, have
 * more threads than RLIMIT_NPROC. */
#define NOT_LIMITED (1ULL << 21 | 1ULL << 24)

/* ---- room ---- */

static void *
wait_for_gate(void *gate)
{
    pthread_mutex_lock(gate);
    pthread_mutex_unlock(gate);
    return NULL;
}

/* How many threads the process itself leaves of what its user may have; THREADS or more where that
 * is not limited. Others of the user are not counted, so fewer may be possible. */
static long
threads_left(void)
{
    struct rlimit limit;
    long threads = 0;
    unsigned long long capabilities = 0;
    if (getrlimit(RLIMIT_NPROC, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY || getuid() == 0) {
        return THREADS;
    }
    FILE *status = fopen("/proc/self/status", "re");
    if (status == NULL) {
        return THREADS;
    }
    for (char line[256]; fgets(line, sizeof line, status) != NULL;) {
        sscanf(line, "Threads: %ld", &threads);
        sscanf(line, "CapEff: %llx", &capabilities);
    }
    fclose(status);
    if ((capabilities & NOT_LIMITED) != 0 || (rlim_t)threads + THREADS <= limit.rlim_cur) {
        return THREADS;
    }
    return (rlim_t)threads < limit.rlim_cur ? (long)limit.rlim_cur - threads : 0;
}

/* How many of `wanted` threads can live at a time. They are tried, as nothing tells what other
 * processes and cgroups leave; where too few are left, another thread that starts one at that
 * moment may find none. */
static int
threads_possible(int wanted)
{
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    pthread_t threads[THREADS];
    int n = 0;
    pthread_mutex_lock(&gate);
    while (n < wanted && pthread_create(&threads[n], NULL, wait_for_gate, &gate) == 0) {
        n++;
    }
    pthread_mutex_unlock(&gate);
    for (int i = 0; i < n; i++) {
        pthread_join(threads[i], NULL);
    }
    return n;
}

/* Of the threads that Go starts: they get the default. */
static size_t
size_of_stacks(void)
{
    pthread_attr_t attributes;
    size_t stack = 0;
    if (pthread_getattr_default_np(&attributes) == 0) {
        pthread_attr_getstacksize(&attributes, &stack);
        pthread_attr_destroy(&attributes);
    }
    return THREADS * stack;
}

static bool
may_map(size_t size, int access)
{
    void *room = mmap(NULL, size, access, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return room != MAP_FAILED && munmap(room, size) == 0;
}

static bool
has_memory(char *why, size_t size)
{
    size_t stacks = size_of_stacks();
    if (!may_map(ROOM + stacks, PROT_NONE)) {
        snprintf(why, size,
                 "the process has less than %zu MiB of address space left, of which %zu are for stacks of threads; "
                 "raise ulimit -v or lower ulimit -s",
                 (ROOM + stacks) >> 20, stacks >> 20);
        return false;
    }
    if (!may_map(WRITABLE + stacks, PROT_READ | PROT_WRITE)) {
        snprintf(why, size,
                 "the process may have less than %zu MiB of data more, of which %zu are for stacks of threads; "
                 "raise ulimit -d or lower ulimit -s",
                 (WRITABLE + stacks) >> 20, stacks >> 20);
        return false;
    }
    return true;
}

bool
ft_guest_room(char *why, size_t size)
{
    if (!has_memory(why, size)) {
        return false;
    }
    long n = threads_left();
    n = n < THREADS ? n : threads_possible(THREADS);
    if (n < THREADS) {
        snprintf(why, size,
                 "of %d threads that Go may need the process may start only %ld; raise ulimit -u or "
                 "the pids limit of its cgroup",
                 THREADS, n);
        return false;
    }
    return true;
}

/* ---- signals ---- */

static const int own_faults[] = {SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV};

void
ft_guest_quiet(sigset_t *before)
{
    sigset_t all;
    sigfillset(&all);
    for (size_t i = 0; i < sizeof own_faults / sizeof own_faults[0]; i++) {
        sigdelset(&all, own_faults[i]);
    }
    pthread_sigmask(SIG_SETMASK, &all, before);
}

void
ft_guest_restore(const sigset_t *before)
{
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

/* The kernel's own form: libc hides its two internal signals, which every thread gets when a
 * process changes its user. */
struct kernel_sigaction {
    void (*handler)(int);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
};

void
ft_guest_stacks(void)
{
    for (int sig = 1; sig <= 64; sig++) {
        struct kernel_sigaction action;
        bool known = syscall(SYS_rt_sigaction, sig, NULL, &action, sizeof action.mask) == 0;
        if (known && action.handler != SIG_DFL && action.handler != SIG_IGN && (action.flags & SA_ONSTACK) == 0) {
            action.flags |= SA_ONSTACK;
            syscall(SYS_rt_sigaction, sig, &action, NULL, sizeof action.mask);
        }
    }
}
