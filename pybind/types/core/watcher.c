/* The thread that writes dumps when a signal asks for one. */
#define _GNU_SOURCE
#include "core/dump.h"

#include "platform/guest.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SIGNALS 65

/* Under `setting`, but for asked and fd, which the handler and the watcher use. */
static struct {
    bool registered;
    struct sigaction before;
    _Atomic(int) fd;
    _Atomic(uint32_t) asked;
} signals[SIGNALS];

static pthread_mutex_t setting = PTHREAD_MUTEX_INITIALIZER;
static sem_t wanted;
static bool watches;

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

static void *
watch(void *Py_UNUSED(unused))
{
    for (;;) {
        if (sem_wait(&wanted) != 0) {
            continue;
        }
        for (int sig = 1; sig < SIGNALS; sig++) {
            if (atomic_exchange(&signals[sig].asked, 0) != 0) {
                write_dump(atomic_load(&signals[sig].fd));
            }
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

int
ft_dump_register(int sig, int fd)
{
    if (sig < 1 || sig >= SIGNALS) {
        return EINVAL;
    }
    pthread_mutex_lock(&setting);
    int error = start_watching();
    if (error == 0) {
        atomic_store(&signals[sig].fd, fd);
        if (!signals[sig].registered) {
            struct sigaction action;
            memset(&action, 0, sizeof action);
            action.sa_handler = on_signal;
            action.sa_flags = SA_ONSTACK | SA_RESTART;
            error = sigaction(sig, &action, &signals[sig].before) == 0 ? 0 : errno;
            signals[sig].registered = error == 0;
        }
    }
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
    }
    pthread_mutex_unlock(&setting);
    return registered;
}

void
ft_dump_after_fork(void)
{
    pthread_mutex_init(&setting, NULL);
    watches = false;
    for (int sig = 1; sig < SIGNALS; sig++) {
        if (signals[sig].registered) {
            start_watching(); /* the child has one thread, so nothing is locked */
            break;
        }
    }
}
