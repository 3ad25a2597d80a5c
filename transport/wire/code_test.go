package wire_test

import (
	"encoding/json"
	"errors"
	"io"
	"testing"
	"time"

	"sluice/transport/wire"
)

func TestCodes(t *testing.T) {
	t.Parallel()
	for code, info := range wire.Codes() {
		if info.HTTP == 0 && info.Close == 0 {
			t.Errorf("%s can be told nowhere", code)
		}
		if info.HTTP != 0 && (info.HTTP < 400 || info.HTTP > 599) && code != wire.DeadLettered {
			t.Errorf("%s has status %d", code, info.HTTP)
		}
		if info.Action == "" && code != wire.PublishUnknown {
			t.Errorf("%s has no action", code)
		}
		if info.Retryable != (info.Action == wire.Resume) {
			t.Errorf("%s: retryable %v with action %q", code, info.Retryable, info.Action)
		}
		// What clients do by the close code alone agrees with the action, except
		// for codes that only end a subscription or are sent without a close.
		resumes := info.Close == 1012 || info.Close == 1013 || info.Close >= 4000 && info.Close <= 4499
		if resumes && info.Action == wire.Stop {
			t.Errorf("%s: clients resume on %d, and should stop", code, info.Close)
		}
		if (info.Close/100 == 43) != (info.Action == wire.Resync) {
			t.Errorf("%s: action %q with the close code %d: clients give up their position on 43xx", code, info.Action, info.Close)
		}
		if info.Close >= 4500 && info.Action == wire.Resume {
			t.Errorf("%s: clients stop on %d, and should resume", code, info.Close)
		}
	}
	if got := wire.Code("made up").Info(); got != wire.Internal.Info() {
		t.Errorf("an unknown code is %+v", got)
	}
	if got := wire.RateLimited.Info(); got != (wire.Info{HTTP: 429, Close: 4101, Retryable: true, Action: wire.Resume}) {
		t.Errorf("rate_limited is %+v", got)
	}
	wire.Codes()[wire.Internal] = wire.Info{}
	if wire.Internal.Info().HTTP != 500 {
		t.Error("the table can be changed from outside")
	}
}

func TestErrorForms(t *testing.T) {
	t.Parallel()
	invalid := &wire.Error{
		ID: "p7", Code: wire.Invalid, Message: "…",
		Errors: []wire.Violation{{Pointer: "/temp_c", Message: "maximum: got 999, want 150"}},
	}
	limited := &wire.Error{Code: wire.RateLimited, Message: "slow down", RetryAfter: 2500 * time.Millisecond, Cause: io.EOF}
	twice := &wire.Error{ID: "b", Code: wire.AlreadySubscribed, Message: "m", SubscriptionID: "a"}
	tests := []struct{ name, got, want string }{
		{"as in the protocol", string(invalid.Append(nil)), `{"type":"error","id":"p7","code":"invalid","message":"…","retryable":false,"action":"stop","errors":[{"pointer":"/temp_c","message":"maximum: got 999, want 150"}]}`},
		{"no id", string(limited.Append(nil)), `{"type":"error","code":"rate_limited","message":"slow down","retryable":true,"action":"resume","retry_after_ms":2500}`},
		{"already subscribed", string(twice.Append(nil)), `{"type":"error","id":"b","code":"already_subscribed","message":"m","retryable":false,"action":"stop","subscription_id":"a"}`},
		{"problem", string(invalid.AppendProblem(nil)), `{"title":"Unprocessable Entity","status":422,"detail":"…","code":"invalid","retryable":false,"action":"stop","errors":[{"pointer":"/temp_c","message":"maximum: got 999, want 150"}]}`},
		{"problem with a hint", string(limited.AppendProblem(nil)), `{"title":"Too Many Requests","status":429,"detail":"slow down","code":"rate_limited","retryable":true,"action":"resume","retry_after_ms":2500}`},
		{"problem without a status", string(wire.Errorf(wire.NoPong, "%d", 1).AppendProblem(nil)), `{"title":"Internal Server Error","status":500,"detail":"1","code":"no_pong","retryable":true,"action":"resume"}`},
		{"problem of HTTP's own", string((&wire.Error{Code: wire.BadRequest, HTTPStatus: 426}).AppendProblem(nil)), `{"title":"Upgrade Required","status":426,"code":"bad_request","retryable":false,"action":"stop"}`},
		{"text", limited.Error(), "rate_limited: slow down"},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("%s\n got %s\nwant %s", tt.name, tt.got, tt.want)
		}
	}
	if got := limited.RetryAfterSeconds(); got != 3 {
		t.Errorf("Retry-After %d, want 3", got)
	}
	if !errors.Is(limited, io.EOF) {
		t.Error("the cause is lost")
	}
	for _, body := range [][]byte{invalid.Append(nil), limited.AppendProblem(nil)} {
		if !json.Valid(body) {
			t.Errorf("not JSON: %s", body)
		}
	}
}
