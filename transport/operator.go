package transport

import (
	"net/http"

	"sluice/auth"
	"sluice/transport/wire"
)

// adminPrefix is where the clients' listener has the routes of operators.
const adminPrefix = "/v1/admin"

// operator is who operates: a principal with the right to, or whoever reaches the admin
// listener.
type operator struct {
	principal *auth.Principal // nil on the admin listener
}

// tenant returns the tenant that the operator is confined to, "" for none.
func (o operator) tenant() string {
	if o.principal == nil {
		return ""
	}
	return o.principal.Tenant()
}

// sees reports whether the operator may see what is a tenant's, "" for no tenant's.
func (o operator) sees(tenant string) bool { return o.tenant() == "" || o.tenant() == tenant }

// plain returns the fault of a request with parameters, which the route does not have.
func plain(r *http.Request) *wire.Error {
	_, fault := wire.ParsePlainQuery(r.URL.RawQuery, false)
	return fault
}
