package audit

import (
	"context"
	"errors"
	"log/slog"
)

// errNotLogged: the log does not take records of this level.
var errNotLogged = errors.New("the log leaves out records of level info")

// written is the log as a place: one record per event, with the time of the event.
type written struct{ handler slog.Handler }

func (w written) keep(ctx context.Context, events []*entry) (again []*entry, refused int, err error) {
	if !w.handler.Enabled(ctx, slog.LevelInfo) {
		return nil, len(events), errNotLogged
	}
	for _, e := range events {
		record := slog.NewRecord(e.at, slog.LevelInfo, string(e.of), 0)
		record.AddAttrs(slog.String("id", e.id))
		record.AddAttrs(e.attrs...)
		if failed := w.handler.Handle(ctx, record); failed != nil {
			refused, err = refused+1, failed
		}
	}
	return nil, refused, err
}
