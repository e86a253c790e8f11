/* What depends on the operating system. Linux now; a port adds its branch here. */
#ifndef FT_OS_H
#define FT_OS_H

#include <stdbool.h>
#include <stdint.h>

/* The kernel's number of the calling thread. */
int ft_os_thread_id(void);

/* CLOCK_MONOTONIC in nanoseconds. */
int64_t ft_os_now(void);

/* The same clock, some milliseconds behind, for a quarter of the price. */
int64_t ft_os_about_now(void);

/* A file that is readable once it has been rung, for an event loop to watch: its descriptor, or -1
 * with errno set. Ringing and silencing never block. */
int ft_os_bell_new(void);
void ft_os_bell_ring(int fd);
void ft_os_bell_silence(int fd);
void ft_os_bell_close(int fd);

/* Processors that this process may run on. */
int ft_os_processors(void);

#endif
