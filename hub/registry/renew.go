package registry

import "slices"

// Prepare returns a function that has the registry asked in another way from then on, such as
// with another credential, or at another instance. All schemas are kept, so that it must be
// the same registry, and it is asked for all subjects at once.
func (r *Registry) Prepare(c Config) (use func(), err error) {
	next, err := newSettings(c, &r.requests)
	if err != nil {
		return nil, err
	}
	return func() { r.use(next) }, nil
}

func (r *Registry) use(next *settings) {
	was := r.settings.Swap(next)
	r.ids.limit(next.Bounds)
	r.renewed.Store(true)
	r.wake()
	was.client.http.CloseIdleConnections()
}

// Reaches reports whether the registry is asked at one of some URLs.
func (r *Registry) Reaches(urls []string) bool {
	own := r.settings.Load().URLs
	return slices.ContainsFunc(urls, func(url string) bool { return slices.Contains(own, url) })
}
