package config

import (
	"fmt"
	"net/netip"
	"reflect"
	"strconv"
	"time"
)

// syntax is how the values of a type are written.
type syntax struct {
	// expected describes them in errors.
	expected string
	parse    func(text string) (any, error)
	// unquoted converts what YAML takes for a number, and reports false for what is no
	// value of the type. It is nil if none is.
	unquoted func(value any) (any, bool)
}

// syntaxes has the types whose values are more than strings, numbers and booleans.
var syntaxes = map[reflect.Type]syntax{
	reflect.TypeFor[time.Duration](): {"a duration with a unit, such as 10s or 30d", quoting(ParseDuration), zero[time.Duration]},
	reflect.TypeFor[Replay]():        {"a duration with a unit, such as 24h, or unlimited", quoting(ParseReplay), zero[Replay]},
	reflect.TypeFor[Size]():          {"a size, such as 64KiB", quoting(ParseSize), plainSize},
	reflect.TypeFor[Rate]():          {"a rate, such as 100/s", quoting(ParseRate), zero[Rate]},
	reflect.TypeFor[ByteRate]():      {"a rate, such as 1MiB/s", quoting(ParseByteRate), zero[ByteRate]},
	reflect.TypeFor[TLSVersion]():    {"a version, such as 1.2", unchecked[TLSVersion], plainTLSVersion},
	reflect.TypeFor[SchemaVersion](): {"latest or the number of a version", unchecked[SchemaVersion], plainSchemaVersion},
	reflect.TypeFor[netip.Prefix]():  {"a network, such as 10.0.0.0/8", parseNetwork, nil},
	reflect.TypeFor[SecretURL]():     {"a URL", func(text string) (any, error) { return NewSecretURL(text), nil }, nil},
}

// convert converts one YAML value. Its error states what is expected.
func (s syntax) convert(value any) (any, error) {
	if text, ok := value.(string); ok {
		return s.parse(text)
	}
	if s.unquoted != nil {
		if converted, ok := s.unquoted(value); ok {
			return converted, nil
		}
	}
	return nil, fmt.Errorf("expected %s, got %s", s.expected, describe(value))
}

// quoting returns a parser whose errors begin with the text that caused them.
func quoting[T any](parse func(string) (T, error)) func(string) (any, error) {
	return func(text string) (any, error) {
		value, err := parse(text)
		if err != nil {
			return nil, fmt.Errorf("%.60q %w", text, err)
		}
		return value, nil
	}
}

// unchecked parses a text that is checked with the whole configuration.
func unchecked[T ~string](text string) (any, error) { return T(text), nil }

// zero converts 0, which needs no unit.
func zero[T ~int64](value any) (any, bool) { return T(0), value == 0 }

func plainSize(value any) (any, bool) {
	n, ok := value.(int)
	return Size(n), ok && n >= 0
}

func plainTLSVersion(value any) (any, bool) {
	n, ok := value.(float64)
	return TLSVersion(strconv.FormatFloat(n, 'f', -1, 64)), ok
}

func plainSchemaVersion(value any) (any, bool) {
	n, ok := value.(int)
	return SchemaVersion(strconv.Itoa(n)), ok
}

// parseNetwork parses a network, or an address as a network of one address.
func parseNetwork(text string) (any, error) {
	if address, err := netip.ParseAddr(text); err == nil && address.Zone() == "" {
		return netip.PrefixFrom(address, address.BitLen()), nil
	}
	network, err := netip.ParsePrefix(text)
	if err != nil {
		return nil, fmt.Errorf("%.60q is not a network, such as 10.0.0.0/8", text)
	}
	if network != network.Masked() {
		return nil, fmt.Errorf("%q has bits set after the prefix: write %s, or the address alone", text, network.Masked())
	}
	return network, nil
}
