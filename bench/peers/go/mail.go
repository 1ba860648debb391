// SPDX-License-Identifier: MIT

// Letters between threads, as bench/peers/mail.h has them: a goroutine with a
// channel is the box, locked to a thread or not.
package main

import (
	"runtime"
	"sync"
	"syscall"
	"unsafe"
)

const (
	room             = 1024 // of a box
	clockThreadCPU   = 3    // CLOCK_THREAD_CPUTIME_ID
	sysSetAffinity   = syscall.SYS_SCHED_SETAFFINITY
	sysGetAffinity   = syscall.SYS_SCHED_GETAFFINITY
	affinityMaskSize = 128
)

func threadCPU() uint64 {
	var now syscall.Timespec

	syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockThreadCPU,
		uintptr(unsafe.Pointer(&now)), 0)
	return uint64(now.Nano())
}

// bind puts the calling thread on the nth CPU that it may use.
func bind(nth int) {
	var all, one [affinityMaskSize]byte
	var cpus []int

	syscall.Syscall(sysGetAffinity, 0, affinityMaskSize,
		uintptr(unsafe.Pointer(&all)))
	for cpu := 0; cpu < affinityMaskSize*8; cpu++ {
		if all[cpu/8]&(1<<(cpu%8)) != 0 {
			cpus = append(cpus, cpu)
		}
	}
	cpu := cpus[nth%len(cpus)]
	one[cpu/8] = 1 << (cpu % 8)
	syscall.Syscall(sysSetAffinity, 0, affinityMaskSize,
		uintptr(unsafe.Pointer(&one)))
}

type letter struct {
	poster int
	number uint64
}

// open takes the letters of all posters, each in its order.
func open(box chan letter, posters int, each uint64) {
	opened := make([]uint64, posters)

	for left := uint64(posters) * each; left > 0; left-- {
		got := <-box
		if got.number != opened[got.poster] {
			panic("a letter was overtaken")
		}
		opened[got.poster]++
	}
}

// postBusy fills a box whose goroutine is busy; only the poster's time counts.
func postBusy(ops uint64) (uint64, uint64) {
	box := make(chan letter, ops)
	release := make(chan bool)
	done := make(chan bool)

	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	go func() {
		<-release
		open(box, 1, ops)
		done <- true
	}()
	began := threadCPU()
	for i := uint64(0); i < ops; i++ {
		box <- letter{0, i}
	}
	cpu := threadCPU() - began
	release <- true
	<-done
	return ops, cpu
}

// postAsleep posts one letter after the other, each to a thread that waits.
func postAsleep(ops uint64, bound bool) uint64 {
	box := make(chan letter, 1)
	opened := make(chan bool, 1)

	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if bound {
		bind(0)
	}
	go func() {
		runtime.LockOSThread()
		if bound {
			bind(1)
		}
		for next := uint64(0); next < ops; next++ {
			if (<-box).number != next {
				panic("a letter was overtaken")
			}
			opened <- true
		}
	}()
	for i := uint64(0); i < ops; i++ {
		box <- letter{0, i}
		<-opened
	}
	return ops
}

func postMany(posters int, ops uint64) uint64 {
	var all sync.WaitGroup
	box := make(chan letter, room)
	each := ops / uint64(posters)

	all.Add(posters)
	for i := 0; i < posters; i++ {
		i := i
		go func() {
			for j := uint64(0); j < each; j++ {
				box <- letter{i, j}
			}
			all.Done()
		}()
	}
	open(box, posters, each)
	all.Wait()
	return each * uint64(posters)
}

// token goes round n goroutines.
func token(n int, rounds uint64, locked bool, bound bool) uint64 {
	var all sync.WaitGroup
	boxes := make([]chan uint64, n)

	for i := range boxes {
		boxes[i] = make(chan uint64, 1)
	}
	all.Add(n)
	for i := range boxes {
		i := i
		go func() {
			if locked {
				runtime.LockOSThread()
			}
			if bound {
				bind(i)
			}
			for left := rounds; left > 0; left-- {
				got := <-boxes[i]
				if got%uint64(n) != uint64(i) {
					panic("the token was lost")
				}
				if i < n-1 || left > 1 {
					boxes[(i+1)%n] <- got + 1
				}
			}
			all.Done()
		}()
	}
	boxes[0] <- 0
	all.Wait()
	return rounds
}

// runMail says how many operations it did, and the CPU time if that is not all
// of the process's.
func runMail(test string, n int, ops uint64) (uint64, uint64) {
	processors := n + 1
	if test != "post-many" && test != "post-busy" {
		processors = 2
	}
	runtime.GOMAXPROCS(processors)
	switch test {
	case "post-busy":
		return postBusy(ops)
	case "post-asleep":
		return postAsleep(ops, false), 0
	case "post-asleep-bound":
		return postAsleep(ops, true), 0
	case "post-many":
		return postMany(n, ops), 0
	case "token":
		return token(n, ops, false, false), 0
	case "token-locked":
		return token(n, ops, true, false), 0
	case "token-bound-locked":
		return token(n, ops, true, true), 0
	}
	return 0, 0
}
