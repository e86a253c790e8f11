#define _GNU_SOURCE /* MAP_ANONYMOUS, SA_ONSTACK */
#include "platform/guest.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Go reserves 1.7 GiB without touching it: its page summaries, a heap arena, the stacks of
 * five threads and an arena of malloc for each. It was seen to fail with 1.2 GiB left. */
#define ROOM ((size_t)2 << 30)

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

bool
ft_guest_room(char *why, size_t size)
{
    void *room = mmap(NULL, ROOM, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED) {
        snprintf(why, size, "the process has less than %zu MiB of address space left; raise ulimit -v", ROOM >> 20);
        return false;
    }
    munmap(room, ROOM);
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
