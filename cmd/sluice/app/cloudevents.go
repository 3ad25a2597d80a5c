package app

import (
	"sync/atomic"

	"sluice/cmd/sluice/config"
)

// contentModes tells in which content mode CloudEvents for a stream are stored, as the
// configuration in force says.
type contentModes struct {
	structured atomic.Pointer[map[string]bool]
}

func newContentModes(streams map[string]config.Stream) *contentModes {
	m := &contentModes{}
	m.replace(streams)
	return m
}

func (m *contentModes) replace(streams map[string]config.Stream) {
	structured := make(map[string]bool)
	for name, s := range streams {
		if s.CloudEvents == config.Structured {
			structured[name] = true
		}
	}
	m.structured.Store(&structured)
}

// of reports whether CloudEvents for a stream are stored in the structured mode.
func (m *contentModes) of(stream string) bool { return (*m.structured.Load())[stream] }
