// The rows of benches/greenlets.rs with goroutines: ROW OPERATIONS.
package main

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
)

func main() {
	operations, _ := strconv.Atoi(os.Args[2])
	switch os.Args[1] {
	case "yield":
		done := make(chan struct{})
		for range [2]int{} {
			go func() {
				for i := 0; i < operations/2; i++ {
					runtime.Gosched()
				}
				done <- struct{}{}
			}()
		}
		<-done
		<-done
	case "spawn":
		for i := 0; i < operations; i++ {
			done := make(chan struct{})
			go func() { close(done) }()
			<-done
		}
	case "idle":
		never, begun := make(chan struct{}), make(chan struct{})
		for i := 0; i < operations; i++ {
			go func() {
				begun <- struct{}{}
				<-never
			}()
		}
		for i := 0; i < operations; i++ {
			<-begun
		}
		fmt.Println("ready")
		<-never
	case "echo":
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			panic(err)
		}
		fmt.Println(listener.Addr())
		for {
			connection, err := listener.Accept()
			if err != nil {
				panic(err)
			}
			go echo(connection)
		}
	}
}

func echo(connection net.Conn) {
	defer connection.Close()
	buffer := make([]byte, 16*1024)
	for {
		read, err := connection.Read(buffer)
		if err != nil {
			return
		}
		if _, err := connection.Write(buffer[:read]); err != nil {
			return
		}
	}
}
