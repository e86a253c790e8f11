/* The value of a semaphore that its word cannot count: one that is not whole, infinite, or
 * greater than FT_SEMAPHORE_MOST.
 *
 * threading reckons with whatever number it was given and waits only at a value of 0, which
 * none of these comes to by steps of one (or only after centuries): such a semaphore never
 * makes anybody wait. Semaphore(math.inf) is how a program says "no limit". It is reckoned
 * here in the same way, by Python's arithmetic.
 *
 * The value is a tuple, (value, bound), with a bound of None for a plain Semaphore. It is
 * replaced as a whole under the object's critical section; whoever computes a new one does
 * that outside, since the arithmetic may be Python code. */
#ifndef FT_ODDCOUNT_H
#define FT_ODDCOUNT_H

#include "platform/common.h"

/* Makes the first value. NULL with an exception set when there is no memory. */
PyObject *ft_odd_new(PyObject *value, bool bounded);

/* Adds a step to the value: 1, or 0 when it would exceed its bound, or -1 with an exception
 * set. Nothing has changed then. */
int ft_odd_add(PyObject *op, PyObject **odd, long long step);

/* New references to the value and to its bound, None where there is none. NULL with an
 * exception set when the value is not an odd one any more: the semaphore was made anew. */
PyObject *ft_odd_value(PyObject *op, PyObject **odd);
PyObject *ft_odd_bound(PyObject *op, PyObject **odd);

#endif
