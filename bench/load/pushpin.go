package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"text/template"
)

// pushpinConfig uses a zurl of its own, in place of the one that Debian runs as a
// service, and raises the limits of messages per second and of queued messages, both
// of which are below what is measured.
var pushpinConfig = template.Must(template.New("pushpin").Parse(`[global]
include={libdir}/internal.conf
rundir={{.Dir}}/run
ipc_prefix=peer-
port_offset=0

[runner]
services=condure,zurl,pushpin-proxy,pushpin-handler
http_port={{.Clients}}
logdir={{.Dir}}
log_level=1
client_buffer_size=8192
client_maxconn=18000

[proxy]
routesfile=routes
updates_check=off
zurl_out_specs=ipc://{rundir}/{ipc_prefix}zurl-in
zurl_out_stream_specs=ipc://{rundir}/{ipc_prefix}zurl-in-stream
zurl_in_specs=ipc://{rundir}/{ipc_prefix}zurl-out

[handler]
push_in_spec=tcp://{{.Publish}}
push_in_sub_specs=ipc://{{.Dir}}/run/sub
push_in_http_addr={{.Host}}
push_in_http_port={{.Port}}
push_in_http_max_headers_size=10000
push_in_http_max_body_size=1000000
stats_spec=ipc://{{.Dir}}/run/stats
command_spec=ipc://{{.Dir}}/run/command
message_rate=1000000
message_hwm=1000000
message_wait=5000
`))

func startPushpin(p *running) ([]string, error) {
	host, port, err := net.SplitHostPort(p.Spare)
	if err != nil {
		return nil, fmt.Errorf("configure pushpin: %w", err)
	}
	var text strings.Builder
	err = pushpinConfig.Execute(&text, map[string]string{"Dir": p.dir, "Clients": p.Clients, "Publish": p.Publish, "Host": host, "Port": port})
	if err == nil {
		err = os.MkdirAll(filepath.Join(p.dir, "run"), 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(p.dir, "routes"), []byte("* "+p.Backend+",over_http\n"), 0o644)
	}
	file := filepath.Join(p.dir, "pushpin.conf")
	if err == nil {
		err = os.WriteFile(file, []byte(text.String()), 0o644)
	}
	if err != nil {
		return nil, fmt.Errorf("configure pushpin: %w", err)
	}
	return []string{"pushpin", "--config=" + file}, nil
}
