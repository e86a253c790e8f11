/* The thread that writes dumps when a signal asks for one. */
#define _GNU_SOURCE
#include "core/dump.h"

#include "platform/guest.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SIGNALS 65

/* Under `setting`, but for asked, which the handler sets. fd is -1 where there is none. Numbers up
 * to stderr's are used as they are, for whatever file the process has there; others are ours. One
 * that is no longer registered is closed by the watcher, which may have been asked before. */
static struct {
    bool registered;
    struct sigaction before;
    int fd;
    _Atomic(uint32_t) asked;
} signals[SIGNALS] = {[0 ... SIGNALS - 1] = {.fd = -1}};

static pthread_mutex_t setting = PTHREAD_MUTEX_INITIALIZER;
static sem_t wanted;
static bool watches;

/* Under `setting`: what the watcher writes to, without `setting`, since that may take for ever.
 * Whoever would close it meanwhile leaves that to the watcher. */
static int in_use = -1;
static bool close_in_use;

static void
close_ours(int fd)
{
    if (fd > STDERR_FILENO) {
        close(fd);
    }
}

/* Under `setting`. */
static void
give_up(int fd)
{
    if (fd == in_use && fd != -1) {
        close_in_use = true;
    }
    else {
        close_ours(fd);
    }
}

static void
write_all(int fd, const char *text)
{
    size_t left = strlen(text);
    while (left > 0) {
        ssize_t n = write(fd, text, left);
        if (n < 0 && errno != EINTR) {
            return; /* nobody to tell */
        }
        text += n > 0 ? n : 0;
        left -= n > 0 ? (size_t)n : 0;
    }
}

static void
write_dump(int fd)
{
    struct ft_dump dump;
    char *text = ft_dump_take(&dump, true) ? ft_dump_text(&dump) : NULL;
    write_all(fd, text == NULL ? "ft_utils: no memory for a dump\n" : text);
    free(text);
    ft_dump_free(&dump);
}

static int
borrow(int sig)
{
    pthread_mutex_lock(&setting);
    int fd = in_use = signals[sig].fd;
    pthread_mutex_unlock(&setting);
    return fd;
}

/* Closes last: a child that is forked meanwhile has a file too many rather than closes another. */
static void
give_back(int sig)
{
    pthread_mutex_lock(&setting);
    int fd = in_use;
    bool last = close_in_use;
    if (fd != -1 && fd == signals[sig].fd && !signals[sig].registered) {
        signals[sig].fd = -1;
        last = true;
    }
    in_use = -1;
    close_in_use = false;
    if (last) {
        close_ours(fd);
    }
    pthread_mutex_unlock(&setting);
}

static void *
watch(void *Py_UNUSED(unused))
{
    for (;;) {
        if (sem_wait(&wanted) != 0) {
            continue;
        }
        for (int sig = 1; sig < SIGNALS; sig++) {
            bool asked = atomic_exchange(&signals[sig].asked, 0) != 0;
            int fd = borrow(sig);
            if (asked && fd != -1) {
                write_dump(fd);
            }
            give_back(sig);
        }
    }
    return NULL;
}

/* Async-signal-safe: sem_post is. */
static void
on_signal(int sig)
{
    int saved = errno;
    atomic_store(&signals[sig].asked, 1);
    sem_post(&wanted);
    errno = saved;
}

/* Under `setting`. The watcher takes no signals, like Go's threads. */
static int
start_watching(void)
{
    if (watches) {
        return 0;
    }
    pthread_t thread;
    sigset_t before;
    sem_init(&wanted, 0, 0);
    ft_guest_quiet(&before);
    int error = pthread_create(&thread, NULL, watch, NULL);
    ft_guest_restore(&before);
    if (error == 0) {
        pthread_detach(thread);
        watches = true;
    }
    return error;
}

/* Under `setting`. */
static int
set_handler(int sig)
{
    if (signals[sig].registered) {
        return 0;
    }
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = SA_ONSTACK | SA_RESTART;
    int error = sigaction(sig, &action, &signals[sig].before) == 0 ? 0 : errno;
    signals[sig].registered = error == 0;
    return error;
}

int
ft_dump_register(int sig, int fd)
{
    if (sig < 1 || sig >= SIGNALS) {
        return EINVAL;
    }
    if (fd > STDERR_FILENO && (fd = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)) == -1) {
        return errno;
    }
    pthread_mutex_lock(&setting);
    int before = signals[sig].fd;
    int error = start_watching();
    if (error == 0) {
        signals[sig].fd = fd; /* the first signal may come at once */
        error = set_handler(sig);
    }
    if (error != 0) {
        signals[sig].fd = before;
    }
    give_up(error != 0 ? fd : before);
    pthread_mutex_unlock(&setting);
    return error;
}

bool
ft_dump_unregister(int sig)
{
    if (sig < 1 || sig >= SIGNALS) {
        return false;
    }
    pthread_mutex_lock(&setting);
    bool registered = signals[sig].registered;
    if (registered) {
        sigaction(sig, &signals[sig].before, NULL);
        signals[sig].registered = false;
        sem_post(&wanted); /* the watcher closes the file */
    }
    pthread_mutex_unlock(&setting);
    return registered;
}

void
ft_dump_after_fork(void)
{
    pthread_mutex_init(&setting, NULL);
    watches = false;
    if (close_in_use) {
        close_ours(in_use);
    }
    in_use = -1;
    close_in_use = false;
    for (int sig = 1; sig < SIGNALS; sig++) {
        if (!signals[sig].registered) {
            close_ours(signals[sig].fd);
            signals[sig].fd = -1;
        }
    }
    for (int sig = 1; sig < SIGNALS; sig++) {
        if (signals[sig].registered) {
            start_watching(); /* the child has one thread, so nothing is locked */
            break;
        }
    }
}
