package hub

import (
	"context"
	"fmt"
)

// everybody is the client for whom something is asked that all clients of the stream are told. It
// has a line of its own: otherwise all of them would wait for the turn of the one that asks.
func (st *stream) everybody() client {
	if st.tenant != "" {
		return client{Tenant: st.tenant}
	}
	return client{Tenant: "\x00" + st.Name} // no tenant has such a name
}

// question calls a function that asks Kafka about the stream for a client, when it is the
// client's turn. It must not be called by one that does.
func (st *stream) question(ctx context.Context, of client, ask func() error) error {
	if err := st.asking.Take(ctx, of); err != nil {
		return fmt.Errorf("wait for others that ask Kafka: %w", err)
	}
	defer st.asking.Give(of)
	// The stream's clients without a tenant are like one tenant, whose name no tenant has.
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
