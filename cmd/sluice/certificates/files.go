package certificates

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
)

// maxFile bounds the size of a file with certificates or a key.
const maxFile = 4 << 20

// ErrNoCertificates is the error for a file of authorities without a certificate.
var ErrNoCertificates = errors.New("the file contains no certificate in PEM")

// Pair is the names of the files of a certificate chain and its key, both PEM.
type Pair struct{ CertFile, KeyFile string }

// Load reads a pair.
func (p Pair) Load() (tls.Certificate, error) {
	contents, err := read([]string{p.CertFile, p.KeyFile})
	if err != nil {
		return tls.Certificate{}, err
	}
	return parsePair(contents)
}

func parsePair(contents [][]byte) (tls.Certificate, error) {
	pair, err := tls.X509KeyPair(contents[0], contents[1])
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("load certificate: %w", err)
	}
	return pair, nil
}

// LoadAuthorities reads a file of certificate authorities in PEM.
func LoadAuthorities(file string) (*x509.CertPool, error) {
	contents, err := read([]string{file})
	if err != nil {
		return nil, err
	}
	return parseAuthorities(contents)
}

func parseAuthorities(contents [][]byte) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(contents[0]) {
		return nil, ErrNoCertificates
	}
	return pool, nil
}

// read reads files as a whole.
func read(files []string) (contents [][]byte, err error) {
	for _, file := range files {
		content, err := readOne(file)
		if err != nil {
			return nil, fmt.Errorf("read certificates: %w", err)
		}
		contents = append(contents, content)
	}
	return contents, nil
}

func readOne(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(content) > maxFile {
		err = fmt.Errorf("%s is larger than %d bytes", file, maxFile)
	}
	return content, err
}
