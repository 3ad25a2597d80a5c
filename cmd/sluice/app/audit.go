package app

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"time"

	"sluice/cmd/sluice/config"
	"sluice/hub"
	"sluice/transport/audit"
)

// newAudit makes the recorder of audit events. It returns nil if nothing is recorded.
func newAudit(c *config.Config, h *hub.Hub, version string, logger *slog.Logger) (*audit.Recorder, error) {
	if !c.Audit.Enabled() {
		return nil, nil
	}
	source := c.Audit.Source
	if source == "" {
		host, err := os.Hostname()
		if err != nil {
			return nil, fmt.Errorf("find the name of the host: %w: set audit/source", err)
		}
		source = "/sluice/" + url.PathEscape(host)
	}
	return audit.New(audit.Config{
		Log:            c.Audit.Log,
		Stream:         c.Audit.Stream,
		Store:          h,
		Source:         source,
		PublishTimeout: span(c.Limits.PublishTimeout),
		Version:        cmp.Or(version, "unknown"),
		Queue:          c.Audit.Queue,
		QueueBytes:     int(c.Audit.QueueBytes),
		TokenIDs:       audit.TokenIDs(c.Audit.TokenIDs),
		SumEvery:       c.Audit.SumEvery,
		DrainTimeout:   c.Audit.Drain,
		Logger:         logger.With("component", "audit"),
		Now:            time.Now,
	})
}

// auditParts returns the recorder. It stops after the server and the hub, whose last
// events it stores, and before the producers of the clusters, which it stores them with.
func auditParts(recorder *audit.Recorder) []part {
	if recorder == nil {
		return nil
	}
	return []part{{name: "audit", run: recorder.Run}}
}

// auditDrain is how long the recorder may take to stop.
func auditDrain(c *config.Config) time.Duration {
	if !c.Audit.Enabled() {
		return 0
	}
	return c.Audit.Drain
}

// auditKept refuses a configuration with another stream for audit events than the one
// in force: it would not be protected from grants with patterns before a restart, and
// other instances may already store events in it.
func auditKept(recorder *audit.Recorder, c *config.Config) error {
	if was := recorder.Stream(); c.Audit.Stream != was {
		return fmt.Errorf("audit/stream is %q now and was %q: restart the instance", c.Audit.Stream, was)
	}
	return nil
}

// auditReload records what came of loading the configuration again, and which of its
// fields were replaced. A part of them may be in force if there is a fault.
func auditReload(recorder *audit.Recorder, changed, restart []string, fault error) {
	e := audit.Reloaded{Outcome: audit.ReloadDone, Changed: len(changed), Restart: len(restart)}
	detail := ""
	if fault != nil {
		e.Outcome, e.Detail = audit.ReloadIncomplete, fault.Error()
		detail = "possibly incomplete: " + fault.Error()
	}
	for _, field := range changed {
		recorder.Record(audit.Reconfigured{Part: field, Detail: detail})
	}
	recorder.Record(e)
}

// ReloadRefused records that the configuration was to be loaded again, and has a fault.
func (a *App) ReloadRefused(fault error) { auditRefused(a.front.audit, fault) }

func auditRefused(recorder *audit.Recorder, fault error) {
	recorder.Record(audit.Reloaded{Outcome: audit.ReloadRefused, Detail: fault.Error()})
}

// grantedByName returns the streams that only grants which name them give rights on.
func grantedByName(c *config.Config) []string {
	if c.Audit.Stream == "" {
		return nil
	}
	return []string{c.Audit.Stream}
}
