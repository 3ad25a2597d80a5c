package expr

import "sluice/hub/filter"

// Compile returns the filter of a client's text. The error is an *Error.
func (l *Language) Compile(text string) (filter.Filter, error) {
	if f, ok := l.compiled.get(text); ok {
		return f, nil
	}
	ast, err := l.parse(l.client, text)
	if err != nil {
		return filter.Filter{}, err
	}
	f, err := l.filterOf(ast, bound{})
	if err != nil {
		return filter.Filter{}, err
	}
	l.compiled.put(text, f)
	return f, nil
}
