package app

import (
	"testing"

	"sluice/auth"
	"sluice/hub"
)

// TestOnePlaceholder: packages auth and hub, which do not know each other, mean the same
// by the place of a tenant in a text.
func TestOnePlaceholder(t *testing.T) {
	t.Parallel()
	if auth.TenantPlaceholder != hub.TenantPlaceholder {
		t.Errorf("%q in host names, and %q in topics", auth.TenantPlaceholder, hub.TenantPlaceholder)
	}
}
