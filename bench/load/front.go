package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"sluice/bench/stack"
)

// frontConfig ends TLS and forwards to the server, one worker for each processor,
// without buffers for what clients are sent.
var frontConfig = template.Must(template.New("nginx").Parse(`
daemon off;
user root;
worker_processes auto;
worker_rlimit_nofile 20000;
pid {{.Dir}}/nginx.pid;
error_log {{.Dir}}/error.log warn;
events { worker_connections 19000; }
http {
	access_log off;
	tcp_nodelay on;
	client_body_temp_path {{.Dir}}/body;
	proxy_temp_path {{.Dir}}/proxy;
	fastcgi_temp_path {{.Dir}}/fastcgi;
	uwsgi_temp_path {{.Dir}}/uwsgi;
	scgi_temp_path {{.Dir}}/scgi;
	map $http_upgrade $connection_upgrade { default upgrade; '' close; }
	server {
		listen {{.Address}} ssl backlog=4096;
		ssl_certificate {{.Cert}};
		ssl_certificate_key {{.Key}};
		ssl_protocols TLSv1.3;
		location / {
			proxy_pass http://{{.Server}};
			proxy_http_version 1.1;
			proxy_set_header Upgrade $http_upgrade;
			proxy_set_header Connection $connection_upgrade;
			proxy_set_header Host $host;
			proxy_buffering off;
			proxy_read_timeout 1h;
			proxy_send_timeout 1h;
		}
	}
}
`))

// front is an nginx that ends TLS in front of the server.
type front struct {
	*stack.Server
	address string
}

func startFront(ctx context.Context, dir, server string) (*front, error) {
	if err := stack.Install(ctx, "nginx"); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(dir, "nginx-")
	if err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	certFile, keyFile, err := writeCertificate(dir)
	if err != nil {
		return nil, err
	}
	address, err := stack.FreeAddr()
	if err != nil {
		return nil, err
	}
	var text strings.Builder
	err = frontConfig.Execute(&text, map[string]string{
		"Dir": dir, "Address": address, "Cert": certFile, "Key": keyFile, "Server": server,
	})
	file := filepath.Join(dir, "nginx.conf")
	if err == nil {
		err = os.WriteFile(file, []byte(text.String()), 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("configure nginx: %w", err)
	}
	f := &front{address: address}
	f.Server = stack.NewServer(stack.Command{
		Name: "nginx", Dir: dir, Args: []string{"nginx", "-p", dir, "-e", filepath.Join(dir, "error.log"), "-c", file},
		Ready: func(ctx context.Context) error {
			conn, err := (&net.Dialer{}).DialContext(ctx, "tcp4", address)
			if err != nil {
				return err
			}
			return conn.Close()
		},
	})
	return f, f.Start(ctx)
}
