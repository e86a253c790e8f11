#define _GNU_SOURCE /* gettid, sched_getaffinity */
#include "platform/os.h"

#ifndef __linux__
#error "ft_utils runs on Linux; os.c is what a port to another system has to provide"
#endif

#include <errno.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int
ft_os_thread_id(void)
{
    return (int)syscall(SYS_gettid);
}

int64_t
ft_os_about_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t
ft_os_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail on Linux */
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int
ft_os_bell_new(void)
{
    return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

/* A failure means that it is rung as often as can be counted. */
void
ft_os_bell_ring(int fd)
{
    int before = errno;
    uint64_t one = 1;
    while (write(fd, &one, sizeof one) < 0 && errno == EINTR) {
    }
    errno = before;
}

void
ft_os_bell_silence(int fd)
{
    uint64_t count;
    while (read(fd, &count, sizeof count) < 0 && errno == EINTR) {
    }
}

void
ft_os_bell_close(int fd)
{
    close(fd);
}

int
ft_os_processors(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}
