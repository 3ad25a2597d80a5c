package config

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// convert converts one YAML value to a field's type. Its error states what is
// expected. Relative file names are relative to dir.
func convert(value any, to reflect.Type, dir string) (any, error) {
	text, isText := value.(string)
	switch to {
	case reflect.TypeFor[time.Duration]():
		if isText {
			return quoted(text)(ParseDuration(text))
		}
		if value == 0 {
			return time.Duration(0), nil
		}
		return nil, fmt.Errorf("expected a duration with a unit, such as 10s or 30d, got %s", describe(value))
	case reflect.TypeFor[Replay]():
		if isText {
			return quoted(text)(ParseReplay(text))
		}
		if value == 0 {
			return Replay(0), nil
		}
		return nil, fmt.Errorf("expected a duration with a unit, such as 24h, or unlimited, got %s", describe(value))
	case reflect.TypeFor[Size]():
		if isText {
			return quoted(text)(ParseSize(text))
		}
		if n, ok := value.(int); ok && n >= 0 {
			return Size(n), nil
		}
		return nil, fmt.Errorf("expected a size, such as 64KiB, got %s", describe(value))
	case reflect.TypeFor[Rate]():
		if isText {
			return quoted(text)(ParseRate(text))
		}
		if value == 0 {
			return Rate(0), nil
		}
		return nil, fmt.Errorf("expected a rate, such as 100/s, got %s", describe(value))
	case reflect.TypeFor[ByteRate]():
		if isText {
			return quoted(text)(ParseByteRate(text))
		}
		if value == 0 {
			return ByteRate(0), nil
		}
		return nil, fmt.Errorf("expected a rate, such as 1MiB/s, got %s", describe(value))
	case reflect.TypeFor[TLSVersion]():
		// Without quotes it is a number.
		if n, ok := value.(float64); ok {
			text, isText = strconv.FormatFloat(n, 'f', -1, 64), true
		}
		if isText {
			return TLSVersion(text), nil
		}
		return nil, fmt.Errorf("expected a version, such as 1.2, got %s", describe(value))
	case reflect.TypeFor[SchemaVersion]():
		if n, ok := value.(int); ok {
			text, isText = strconv.Itoa(n), true
		}
		if isText {
			return SchemaVersion(text), nil
		}
		return nil, fmt.Errorf("expected latest or the number of a version, got %s", describe(value))
	case reflect.TypeFor[netip.Prefix]():
		if isText {
			return parseNetwork(text)
		}
		return nil, fmt.Errorf("expected a network, such as 10.0.0.0/8, got %s", describe(value))
	case reflect.TypeFor[SecretURL]():
		if isText {
			return NewSecretURL(text), nil
		}
		return nil, fmt.Errorf("expected a URL, got %s", describe(value))
	case reflect.TypeFor[Path]():
		if !isText {
			return nil, fmt.Errorf("expected the name of a file, got %s", describe(value))
		}
		if text != "" && !filepath.IsAbs(text) {
			text = filepath.Join(dir, text)
		}
		return Path(text), nil
	}
	switch to.Kind() {
	case reflect.Bool:
		if _, ok := value.(bool); !ok {
			return nil, fmt.Errorf("expected true or false, got %s", describe(value))
		}
	case reflect.Int:
		if _, ok := value.(int); !ok {
			return nil, fmt.Errorf("expected a whole number, got %s", describe(value))
		}
	default:
		if !isText {
			return nil, fmt.Errorf("expected a string, got %s: quote the value if it is a string", describe(value))
		}
	}
	return value, nil
}

// quoted prefixes an error with the text that caused it.
func quoted(text string) func(any, error) (any, error) {
	return func(value any, err error) (any, error) {
		if err != nil {
			return nil, fmt.Errorf("%.60q %w", text, err)
		}
		return value, nil
	}
}

// parseNetwork parses a network, or an address as a network of one address.
func parseNetwork(text string) (netip.Prefix, error) {
	if address, err := netip.ParseAddr(text); err == nil && address.Zone() == "" {
		return netip.PrefixFrom(address, address.BitLen()), nil
	}
	network, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%.60q is not a network, such as 10.0.0.0/8", text)
	}
	if network != network.Masked() {
		return netip.Prefix{}, fmt.Errorf("%q has bits set after the prefix: write %s, or the address alone", text, network.Masked())
	}
	return network, nil
}

// pathOf converts a namespace of the validator, such as streams[market.ticks].topic,
// to a path.
func pathOf(name string) string {
	var path string
	for name != "" {
		var part string
		switch end := strings.IndexAny(name, ".["); {
		case name[0] == '.':
			name = name[1:]
			continue
		case name[0] == '[':
			end := strings.Index(name, "].")
			if end < 0 {
				end = strings.LastIndexByte(name, ']')
			}
			if end < 0 {
				return join(path, name)
			}
			part, name = name[1:end], name[end+1:]
		case end < 0:
			part, name = name, ""
		default:
			part, name = name[:end], name[end:]
		}
		if part != squashed {
			path = join(path, part)
		}
	}
	return path
}

// squashed is how fields in an embedded struct refer to that struct.
const squashed = "(embedded)"
