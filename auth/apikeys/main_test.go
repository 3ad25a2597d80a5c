package apikeys_test

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must[T any](made T, err error) T {
	if err != nil {
		panic(err)
	}
	return made
}
