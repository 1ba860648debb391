// SPDX-License-Identifier: MIT

// The peer go: goroutines, sync.Mutex and channels, on one processor, as tasks
// of one loop are; on several in mail.go. bench/peer.c says what the lines mean; the tests are those
// of the other peers.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

const clockProcessCPU = 2 // CLOCK_PROCESS_CPUTIME_ID

func cpuNs() uint64 {
	var now syscall.Timespec

	syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockProcessCPU,
		uintptr(unsafe.Pointer(&now)), 0)
	return uint64(now.Nano())
}

// Bytes in use by this process, and by the kernel for its page tables.
func memory() uint64 {
	var sum, kib uint64

	status, _ := os.ReadFile("/proc/self/status")
	for _, line := range strings.Split(string(status), "\n") {
		for _, name := range []string{"VmRSS:", "VmPTE:"} {
			if strings.HasPrefix(line, name) {
				fmt.Sscanf(line[len(name):], "%d", &kib)
				sum += kib * 1024
			}
		}
	}
	return sum
}

// together runs fn in n goroutines and waits for all.
func together(n int, fn func()) {
	var all sync.WaitGroup

	all.Add(n)
	for i := 0; i < n; i++ {
		go func() {
			fn()
			all.Done()
		}()
	}
	all.Wait()
}

func yields(n int, ops uint64) uint64 {
	each := ops / uint64(n)

	together(n, func() {
		for i := uint64(0); i < each; i++ {
			runtime.Gosched()
		}
	})
	return each * uint64(n)
}

func lives(n int, ops uint64) uint64 {
	var all sync.WaitGroup
	var done uint64

	nothing := func() { all.Done() }
	for done = 0; done < ops; done += uint64(n) {
		all.Add(n)
		for i := 0; i < n; i++ {
			go nothing()
		}
		all.Wait()
	}
	return done
}

// idle says how many bytes n waiting goroutines take.
func idle(n int) uint64 {
	var started sync.WaitGroup
	never := make(chan int)
	before := memory()

	started.Add(n)
	for i := 0; i < n; i++ {
		go func() {
			started.Done()
			<-never
		}()
	}
	started.Wait()
	return memory() - before
}

func locks(n int, ops uint64) uint64 {
	var mutex sync.Mutex
	each := ops / uint64(n)

	if n == 1 {
		for i := uint64(0); i < ops; i++ {
			mutex.Lock()
			mutex.Unlock()
		}
		return ops
	}
	together(n, func() {
		for i := uint64(0); i < each; i++ {
			mutex.Lock()
			runtime.Gosched()
			mutex.Unlock()
		}
	})
	return each * uint64(n)
}

func pingPong(capacity int, ops uint64) uint64 {
	ping := make(chan uint64, capacity)
	pong := make(chan uint64, capacity)

	go func() {
		for value := range ping {
			pong <- value
		}
	}()
	for i := uint64(0); i < ops; i++ {
		ping <- i
		<-pong
	}
	close(ping)
	return ops
}

// stream has as many producers as consumers on one channel.
func stream(pairs int, capacity int, ops uint64) uint64 {
	var producers, consumers sync.WaitGroup
	channel := make(chan uint64, capacity)
	each := ops / uint64(pairs)

	producers.Add(pairs)
	consumers.Add(pairs)
	for i := 0; i < pairs; i++ {
		go func() {
			for value := uint64(0); value < each; value++ {
				channel <- value
			}
			producers.Done()
		}()
		go func() {
			for range channel {
			}
			consumers.Done()
		}()
	}
	producers.Wait()
	close(channel)
	consumers.Wait()
	return each * uint64(pairs)
}

func choices(capacity int, ops uint64) uint64 {
	left := make(chan uint64, capacity)
	right := make(chan uint64, capacity)
	each := ops / 2

	for _, to := range []chan uint64{left, right} {
		to := to
		go func() {
			for value := uint64(0); value < each; value++ {
				to <- value
			}
		}()
	}
	for i := uint64(0); i < 2*each; i++ {
		select {
		case <-left:
		case <-right:
		}
	}
	return 2 * each
}

func run(test string, n int, ops uint64) uint64 {
	switch test {
	case "yield":
		return yields(n, ops)
	case "spawn":
		return lives(n, ops)
	case "lock":
		return locks(n, ops)
	case "ping-pong":
		return pingPong(n, ops)
	case "stream":
		return stream(1, n, ops)
	case "many":
		return stream(8, n, ops)
	case "select":
		return choices(n, ops)
	}
	return 0
}

func answer(test string, n int, ops uint64) {
	if test == "idle" {
		fmt.Printf("bytes %d %d\n", n, idle(n))
		return
	}
	if test == "echo" {
		echo(n, ops)
	}
	began := time.Now()
	cpu := cpuNs()
	done := run(test, n, ops)
	own := uint64(0)
	if done == 0 {
		done, own = runMail(test, n, ops)
	}
	if done == 0 {
		done = runTree(test, n, ops)
	}
	cpu = cpuNs() - cpu
	if own != 0 {
		cpu = own
	}
	if done == 0 {
		fmt.Println("unknown")
	} else {
		fmt.Printf("ns %d %d %d\n", done, cpu,
			time.Since(began).Nanoseconds())
	}
}

func main() {
	var test string
	var n int
	var ops uint64

	runtime.GOMAXPROCS(1)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		_, err := fmt.Sscanf(lines.Text(), "%s %d %d", &test, &n, &ops)
		if err != nil {
			os.Exit(1)
		}
		answer(test, n, ops)
	}
}
