package registry

import (
	"errors"
	"slices"
)

// settings are how a registry is asked, in force at a time.
type settings struct {
	Config
	client *client
}

func newSettings(c Config, requests *requests) (*settings, error) {
	if len(c.URLs) == 0 || c.Timeout <= 0 || c.Refresh <= 0 || c.Wait < 0 || c.Logger == nil || c.Bounds.Schemas <= 0 || c.Bounds.Bytes <= 0 || c.Bounds.Awaited <= 0 {
		return nil, errors.New("a URL, a timeout, a time to refresh, bounds and a logger are required")
	}
	c.URLs = slices.Clone(c.URLs)
	made, err := newClient(&c, requests)
	if err != nil {
		return nil, err
	}
	return &settings{c, made}, nil
}
