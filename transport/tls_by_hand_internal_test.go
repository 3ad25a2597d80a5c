package transport

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"io"
	"strings"
	"testing"
)

// The types of records (RFC 8446, section 5.1).
const (
	alertRecord       = 21
	handshakeRecord   = 22
	applicationRecord = 23
)

// keyUpdate is a message that asks for an update in return (RFC 8446, section 4.6.3).
var keyUpdate = []byte{24, 0, 0, 1, 1}

// closeNotify is a warning that its sender sends no more (RFC 8446, section 6.1).
var closeNotify = []byte{1, 0}

// ByHand is a client's end of a TLS 1.3 connection after the handshake, whose records
// are made by hand: crypto/tls never updates its keys by itself.
type ByHand struct {
	t       *testing.T
	below   io.Writer
	out, in *traffic
}

// NewByHand returns the client's end of a connection that crypto/tls has opened and not
// used since. It takes the secrets from what crypto/tls has logged about keys.
func NewByHand(t *testing.T, client *tls.Conn, below io.Writer, keys string) *ByHand {
	t.Helper()
	if client.ConnectionState().CipherSuite != tls.TLS_AES_128_GCM_SHA256 {
		t.Skip("records are made by hand for AES-128-GCM only")
	}
	secretOf := func(label string) *traffic {
		for line := range strings.Lines(keys) {
			if fields := strings.Fields(line); fields[0] == label {
				secret, err := hex.DecodeString(fields[2])
				if err != nil {
					t.Fatal(err)
				}
				return newTraffic(t, secret)
			}
		}
		t.Fatalf("no %s", label)
		return nil
	}
	return &ByHand{t: t, below: below, out: secretOf("CLIENT_TRAFFIC_SECRET_0"), in: secretOf("SERVER_TRAFFIC_SECRET_0")}
}

// Send sends a record with application data.
func (h *ByHand) Send(content string) { h.send(applicationRecord, []byte(content)) }

// Update updates the keys, and asks for an update in return.
func (h *ByHand) Update() {
	h.send(handshakeRecord, keyUpdate)
	h.out.update()
}

func (h *ByHand) send(kind byte, content []byte) {
	inner := append(bytes.Clone(content), kind)
	head := binary.BigEndian.AppendUint16([]byte{applicationRecord, 3, 3}, uint16(len(inner)+h.out.aead.Overhead()))
	if _, err := h.below.Write(h.out.aead.Seal(bytes.Clone(head), h.out.nonce(), inner, head)); err != nil {
		h.t.Error(err)
	}
}

// Received is a record: application data, an update of the sender's keys, or an alert
// that ends the sender's side (close_notify).
type Received struct {
	Data            []byte
	Updated, Closed bool
}

// Receive reads a record.
func (h *ByHand) Receive(from io.Reader) Received {
	h.t.Helper()
	record := make([]byte, 5, 5+1<<14+256)
	if _, err := io.ReadFull(from, record); err != nil {
		h.t.Fatal(err)
	}
	record = record[:5+int(binary.BigEndian.Uint16(record[3:]))]
	if _, err := io.ReadFull(from, record[5:]); err != nil {
		h.t.Fatal(err)
	}
	kind, content, _ := h.open(record)
	switch {
	case kind == applicationRecord:
		return Received{Data: content}
	case kind == handshakeRecord && content[0] == keyUpdate[0]:
		h.in.update()
		return Received{Updated: true}
	case kind == alertRecord && bytes.Equal(content, closeNotify):
		return Received{Closed: true}
	}
	h.t.Fatalf("a record of type %d: %x", kind, content)
	return Received{}
}

// open returns the content of the first record.
func (h *ByHand) open(records []byte) (kind byte, content, rest []byte) {
	h.t.Helper()
	end := 5 + int(binary.BigEndian.Uint16(records[3:]))
	inner, err := h.in.aead.Open(nil, h.in.nonce(), records[5:end], records[:5])
	if err != nil {
		h.t.Fatalf("a record cannot be decrypted: %v", err)
	}
	inner = bytes.TrimRight(inner, "\x00")
	return inner[len(inner)-1], inner[:len(inner)-1], records[end:]
}

// traffic is one direction.
type traffic struct {
	t        *testing.T
	secret   []byte
	aead     cipher.AEAD
	iv       []byte
	sequence uint64
}

func newTraffic(t *testing.T, secret []byte) *traffic {
	t.Helper()
	d := &traffic{t: t, secret: secret}
	block, err := aes.NewCipher(d.expand("key", 16))
	if err != nil {
		t.Fatal(err)
	}
	if d.aead, err = cipher.NewGCM(block); err != nil {
		t.Fatal(err)
	}
	d.iv = d.expand("iv", 12)
	return d
}

// expand is HKDF-Expand-Label (RFC 8446, section 7.1).
func (d *traffic) expand(label string, length int) []byte {
	d.t.Helper()
	label = "tls13 " + label
	info := append([]byte{byte(length >> 8), byte(length), byte(len(label))}, label...)
	key, err := hkdf.Expand(sha256.New, d.secret, string(append(info, 0)), length)
	if err != nil {
		d.t.Fatal(err)
	}
	return key
}

func (d *traffic) nonce() []byte {
	nonce := bytes.Clone(d.iv)
	for i := range 8 {
		nonce[4+i] ^= byte(d.sequence >> (56 - 8*i))
	}
	d.sequence++
	return nonce
}

// update is what follows a message that updates keys.
func (d *traffic) update() { *d = *newTraffic(d.t, d.expand("traffic upd", 32)) }
