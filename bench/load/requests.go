package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Netlink's message and attribute numbers for sockets (linux/sock_diag.h,
// linux/inet_diag.h).
const (
	sockDiagByFamily = 20
	inetDiagInfo     = 2
	inetDiagSize     = 72 // of struct inet_diag_msg
	anyState         = ^uint32(0)
)

// requests counts what a server has sent to some ports on its open TCP connections,
// in segments with data. A request to Kafka is written at once and is smaller than
// the segments of loopback, so that this is the number of requests, without asking
// the server or Kafka.
func (p processes) requests(ports map[uint16]bool) (int64, error) {
	sockets, err := p.sockets()
	if err != nil {
		return 0, err
	}
	var sum int64
	err = dumpTCP(func(message []byte) {
		port := binary.BigEndian.Uint16(message[6:])
		inode := binary.NativeEndian.Uint32(message[68:])
		if ports[port] && sockets[uint64(inode)] {
			sum += segmentsOut(message[inetDiagSize:])
		}
	})
	return sum, err
}

// sockets returns the inodes of a server's open sockets.
func (p processes) sockets() (map[uint64]bool, error) {
	all, err := p.tree()
	if err != nil {
		return nil, err
	}
	found := map[uint64]bool{}
	for _, pid := range all {
		dir := fmt.Sprintf("/proc/%d/fd", pid)
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, fmt.Errorf("list sockets: %w", err)
		}
		for _, entry := range entries {
			link, err := os.Readlink(dir + "/" + entry.Name())
			if err != nil {
				continue // The descriptor has been closed.
			}
			inner, ok := strings.CutPrefix(link, "socket:[")
			if inode, err := strconv.ParseUint(strings.TrimSuffix(inner, "]"), 10, 64); ok && err == nil {
				found[inode] = true
			}
		}
	}
	return found, nil
}

// dumpTCP calls each with every IPv4 TCP socket of the machine: a struct
// inet_diag_msg followed by its attributes.
func dumpTCP(each func(message []byte)) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_INET_DIAG)
	if err != nil {
		return fmt.Errorf("ask for sockets: %w", err)
	}
	defer func() { _ = unix.Close(fd) }()
	limit := unix.NsecToTimeval(int64(5 * time.Second))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit); err != nil {
		return fmt.Errorf("ask for sockets: %w", err)
	}
	request := make([]byte, unix.NLMSG_HDRLEN+56)
	binary.NativeEndian.PutUint32(request, uint32(len(request)))
	binary.NativeEndian.PutUint16(request[4:], sockDiagByFamily)
	binary.NativeEndian.PutUint16(request[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	request[unix.NLMSG_HDRLEN] = unix.AF_INET
	request[unix.NLMSG_HDRLEN+1] = unix.IPPROTO_TCP
	request[unix.NLMSG_HDRLEN+2] = 1 << (inetDiagInfo - 1)
	binary.NativeEndian.PutUint32(request[unix.NLMSG_HDRLEN+4:], anyState)
	if err := unix.Sendto(fd, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("ask for sockets: %w", err)
	}
	buf := make([]byte, 1<<16)
	for {
		n, err := unix.Read(fd, buf)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("ask for sockets: %w", err)
		}
		for b := buf[:n]; len(b) >= unix.NLMSG_HDRLEN; {
			size := int(binary.NativeEndian.Uint32(b))
			kind := binary.NativeEndian.Uint16(b[4:])
			if kind == unix.NLMSG_DONE {
				return nil
			}
			if kind == unix.NLMSG_ERROR || size < unix.NLMSG_HDRLEN || size > len(b) {
				return fmt.Errorf("ask for sockets: %w", errProcess)
			}
			if body := b[unix.NLMSG_HDRLEN:size]; kind == sockDiagByFamily && len(body) >= inetDiagSize {
				each(body)
			}
			b = b[min((size+3)&^3, len(b)):]
		}
	}
}

// segmentsOut returns the number of segments with data from a socket's attributes.
func segmentsOut(b []byte) int64 {
	at := int(unsafe.Offsetof(unix.TCPInfo{}.Data_segs_out))
	for len(b) >= unix.SizeofRtAttr {
		size := int(binary.NativeEndian.Uint16(b))
		if size < unix.SizeofRtAttr || size > len(b) {
			return 0
		}
		info := b[unix.SizeofRtAttr:size]
		if binary.NativeEndian.Uint16(b[2:]) == inetDiagInfo && len(info) >= at+4 {
			return int64(binary.NativeEndian.Uint32(info[at:]))
		}
		b = b[min((size+3)&^3, len(b)):]
	}
	return 0
}

// brokerPorts returns the ports of the brokers.
func brokerPorts(brokers []string) map[uint16]bool {
	ports := map[uint16]bool{}
	for _, broker := range brokers {
		if _, text, err := net.SplitHostPort(broker); err == nil {
			if port, err := strconv.ParseUint(text, 10, 16); err == nil {
				ports[uint16(port)] = true
			}
		}
	}
	return ports
}
