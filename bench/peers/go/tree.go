// SPDX-License-Identifier: MIT

// A tree of goroutines, as bench/tree.c has it.
package main

import "runtime"

func leaf(work int) uint64 {
	x := uint64(88172645463325252)

	for i := 0; i < work; i++ {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x>>32 | 1
}

func grow(leaves uint64, work int) uint64 {
	var other uint64

	if leaves == 1 {
		return leaf(work)
	}
	done := make(chan bool)
	go func() {
		other = grow(leaves/2, work)
		close(done)
	}()
	one := grow(leaves/2, work)
	<-done
	return one + other
}

func runTree(test string, processors int, leaves uint64) uint64 {
	work := 0

	switch test {
	case "tree-work":
		work = 1000
	case "tree-work-alone":
		work = 1000
		processors = 1
	case "tree-alone":
		processors = 1
	case "tree":
	default:
		return 0
	}
	runtime.GOMAXPROCS(processors)
	if grow(leaves, work) != leaves*leaf(work) {
		panic("a leaf is missing")
	}
	return leaves
}
