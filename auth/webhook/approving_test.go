package webhook_test

import (
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"sluice/auth"
	"sluice/auth/webhook"
)

func TestQuestionsAboutRights(t *testing.T) {
	t.Parallel()
	s := &service{answer: says(200, `{"allow":true}`)}
	h := hook(t, s)
	p := principal(t, "u42", `{"sub":"u42","role":["a","b"],"n":12345678901234567890}`)
	open, err := auth.New(auth.Config{Grants: []auth.Grant{{Anonymous: true, Subscribe: []string{"*"}}}, Tenancy: auth.Tenancy{Host: "{tenant}.example.com"}})
	if err != nil {
		t.Fatal(err)
	}
	anonymous, err := open.Anonymous("192.0.2.1", "")
	if err != nil {
		t.Fatal(err)
	}
	of, err := open.Anonymous("192.0.2.1", open.HostTenant("acme.example.com"))
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct {
		asked webhook.Question
		want  string
	}{
		{
			webhook.Question{Principal: p, Action: auth.Subscribe, Stream: "orders", From: "last:10", CursorName: "n", Reset: true, Keys: []string{"k"}, KeyPrefix: "eu-", Headers: [][2]string{{"a", "b"}}, Filter: "data.x > 1"},
			`{"event":"subscribe","principal":{"issuer":"test","subject":"u42","anonymous":false},"claims":{"sub":"u42","role":["a","b"],"n":12345678901234567890},"stream":"orders","from":"last:10","cursor_name":"n","reset":true,"keys":["k"],"key_prefix":"eu-","record_headers":[["a","b"]],"filter":"data.x > 1"}`,
		},
		{
			webhook.Question{Principal: p, Action: auth.Publish, Stream: "orders"},
			`{"event":"publish","principal":{"issuer":"test","subject":"u42","anonymous":false},"claims":{"sub":"u42","role":["a","b"],"n":12345678901234567890},"stream":"orders"}`,
		},
		{
			webhook.Question{Principal: principal(t, "bare", ""), Action: auth.Publish, Stream: "orders"},
			`{"event":"publish","principal":{"issuer":"test","subject":"bare","anonymous":false},"claims":{},"stream":"orders"}`,
		},
		{
			webhook.Question{Principal: anonymous, Action: auth.Subscribe, Stream: "news"},
			`{"event":"subscribe","principal":{"issuer":"","subject":"192.0.2.1","anonymous":true},"claims":{},"stream":"news"}`,
		},
		{ // in a tenant the answer can be another one
			webhook.Question{Principal: of, Action: auth.Subscribe, Stream: "news"},
			`{"event":"subscribe","principal":{"issuer":"","subject":"192.0.2.1","anonymous":true,"tenant":"acme"},"claims":{},"stream":"news"}`,
		},
	} {
		if err := h.Approve(t.Context(), c.asked); err != nil {
			t.Fatal(err)
		}
		if got := s.bodies[i]; !reflect.DeepEqual(asJSON(t, got), asJSON(t, c.want)) || !strings.Contains(got, "12345678901234567890") && strings.Contains(c.want, "123") {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

// TestApprovalAnswers: only {"allow":true} allows.
func TestApprovalAnswers(t *testing.T) {
	t.Parallel()
	p := principal(t, "u", `{"sub":"u"}`)
	for name, c := range map[string]struct {
		status int
		body   string
		want   error
	}{
		"yes":             {200, `{"allow":true}`, nil},
		"yes with spaces": {200, "{ \"allow\" :\ttrue\r\n}", nil},
		"no":              {200, `{"allow":false}`, auth.ErrForbidden},
		"401":             {401, `{"allow":true}`, auth.ErrForbidden},
		"403":             {403, ``, auth.ErrForbidden},
		"null":            {200, `{"allow":null}`, auth.ErrRightsUnavailable},
		"text":            {200, `{"allow":"true"}`, auth.ErrRightsUnavailable},
		"number":          {200, `{"allow":1}`, auth.ErrRightsUnavailable},
		"list":            {200, `{"allow":[true]}`, auth.ErrRightsUnavailable},
		"empty":           {200, `{}`, auth.ErrRightsUnavailable},
		"bare":            {200, `true`, auth.ErrRightsUnavailable},
		"twice":           {200, `{"allow":false,"allow":true}`, auth.ErrRightsUnavailable},
		"case":            {200, `{"Allow":true}`, auth.ErrRightsUnavailable},
		"unknown":         {200, `{"allow":true,"until":1}`, auth.ErrRightsUnavailable},
		"identity":        {200, `{"subject":"u"}`, auth.ErrRightsUnavailable},
		"no content":      {204, ``, auth.ErrRightsUnavailable},
		"created":         {201, `{"allow":true}`, auth.ErrRightsUnavailable},
		"redirect":        {307, `{"allow":true}`, auth.ErrRightsUnavailable},
		"missing":         {404, `{"allow":true}`, auth.ErrRightsUnavailable},
		"down":            {502, `{"allow":true}`, auth.ErrRightsUnavailable},
	} {
		for _, action := range []auth.Action{auth.Subscribe, auth.Publish} {
			s := &service{answer: says(c.status, c.body)}
			err := hook(t, s).Approve(t.Context(), webhook.Question{Principal: p, Action: action, Stream: "orders"})
			if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
				t.Errorf("%s, %s: got %v, want %v", name, action, err, c.want)
			}
		}
	}
}

// TestOnlyConfiguredEventsAreAsked: the others are left to the grants.
func TestOnlyConfiguredEventsAreAsked(t *testing.T) {
	t.Parallel()
	p := principal(t, "u", `{"sub":"u"}`)
	for _, only := range []webhook.Event{webhook.Connect, webhook.Subscribe, webhook.Publish} {
		s := &service{answer: says(http.StatusForbidden, "")}
		h := hook(t, s, func(c *webhook.Config) { c.Events = []webhook.Event{only} })
		_, connect := h.Verify(t.Context(), auth.Bearer("t"))
		subscribe := h.Approve(t.Context(), webhook.Question{Principal: p, Action: auth.Subscribe, Stream: "orders"})
		publish := h.Approve(t.Context(), webhook.Question{Principal: p, Action: auth.Publish, Stream: "orders"})
		if errors.Is(connect, auth.ErrOtherCredential) == (only == webhook.Connect) ||
			(subscribe == nil) == (only == webhook.Subscribe) || (publish == nil) == (only == webhook.Publish) || s.count() != 1 {
			t.Errorf("%s: %v, %v, %v after %d requests", only, connect, subscribe, publish, s.count())
		}
	}
}
