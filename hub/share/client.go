package share

// Client is whom something is done for. Each field is "" for none.
type Client struct{ Tenant, Principal string }

// tenantRatio is how many times as much as is free a tenant may have. It is high enough that a
// tenant alone has three quarters.
const tenantRatio = 3
