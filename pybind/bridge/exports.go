// Package main holds the exports of the Go library, which the C lock types find by
// dlsym. Each is one operation of a lock's policy. None blocks, none calls
// back into C or Python, and all memory that they are given is C's: a lock lies in a
// Python object, a waiter in a thread's record. So no Go pointer ever reaches C.
//
// An operation that wakes others leaves them in self's Chain; C wakes them after the
// call, when no bucket is locked any more. Of its answers C gets the number, and of yes and
// no 1 and 0: from withdrawals whether the wait had ended before, from others whether they
// did what their name says.
package main

import "C"

import (
	"unsafe"

	"ft_utils/golib/locks"
	"ft_utils/golib/parking"
)

// ft_abi lets C check what it has loaded before it calls anything else.
//
//export ft_abi
func ft_abi() int32 { return abi }

func waiter(p unsafe.Pointer) *parking.Waiter               { return (*parking.Waiter)(p) }
func interval(p unsafe.Pointer) *locks.IntervalLock         { return (*locks.IntervalLock)(p) }
func readerWriter(p unsafe.Pointer) *locks.ReaderWriterLock { return (*locks.ReaderWriterLock)(p) }

// answer leaves the chain for C, and makes C's what an operation answers.
func answer[A ~int32](self unsafe.Pointer, a A, chain *parking.Waiter) int32 {
	waiter(self).Chain = chain
	return int32(a)
}

// truth is what C takes for an answer of yes or no.
func truth(yes bool) int32 {
	if yes {
		return 1
	}
	return 0
}

// charge leaves for C what the holder that is about to let go is charged with.
func charge(lock, self unsafe.Pointer) { waiter(self).Charge = parking.Default.Charge(uintptr(lock)) }

// ft_profile begins or ends (0) the profiling of contention.
//
//export ft_profile
func ft_profile(on uint32) { parking.Default.Profile(on != 0) }

// ft_waited is for how long self has been in the queue that it is in, or was in last.
//
//export ft_waited
func ft_waited(self unsafe.Pointer) int64 { return parking.Now() - waiter(self).Since }

//export ft_interval_contend
func ft_interval_contend(lock, self unsafe.Pointer) int32 {
	return answer(self, interval(lock).Contend(waiter(self)), nil)
}

//export ft_interval_withdraw
func ft_interval_withdraw(lock, self unsafe.Pointer, why int32) int32 {
	served, chain := interval(lock).Withdraw(waiter(self), locks.Reason(why))
	return answer(self, truth(served), chain)
}

//export ft_interval_release
func ft_interval_release(lock, self unsafe.Pointer) {
	charge(lock, self)
	waiter(self).Chain = interval(lock).Release()
}

//export ft_interval_cede
func ft_interval_cede(lock, self unsafe.Pointer) int32 {
	charge(lock, self)
	ceded, chain := interval(lock).CedeTo(waiter(self))
	return answer(self, truth(ceded), chain)
}

//export ft_rw_contend_read
func ft_rw_contend_read(lock, self unsafe.Pointer) int32 {
	v, chain := readerWriter(lock).ContendRead(waiter(self))
	return answer(self, v, chain)
}

//export ft_rw_contend_write
func ft_rw_contend_write(lock, self unsafe.Pointer) int32 {
	return answer(self, readerWriter(lock).ContendWrite(waiter(self)), nil)
}

//export ft_rw_withdraw
func ft_rw_withdraw(lock, self unsafe.Pointer, why int32) int32 {
	served, chain := readerWriter(lock).Withdraw(waiter(self), locks.Reason(why))
	return answer(self, truth(served), chain)
}

//export ft_rw_release_read
func ft_rw_release_read(lock, self unsafe.Pointer) {
	charge(lock, self)
	waiter(self).Chain = readerWriter(lock).ReleaseRead()
}

//export ft_rw_release_write
func ft_rw_release_write(lock, self unsafe.Pointer) {
	charge(lock, self)
	waiter(self).Chain = readerWriter(lock).ReleaseWrite()
}

//export ft_rw_downgrade
func ft_rw_downgrade(lock, self unsafe.Pointer) {
	charge(lock, self)
	waiter(self).Chain = readerWriter(lock).Downgrade()
}

// ft_waiting is the number of waiters of one kind for the lock whose word is at lock.
//
//export ft_waiting
func ft_waiting(lock unsafe.Pointer, kind uint32) int64 {
	return int64(parking.Default.Waiting(uintptr(lock), kind))
}

// ft_interrupted counts a wait for lock that an exception from a signal handler ended.
//
//export ft_interrupted
func ft_interrupted(lock unsafe.Pointer) { parking.Default.Interrupted(uintptr(lock)) }
