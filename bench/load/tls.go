package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// clientTLS is the configuration of all clients with TLS. Certificates are not
// verified, as that is no cost of a server's.
var clientTLS = &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}

// errNothing is the error of a read from a non-blocking socket without input. It is
// temporary, so that a TLS connection goes on after it.
type errNothing struct{}

func (errNothing) Error() string   { return "nothing to read" }
func (errNothing) Timeout() bool   { return true }
func (errNothing) Temporary() bool { return true }

// rawConn is a socket as a TLS connection needs it.
type rawConn struct{ fd int }

func (c rawConn) Read(p []byte) (int, error) {
	for {
		n, err := readNow(c.fd, p)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			return 0, errNothing{}
		case err != nil:
			return 0, err
		case n == 0:
			return 0, errHungUp
		default:
			return n, nil
		}
	}
}

func (c rawConn) Write(p []byte) (int, error) {
	if err := writeSocket(c.fd, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (c rawConn) Close() error { return unix.Close(c.fd) }

func (rawConn) LocalAddr() net.Addr              { return nil }
func (rawConn) RemoteAddr() net.Addr             { return nil }
func (rawConn) SetDeadline(time.Time) error      { return nil }
func (rawConn) SetReadDeadline(time.Time) error  { return nil }
func (rawConn) SetWriteDeadline(time.Time) error { return nil }

// blockingConn is a rawConn during the handshakes, when the socket blocks, and the
// scheduler has to know.
type blockingConn struct {
	rawConn
	established bool
}

func (c *blockingConn) Read(p []byte) (int, error) {
	for !c.established {
		n, err := unix.Read(c.fd, p)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return 0, err
		case n == 0:
			return 0, errHungUp
		default:
			return n, nil
		}
	}
	return c.rawConn.Read(p)
}

// writeCertificate writes a self-signed certificate and its key to a folder.
func writeCertificate(dir string) (certFile, keyFile string, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", fmt.Errorf("make certificate: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(240 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return "", "", fmt.Errorf("make certificate: %w", err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", "", fmt.Errorf("make certificate: %w", err)
	}
	certFile, keyFile = filepath.Join(dir, "server.crt"), filepath.Join(dir, "server.key")
	err = errors.Join(
		os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600),
		os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	return certFile, keyFile, err
}
