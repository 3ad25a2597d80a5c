// Package hub is the domain of Sluice: records, positions, cursors, logs,
// feeds and subscriptions.
package hub
