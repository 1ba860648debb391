// SPDX-License-Identifier: MIT

// An echo server: a goroutine for each connection.
package main

import (
	"fmt"
	"net"
	"os"
	"runtime"
)

func serveConnection(connection net.Conn, size uint64) {
	buffer := make([]byte, size)

	for {
		n, err := connection.Read(buffer)
		if err == nil {
			_, err = connection.Write(buffer[:n])
		}
		if err != nil {
			connection.Close()
			return
		}
	}
}

// echo serves until the process is killed.
func echo(processors int, size uint64) {
	runtime.GOMAXPROCS(processors)
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		os.Exit(1)
	}
	fmt.Println("port", listener.Addr().(*net.TCPAddr).Port)
	for {
		connection, err := listener.Accept()
		if err != nil {
			os.Exit(1)
		}
		go serveConnection(connection, size)
	}
}
