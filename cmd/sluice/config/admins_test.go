package config_test

import (
	"testing"

	"sluice/cmd/sluice/config"
)

func TestOnLoopback(t *testing.T) {
	t.Parallel()
	for _, address := range []string{":8080", "0.0.0.0:8080", "192.0.2.1:8080", "example.com:8080", "8080"} {
		if config.OnLoopback(address) {
			t.Errorf("%s was taken for loopback", address)
		}
	}
	for _, address := range []string{"127.0.0.1:8080", "127.0.0.2:0", "[::1]:8080", "localhost:8080"} {
		if !config.OnLoopback(address) {
			t.Errorf("%s was not taken for loopback", address)
		}
	}
}
