package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestExampleDevices: the example devices store a reading once although its answer was lost,
// are told of a reading that is rejected, and obey commands that were sent while they were off.
func TestExampleDevices(t *testing.T) {
	t.Parallel()
	program(t, "curl")
	address := startDev(t)
	for file, command := range map[string][]string{"device.sh": {"sh"}, "device.py": {program(t, "python3"), "-B"}} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			d := newDevice(t, address, file, command)
			d.storesOnce()
			d.isRejected()
			d.obeys()
		})
	}
}

// device is an example in a folder of its own, as people copy it.
type device struct {
	t       *testing.T
	server  string // the origin of dev
	dir     string
	file    string
	command []string
}

func newDevice(t *testing.T, address, file string, command []string) *device {
	t.Helper()
	d := &device{t: t, server: "http://" + address, dir: t.TempDir(), file: file, command: append(command, file)}
	for _, path := range []string{"/examples/" + file, "/sluice.py"} {
		if err := os.WriteFile(filepath.Join(d.dir, filepath.Base(path)), d.ask(path), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

// ask returns what a path of the server is answered with.
func (d *device) ask(path string) []byte {
	d.t.Helper()
	answer := get(d.t.Context(), d.t, d.server+path)
	defer func() { _ = answer.Body.Close() }()
	text := readAll(d.t, answer.Body)
	if answer.StatusCode != http.StatusOK {
		d.t.Fatalf("%s: %s", path, answer.Status)
	}
	return []byte(text)
}

// named returns the name of a device that no other test has.
func (d *device) named(name string) string { return name + "-" + d.file }

func (d *device) run(name, readings string, environ ...string) *running {
	d.t.Helper()
	name = d.named(name)
	command := append(d.command[1:len(d.command):len(d.command)], name, readings)
	return launch(d.t, d.dir, append([]string{"SLUICE=" + d.server, "EVERY=0.1", "HEARTBEAT=1s"}, environ...), d.command[0], command...)
}

// stored expects a number of records of a device.
func (d *device) stored(stream, name string, want int) {
	d.t.Helper()
	key := d.named(name)
	var page struct {
		Records []struct{ Data json.RawMessage }
	}
	for ends := time.Now().Add(soon); ; time.Sleep(20 * time.Millisecond) { // what is stored is read a moment later
		if err := json.Unmarshal(d.ask("/v1/streams/"+stream+"/records?from=earliest&limit=1000&key="+key), &page); err != nil {
			d.t.Fatal(err)
		}
		if len(page.Records) >= want || time.Now().After(ends) {
			break
		}
	}
	if len(page.Records) != want {
		d.t.Errorf("%s has %d records of %s, want %d: %s", stream, len(page.Records), key, want, page.Records)
	}
}

// storesOnce has the device send two readings, and loses the answer to the first of them.
func (d *device) storesOnce() {
	d.t.Helper()
	target, err := url.Parse(d.server)
	if err != nil {
		d.t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.FlushInterval = -1
	var lost atomic.Bool
	proxy.ModifyResponse = func(answer *http.Response) error {
		if answer.Request.Method == http.MethodPost && lost.CompareAndSwap(false, true) {
			return fmt.Errorf("the answer %s is lost", answer.Status)
		}
		return nil
	}
	proxy.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	lossy := httptest.NewServer(proxy)
	defer lossy.Close()
	defer lossy.CloseClientConnections() // such as that of a subscription
	r := d.run("once", "2", "SLUICE="+lossy.URL)
	defer r.stop()
	r.until(regexp.MustCompile(`^stored .*duplicate`))
	r.until(regexp.MustCompile(`^stored `))
	r.stop()
	d.stored("iot.telemetry", "once", 2)
}

// isRejected has the device send a reading that breaks the schema.
func (d *device) isRejected() {
	d.t.Helper()
	r := d.run("bad", "1", "BAD=1")
	r.until(regexp.MustCompile(`^rejected .*/temp_c must be a number`))
	r.stop()
	d.stored("iot.rejected", "bad", 1)
	d.stored("iot.telemetry", "bad", 0)
}

// obeys sends a command to the device while it is off.
func (d *device) obeys() {
	d.t.Helper()
	first := d.run("off", "0", "EVERY=100")
	defer first.stop()
	first.until(regexp.MustCompile(`^stored `))
	for told := false; !told; { // until it follows its commands, and so has a position
		d.send("hello")
		select {
		case line, ok := <-first.lines:
			if told = strings.HasPrefix(line, "command "); !ok {
				d.t.Fatal("the device has ended")
			}
		case <-time.After(200 * time.Millisecond):
		}
	}
	first.stop()
	d.send("measure")
	again := d.run("off", "0", "EVERY=100")
	defer again.stop()
	again.until(regexp.MustCompile(`^command .*measure`))
	for range 2 { // the reading of its own, and that of the command
		again.anywhere(regexp.MustCompile(`^stored `))
	}
	again.stop()
	d.stored("iot.telemetry", "off", 3)
}

// send sends a command to the device.
func (d *device) send(command string) {
	d.t.Helper()
	publishTo(d.t, strings.TrimPrefix(d.server, "http://"), "iot.commands", fmt.Sprintf(`{"key":%q,"data":{"command":%q}}`, d.named("off"), command))
}
