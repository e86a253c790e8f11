package main

import "C"

import (
	"unsafe"

	"ft_utils/golib/locks"
)

// The exports of the threading family. Lock and RLock are an IntervalLock's word; only
// their release differs.

func semaphore(p unsafe.Pointer) *locks.Semaphore { return (*locks.Semaphore)(p) }
func resizable(p unsafe.Pointer) *locks.ResizableSemaphore {
	return (*locks.ResizableSemaphore)(p)
}
func event(p unsafe.Pointer) *locks.Event         { return (*locks.Event)(p) }
func condition(p unsafe.Pointer) *locks.Condition { return (*locks.Condition)(p) }
func barrier(p unsafe.Pointer) *locks.Barrier     { return (*locks.Barrier)(p) }

// ft_lock_release answers 0 when owner does not hold the lock any more.
//
//export ft_lock_release
func ft_lock_release(lock, self unsafe.Pointer, owner uint64) int32 {
	charge(lock, self)
	released, chain := interval(lock).ReleaseFrom(owner)
	return answer(self, truth(released), chain)
}

// ft_lock_yield is ft_lock_release for an owner that goes to sleep next.
//
//export ft_lock_yield
func ft_lock_yield(lock, self unsafe.Pointer, owner uint64) int32 {
	charge(lock, self)
	released, chain := interval(lock).YieldFrom(owner)
	return answer(self, truth(released), chain)
}

//export ft_semaphore_contend
func ft_semaphore_contend(lock, self unsafe.Pointer) int32 {
	return answer(self, semaphore(lock).Contend(waiter(self)), nil)
}

//export ft_semaphore_withdraw
func ft_semaphore_withdraw(lock, self unsafe.Pointer, why int32) int32 {
	return answer(self, truth(semaphore(lock).Withdraw(waiter(self), locks.Reason(why))), nil)
}

//export ft_semaphore_release
func ft_semaphore_release(lock, self unsafe.Pointer, n, most uint64) int32 {
	released, chain := semaphore(lock).Release(n, most)
	return answer(self, truth(released), chain)
}

//export ft_resizable_contend
func ft_resizable_contend(lock, self unsafe.Pointer) int32 {
	return answer(self, resizable(lock).Contend(waiter(self)), nil)
}

//export ft_resizable_withdraw
func ft_resizable_withdraw(lock, self unsafe.Pointer, why int32) int32 {
	over, chain := resizable(lock).Withdraw(waiter(self), locks.Reason(why))
	return answer(self, truth(over), chain)
}

//export ft_resizable_release
func ft_resizable_release(lock, self unsafe.Pointer, n uint64) int32 {
	released, chain := resizable(lock).Release(n)
	return answer(self, truth(released), chain)
}

//export ft_resizable_resize
func ft_resizable_resize(lock, self unsafe.Pointer, limit uint64) {
	waiter(self).Chain = resizable(lock).Resize(limit)
}

//export ft_event_await
func ft_event_await(lock, self unsafe.Pointer) int32 {
	return answer(self, event(lock).Await(waiter(self)), nil)
}

//export ft_event_withdraw
func ft_event_withdraw(lock, self unsafe.Pointer, why int32) int32 {
	return answer(self, truth(event(lock).Withdraw(waiter(self), locks.Reason(why))), nil)
}

//export ft_event_set
func ft_event_set(lock, self unsafe.Pointer) {
	waiter(self).Chain = event(lock).Set()
}

//export ft_condition_enlist
func ft_condition_enlist(lock, self unsafe.Pointer) {
	condition(lock).Enlist(waiter(self))
}

//export ft_condition_enlist_aside
func ft_condition_enlist_aside(lock, self unsafe.Pointer) {
	condition(lock).EnlistAside(waiter(self))
}

//export ft_condition_withdraw
func ft_condition_withdraw(lock, self unsafe.Pointer, why int32) int32 {
	return answer(self, truth(condition(lock).Withdraw(waiter(self), locks.Reason(why))), nil)
}

//export ft_condition_aside
func ft_condition_aside(lock, self unsafe.Pointer) int32 {
	return answer(self, truth(condition(lock).Aside(waiter(self))), nil)
}

//export ft_condition_notify
func ft_condition_notify(lock, self unsafe.Pointer, n uint64) {
	waiter(self).Chain = condition(lock).Notify(n)
}

//export ft_condition_notify_into
func ft_condition_notify_into(lock, self, into unsafe.Pointer, n uint64) {
	waiter(self).Chain = condition(lock).NotifyInto(interval(into), n)
}

//export ft_barrier_arrive
func ft_barrier_arrive(lock, self unsafe.Pointer) int32 {
	return answer(self, barrier(lock).Arrive(waiter(self)), nil)
}

//export ft_barrier_withdraw
func ft_barrier_withdraw(lock, self unsafe.Pointer, why int32) int32 {
	departure, chain := barrier(lock).Withdraw(waiter(self), locks.Reason(why))
	return answer(self, departure, chain)
}

//export ft_barrier_open
func ft_barrier_open(lock, self unsafe.Pointer, round uint64) int32 {
	opened, chain := barrier(lock).Open(round)
	return answer(self, truth(opened), chain)
}

//export ft_barrier_fail
func ft_barrier_fail(lock, self unsafe.Pointer, round uint64) {
	waiter(self).Chain = barrier(lock).Fail(round)
}

//export ft_barrier_break
func ft_barrier_break(lock, self unsafe.Pointer) {
	waiter(self).Chain = barrier(lock).Break()
}

//export ft_barrier_reset
func ft_barrier_reset(lock, self unsafe.Pointer) {
	waiter(self).Chain = barrier(lock).Reset()
}
