#define _GNU_SOURCE /* gettid, sched_getaffinity */
#include "platform/os.h"

#ifndef __linux__
#error "ft_utils runs on Linux; os.c is what a port to another system has to provide"
#endif

#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

bool
ft_os_is_main_thread(void)
{
    return syscall(SYS_gettid) == getpid();
}

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
ft_os_processors(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}
