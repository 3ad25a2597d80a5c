package transport

import (
	"context"
	"errors"

	"sluice/auth"
	"sluice/hub/filter"
	"sluice/hub/filter/expr"
	"sluice/transport/wire"
)

// filterOf returns the filter that a client asks for, without its keys. It is in use until
// release, and counts for what the filters of the client may take.
func (s *Server) filterOf(ctx context.Context, p *auth.Principal, r wire.Reading) (made filter.Filter, release func(), fault *wire.Error) {
	for _, h := range r.Headers {
		made = made.And(filter.In(filter.Header(h.Name), filter.String(h.Value)))
	}
	if r.KeyPrefix != "" {
		made = made.And(filter.Where(filter.KeyPrefix(r.KeyPrefix)))
	}
	if r.Filter == "" {
		return made, func() {}, nil
	}
	if s.config.Filters == nil {
		return made, nil, errNoFilters()
	}
	compiled, release, err := s.config.Filters.Use(ctx, r.Filter, p.Key())
	if err != nil {
		return made, nil, filterFault(err)
	}
	return made.And(compiled), release, nil
}

// checkFilter returns what is wrong with the filter that a client asks for, if anything is.
func (s *Server) checkFilter(r wire.Reading) *wire.Error {
	if r.Filter == "" {
		return nil
	}
	if s.config.Filters == nil {
		return errNoFilters()
	}
	if _, err := s.config.Filters.Compile(r.Filter); err != nil {
		return filterFault(err)
	}
	return nil
}

func errNoFilters() *wire.Error {
	return wire.Errorf(wire.BadRequest, "filters are not enabled on this server")
}

// filterFault reports where in the text of a filter the faults are.
func filterFault(err error) *wire.Error {
	var faults *expr.Error
	if !errors.As(err, &faults) {
		return faultOf(err)
	}
	fault := wire.Errorf(wire.BadFilter, "the filter: %s", faults.Places[0])
	for _, place := range faults.Places {
		fault.Errors = append(fault.Errors, wire.Violation{Pointer: "/filter", Message: place.String()})
	}
	return fault
}
