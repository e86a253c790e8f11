/* Manners of a guest: what the process has to have for Go, and what Go has to leave alone.
 *
 * The Go library is built to install no signal handler and to change no signal mask
 * (pybind/driver/runtime_signals.py). What remains is done here, around its loading. */
#ifndef FT_GUEST_H
#define FT_GUEST_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

/* Whether the process has room for Go: address space and threads. Go ends the process where
 * it has not, so this is found out before. False: `why` is a clause that says what is short
 * and what to raise. */
bool ft_guest_room(char *why, size_t size);

/* Around the loading: the threads that Go starts inherit the mask of the one that loads it,
 * and so do those that they start later. Blocks what another thread may be waiting for; the
 * signals of a thread's own faults stay open, for the host's faulthandler. */
void ft_guest_quiet(sigset_t *before);
void ft_guest_restore(const sigset_t *before);

/* Lets the handlers of the process run on the alternate stack of a thread, where it has one.
 * A signal may come while a thread runs Go code, on a stack of a few KB. */
void ft_guest_stacks(void);

#endif
