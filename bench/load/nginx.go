package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"
)

// nchanModule is the path of Debian's module.
const nchanModule = "/usr/lib/nginx/modules/ngx_nchan_module.so"

// nchanConfig keeps enough messages, and memory for them, that a subscriber that is
// behind by some seconds misses none.
var nchanConfig = template.Must(template.New("nginx").Parse(`
load_module {{.Module}};
daemon off;
user root;
worker_processes auto;
worker_rlimit_nofile 20000;
pid {{.Dir}}/nginx.pid;
error_log {{.Dir}}/error.log warn;
events { worker_connections 18000; }
http {
	access_log off;
	tcp_nodelay on;
	keepalive_requests 1000000000;
	keepalive_timeout 1h;
	client_body_temp_path {{.Dir}}/body;
	proxy_temp_path {{.Dir}}/proxy;
	fastcgi_temp_path {{.Dir}}/fastcgi;
	uwsgi_temp_path {{.Dir}}/uwsgi;
	scgi_temp_path {{.Dir}}/scgi;
	nchan_shared_memory_size 512M;
	server {
		listen {{.Publish}};
		location = /pub {
			client_body_buffer_size 64k;
			nchan_publisher http;
			nchan_channel_id {{.Channel}};
			nchan_message_buffer_length 20000;
			nchan_message_timeout 1m;
		}
	}
	server {
		listen {{.Clients}} backlog=4096;
		location = /sub {
			nchan_subscriber websocket eventsource;
			nchan_channel_id {{.Channel}};
			nchan_subscriber_first_message newest;
		}
	}
}
`))

func startNchan(p *running) ([]string, error) {
	file := filepath.Join(p.dir, "nginx.conf")
	var text strings.Builder
	err := nchanConfig.Execute(&text, map[string]string{
		"Module": nchanModule, "Dir": p.dir, "Publish": p.Publish, "Clients": p.Clients, "Channel": peerChannel,
	})
	if err == nil {
		err = os.WriteFile(file, []byte(text.String()), 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("configure nginx: %w", err)
	}
	return []string{"nginx", "-p", p.dir, "-e", filepath.Join(p.dir, "error.log"), "-c", file}, nil
}
