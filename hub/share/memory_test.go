package share_test

import (
	"fmt"
	"testing"

	"sluice/hub/share"
)

func memory(most int64) *share.Memory {
	return &share.Memory{Most: func() int64 { return most }, Principal: func(_, left int64) int64 { return left }}
}

// TestMemoryIsSharedOut: neither a principal nor a tenant, with however many principals, can
// take what others need.
func TestMemoryIsSharedOut(t *testing.T) {
	t.Parallel()
	m := memory(1000)
	fill := func(of func(n int) share.Client) (had int64) {
		for n := range 1000 {
			if answer, _ := m.Reserve(of(n), 10); answer == share.Granted {
				had += 10
			}
		}
		return had
	}
	principal := func(int) share.Client { return share.Client{Tenant: "greedy", Principal: "p"} }
	tenant := func(n int) share.Client { return share.Client{Tenant: "greedy", Principal: fmt.Sprint(n)} }
	if had := fill(principal); had < 400 || had > 510 {
		t.Errorf("a principal has %d of 1000", had)
	}
	if fill(tenant); m.Bytes() < 700 || m.Bytes() > 760 {
		t.Errorf("a tenant has %d of 1000", m.Bytes())
	}
	if answer, _ := m.Reserve(share.Client{Tenant: "greedy", Principal: "late"}, 10); answer != share.TenantBusy {
		t.Errorf("the tenant is answered %v", answer)
	}
	modest := share.Client{Tenant: "modest", Principal: "p"}
	if answer, held := m.Reserve(modest, 200); answer != share.Granted || held != 200 {
		t.Errorf("another tenant is answered %v, and has %d", answer, held)
	}
	if answer, _ := m.Reserve(share.Client{Principal: "p"}, 100); answer != share.Full {
		t.Errorf("more than is left is answered %v", answer)
	}
	m.Give(modest, 200)
	if answer, _ := m.Reserve(share.Client{Tenant: "modest", Principal: "q"}, 250); answer != share.Granted {
		t.Errorf("once more is left, the answer is %v", answer)
	}
}

// TestAPrincipalIsLikeATenant: without tenants, one that is busy alone has as much as a tenant has,
// and leaves some to others.
func TestAPrincipalIsLikeATenant(t *testing.T) {
	t.Parallel()
	m, busy := memory(1000), share.Client{Principal: "busy"}
	had := int64(0)
	for range 1000 {
		if answer, _ := m.Reserve(busy, 10); answer == share.Granted {
			had += 10
		}
	}
	if had < 700 || had > 760 {
		t.Errorf("a principal has %d of 1000", had)
	}
	if answer, _ := m.Reserve(busy, 10); answer != share.Busy {
		t.Errorf("it is answered %v", answer)
	}
	if answer, _ := m.Reserve(share.Client{Principal: "other"}, 200); answer != share.Granted {
		t.Errorf("another one is answered %v", answer)
	}
}

// TestMemoryForOneOfAnySize: what is larger than all memory is given to who comes first.
func TestMemoryForOneOfAnySize(t *testing.T) {
	t.Parallel()
	m, of := memory(1000), share.Client{Tenant: "t", Principal: "p"}
	if answer, _ := m.Reserve(of, 5000); answer != share.Granted {
		t.Errorf("answered %v", answer)
	}
	m.Give(of, 5000)
	if m.Bytes() != 0 {
		t.Errorf("%d are left", m.Bytes())
	}
}
