package hub

import (
	"context"
	"fmt"
)

// question calls a function that asks Kafka about the stream for a client, when it is the
// client's turn. It must not be called by one that does.
func (st *stream) question(ctx context.Context, of client, ask func() error) error {
	if err := st.asking.Take(ctx, of); err != nil {
		return fmt.Errorf("wait for others that ask Kafka: %w", err)
	}
	defer st.asking.Give(of)
	// The stream's clients without a tenant are like one tenant, and have no name of one.
	by := client{Tenant: of.Tenant, Principal: st.tenant + "\x00" + st.Name}
	if by.Tenant == "" {
		by.Tenant = by.Principal
	}
	if err := st.cluster.Take(ctx, by); err != nil {
		return fmt.Errorf("wait for others that ask Kafka: %w", err)
	}
	defer st.cluster.Give(by)
	return ask()
}
