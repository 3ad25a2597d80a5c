package transport

// atOnce is always ready.
var atOnce = func() <-chan struct{} {
	ready := make(chan struct{})
	close(ready)
	return ready
}()

// pageOwner lets a handler wait for its subscription.
type pageOwner chan struct{}

// Pump implements hub.Owner.
func (o pageOwner) Pump() {
	select {
	case o <- struct{}{}:
	default:
	}
}
