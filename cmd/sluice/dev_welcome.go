package main

import (
	"fmt"
	"net"
	"net/netip"

	"sluice/cmd/sluice/embedded"
)

// welcome returns what dev prints once it listens.
func welcome(address, broker string, chosen devFlags, own []embedded.Topic) string {
	kept := "no data is kept"
	if chosen.dataDir != "" {
		kept = "data is kept in " + chosen.dataDir
	}
	open := "open to everybody on this machine"
	others := ""
	if chosen.insecureListen != "" {
		open = "open to everybody who can connect to " + address
		for _, url := range reachable(address) {
			others += fmt.Sprintf("  other machines %s\n", url)
		}
	}
	local := here(address)
	text := fmt.Sprintf(`Sluice is running, for development only: %[3]s, demo data, %[2]s.

  console        http://%[1]s/
  documentation  http://%[1]s/docs/
  examples       http://%[1]s/examples/
  read a stream  curl -N 'http://%[1]s/v1/streams/market.ticks/events?from=-1m'
  publish        curl -H 'Content-Type: application/json' -d '{"key":"me","data":{"text":"hello"}}' http://%[1]s/v1/streams/chat.lobby/records
`, local, kept, open)
	for _, topic := range own {
		text += fmt.Sprintf("  your stream    http://%s/v1/streams/%s/events\n", local, topic.Name)
	}
	return text + others + fmt.Sprintf("  kafka          %s\n\nPress Ctrl-C to stop.\n", broker)
}

// here returns an address at which this machine reaches a listener.
func here(address string) string {
	host, port, err := net.SplitHostPort(address)
	if ip, parseErr := netip.ParseAddr(host); err != nil || parseErr != nil || !ip.IsUnspecified() {
		return address
	}
	return net.JoinHostPort("127.0.0.1", port)
}

// reachable returns the URLs at which other machines may reach a listener.
func reachable(address string) (urls []string) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil
	}
	if ip, err := netip.ParseAddr(host); err != nil || !ip.IsUnspecified() {
		return []string{"http://" + address + "/"}
	}
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil // there is nothing to show
	}
	for _, one := range all {
		if network, ok := one.(*net.IPNet); ok && network.IP.IsGlobalUnicast() && network.IP.To4() != nil {
			urls = append(urls, "http://"+net.JoinHostPort(network.IP.String(), port)+"/")
		}
	}
	return urls
}
