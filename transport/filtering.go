package transport

import (
	"errors"

	"sluice/hub/filter"
	"sluice/hub/filter/expr"
	"sluice/transport/wire"
)

// filterOf returns the filter that a client asks for, without its keys.
func (s *Server) filterOf(r wire.Reading) (filter.Filter, *wire.Error) {
	var made filter.Filter
	for _, h := range r.Headers {
		made = made.And(filter.In(filter.Header(h.Name), filter.String(h.Value)))
	}
	if r.KeyPrefix != "" {
		made = made.And(filter.Where(filter.KeyPrefix(r.KeyPrefix)))
	}
	if r.Filter == "" {
		return made, nil
	}
	if s.config.Filters == nil {
		return made, wire.Errorf(wire.BadRequest, "filters are not enabled on this server")
	}
	compiled, err := s.config.Filters.Compile(r.Filter)
	if err != nil {
		return made, filterFault(err)
	}
	return made.And(compiled), nil
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
