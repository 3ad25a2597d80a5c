package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"sluice/cmd/sluice/config"
)

// reloadable are the fields of the configuration that Reload puts in force, with all
// that is below them. Of limits and quotas, fixedLimits and fixedQuotas are excluded.
var reloadable = []string{"auth/issuers", "grants", "encryption", "registries", "streams", "quotas", "limits"}

// fixedQuotas are the fields of quotas for which memory or connections are set up at start.
var fixedQuotas = []string{"tracked", "share_every"}

// fixedLimits are the limits for which memory, listeners or connections are set up at
// start.
var fixedLimits = []string{
	"filter_bytes", "filter_cost", "filter_memory", "idle_connection", "late_memory", "publish_memory", "record_bytes",
	"request_header", "request_header_bytes", "request_wait", "stream_log",
}

// Reload puts another configuration in force while the instance runs: its issuers,
// grants, keysets, registries, streams, quotas and limits. Running sessions have the new rights before the next
// record. It returns the fields that have changed and take effect only after a restart.
// With an error, a part may be in force and the rest is as before.
func (a *App) Reload(c *config.Config) (restart []string, err error) {
	select {
	case <-a.front.up:
	default:
		return nil, errors.New("reload: the instance has not started yet: try again")
	}
	a.reloading.Lock()
	defer a.reloading.Unlock()
	if err := auditKept(a.front.audit, c); err != nil {
		auditRefused(a.front.audit, err)
		return nil, fmt.Errorf("reload: %w", err)
	}
	var changed []string
	for _, field := range config.Changed(a.inForce, c) {
		if reloads(field) {
			changed = append(changed, field)
		} else {
			restart = append(restart, field)
		}
	}
	defer func() { auditReload(a.front.audit, changed, restart, err) }()
	for name, stream := range c.Streams {
		if a.clusters[stream.Cluster] == nil {
			return nil, fmt.Errorf("reload stream %q: the kafka cluster %q is new: restart the instance", name, stream.Cluster)
		}
	}
	next, err := a.prepare(c)
	if err != nil {
		return nil, fmt.Errorf("reload: %w", err)
	}
	if err := a.use(c, next); err != nil {
		return nil, fmt.Errorf("reload: %w", err)
	}
	a.inForce = c
	a.logger.Info("configuration reloaded", "streams", len(c.Streams), "grants", len(c.Grants), "issuers", len(c.Auth.Issuers))
	return restart, nil
}

// prepared is what has been made of a configuration that is not in force.
type prepared struct {
	decrypting *encryption
	asked      *nextRegistries
	checking   *schemas
}

// prepare makes what may fail before anything is in force.
func (a *App) prepare(c *config.Config) (prepared, error) {
	decrypting, err := newEncryption(c, a.encryption)
	if err != nil {
		return prepared{}, err
	}
	if err := decrypting.open(context.Background()); err != nil {
		return prepared{}, err
	}
	asked, err := a.registries.prepare(c)
	if err != nil {
		return prepared{}, err
	}
	checking, err := newSchemas(c, asked.set, a.schemas)
	return prepared{decrypting, asked, checking}, err
}

// use puts a configuration in force.
func (a *App) use(c *config.Config, next prepared) error {
	next.asked.ask()
	a.verifiers.read()
	// Rights come before streams, so that nobody has old rights to a new stream.
	if err := a.auth.SetIssuers(a.front.options.Development.issuers(c)); err != nil {
		return err
	}
	if err := a.auth.SetGrants(a.front.options.Development.grants(c)); err != nil {
		return err
	}
	a.front.rights.SetEncrypted(c.EncryptedPaths())
	if a.acls != nil {
		a.acls.watch(c.Streams)
	}
	a.front.server.RightsChanged()
	a.front.quotas.SetRules(quotaRules(c))
	a.registries.use(next.asked)
	setIngest(a.front.ingest, c, next.checking, a.front.once)
	a.schemas = next.checking
	a.front.modes.replace(c.Streams)
	if err := a.front.hub.SetStreams(newStreams(c, a.clusters, next.decrypting, next.asked.set)); err != nil {
		return err
	}
	a.registries.retire(next.checking)
	a.encryption = next.decrypting
	if err := a.front.hub.SetLimits(hubLimits(c.Limits)); err != nil {
		return err
	}
	if err := a.front.server.SetLimits(limits(c.Limits)); err != nil {
		return err
	}
	a.verifiers.askAgain(a.front.server)
	for _, p := range a.front.presences {
		p.watch(c.Streams)
	}
	a.topics.replace(c.Streams)
	return nil
}

func reloads(field string) bool {
	if limit, ok := strings.CutPrefix(field, "limits/"); ok {
		return !slices.Contains(fixedLimits, limit)
	}
	if quota, ok := strings.CutPrefix(field, "quotas/"); ok {
		return !slices.Contains(fixedQuotas, quota)
	}
	return slices.ContainsFunc(reloadable, func(section string) bool {
		return field == section || strings.HasPrefix(field, section+"/")
	})
}
