// A module of its own, so that what the checks need is nothing that the product
// needs. It has newer golang.org/x/tools than govulncheck asks for: older ones
// fail on code that the toolchain's Go has and they do not know.
module sluice/ci

go 1.26.0

toolchain go1.27.4

tool golang.org/x/vuln/cmd/govulncheck

require (
	golang.org/x/mod v0.43.0 // indirect
	golang.org/x/sync v0.25.0 // indirect
	golang.org/x/sys v0.50.0 // indirect
	golang.org/x/telemetry v0.0.0-20261111153349-cdaf7e97dd7b // indirect
	golang.org/x/tools v0.52.0 // indirect
	golang.org/x/tools/go/packages/packagestest v0.1.1-deprecated // indirect
	golang.org/x/vuln v1.1.4 // indirect
)
