package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sluice/cmd/sluice/config"
	"sluice/cmd/sluice/terminal"
)

const (
	// defaultAdmin is the default address of the admin listener.
	defaultAdmin = "http://127.0.0.1:8081"
	// adminTimeout bounds a request to it, adminAnswer the size of the answer.
	adminTimeout = 30 * time.Second
	adminAnswer  = 64 << 10
)

// revocation is the body of POST /revocations.
type revocation struct {
	Issuer    string `json:"issuer,omitempty"`
	Subject   string `json:"subject,omitempty"`
	TokenID   string `json:"token_id,omitempty"`
	SessionID string `json:"session_id,omitempty"`
	Tenant    string `json:"tenant,omitempty"`
	Before    int64  `json:"before_at,omitempty"`
	For       int64  `json:"for_ms,omitempty"`
}

func newRevoke() *cobra.Command {
	var (
		asked         revocation
		o             operating
		lasts, before string
		asJSON        bool
	)
	cmd := &cobra.Command{
		Use:   "revoke",
		Short: "Revoke credentials before they expire",
		Long: `Revoke makes a server refuse credentials that have not expired, and end the
sessions that use them. Name exactly one of a subject, a token, a session and a
tenant; --issuer limits the revocation to the tokens of one issuer.

A subject and a tenant are revoked up to now: tokens that are issued later are
accepted, so that users can log in again. A revocation is kept for --for, by default
auth/revocations/keep, which must be longer than tokens are valid.

With Redis the revocation is in force on all instances, otherwise only on the
instance whose admin listener is asked. The command prints what is revoked, until
when, and which of the two, and fails with exit code 1 if the other instances cannot
be reached at present. With --json it prints the server's answer.`,
		Example: `  sluice revoke --subject u42
  sluice revoke --issuer https://id.example.com --session 08a5019c --for 7d`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := asked.times(lasts, before); err != nil {
				return err
			}
			if err := asked.check(); err != nil {
				return err
			}
			return asked.send(cmd.Context(), o, terminal.Safely(cmd.OutOrStdout()), asJSON)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&asked.Issuer, "issuer", "", "only credentials of this issuer (iss)")
	flags.StringVar(&asked.Subject, "subject", "", "the credentials of a subject (sub)")
	flags.StringVar(&asked.TokenID, "token-id", "", "one token, by its id (jti)")
	flags.StringVar(&asked.SessionID, "session", "", "the credentials of one session with the issuer (sid)")
	flags.StringVar(&asked.Tenant, "tenant", "", "the credentials of a tenant, by the claim in auth/revocations/tenant_claim")
	flags.StringVar(&lasts, "for", "", "how long the revocation is kept, such as 24h or 30d")
	flags.StringVar(&before, "before", "", "only credentials issued before this `time`, such as 2026-11-21T09:00:00Z; default is now for a subject and a tenant, else all")
	flags.BoolVar(&asJSON, "json", false, "print the server's answer, a JSON object")
	o.add(cmd)
	return cmd
}

func (r *revocation) times(lasts, before string) error {
	if lasts != "" {
		kept, err := config.ParseDuration(lasts)
		if err != nil {
			return usage("--for %q %w", lasts, err)
		}
		if r.For = kept.Milliseconds(); r.For < 1 {
			return usage("--for %q is too short", lasts)
		}
	}
	if before != "" {
		at, err := time.Parse(time.RFC3339, before)
		if err != nil || at.UnixMilli() < 1 {
			return usage("--before %q is not a time such as 2026-11-21T09:00:00Z", before)
		}
		r.Before = at.UnixMilli()
	}
	return nil
}

func (r *revocation) check() error {
	named := 0
	for _, name := range []string{r.Subject, r.TokenID, r.SessionID, r.Tenant} {
		if name != "" {
			named++
		}
	}
	if named != 1 {
		return usage("give exactly one of --subject, --token-id, --session and --tenant")
	}
	return nil
}

// errNotEverywhere is returned for a revocation that other instances do not have yet.
var errNotEverywhere = errors.New("the revocation is in force on the instance that was asked; the others get it once Redis is available again")

// revoked is a revocation as it is stored.
type revoked struct {
	revocation
	Until int64 `json:"until_at"`
}

// String describes what is revoked, and until when the revocation is kept.
func (r revoked) String() string {
	var what string
	switch {
	case r.Subject != "":
		what = "the credentials of the subject " + printable(r.Subject)
	case r.TokenID != "":
		what = "the token " + printable(r.TokenID)
	case r.SessionID != "":
		what = "the credentials of the session " + printable(r.SessionID)
	case r.Tenant != "":
		what = "the credentials of the tenant " + printable(r.Tenant)
	}
	if r.Issuer != "" {
		what += " from the issuer " + printable(r.Issuer)
	}
	if r.Before != 0 {
		what += " that were issued before " + moment(r.Before)
	}
	return fmt.Sprintf("revoked until %s: %s", moment(r.Until), what)
}

// scopes describe where a revocation is in force.
var scopes = map[string]string{
	"all_instances":                     "on all instances",
	"this_instance":                     "on this instance only, until it ends: without Redis, the others are not told",
	"this_instance_until_redis_is_back": "on this instance; on the others once Redis is available again",
}

// send asks the server, and prints what it has stored.
func (r *revocation) send(ctx context.Context, o operating, out io.Writer, asJSON bool) error {
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	status, answer, err := o.exchange(ctx, http.MethodPost, "revocations", nil, body, adminAnswer)
	if err != nil {
		return fmt.Errorf("revoke: %w", err)
	}
	var told struct {
		Revocation *revoked `json:"revocation"`
		Scope      string   `json:"scope"`
		Code       string   `json:"code"`
		Detail     string   `json:"detail"`
	}
	if err := json.Unmarshal(answer, &told); err != nil {
		return fmt.Errorf("revoke: %w", errNotAdmin(status))
	}
	if told.Code != "" || told.Revocation == nil {
		return fmt.Errorf("revoke: refused with status %d: %s: %s", status, told.Code, told.Detail)
	}
	line := strings.TrimSpace(string(answer))
	if !asJSON {
		line = fmt.Sprintf("%s\nin force %s", told.Revocation, cmp.Or(scopes[told.Scope], "on "+strings.ReplaceAll(told.Scope, "_", " ")))
	}
	if _, err := fmt.Fprintln(out, line); err != nil {
		return err
	}
	if status == http.StatusAccepted {
		return errNotEverywhere
	}
	return nil
}
