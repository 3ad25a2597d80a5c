package main

import (
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
instance whose admin listener is asked. The command prints which, and fails with
exit code 1 if the other instances cannot be reached at present.`,
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
			return asked.send(cmd.Context(), o, cmd.OutOrStdout())
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

// send asks the server, and prints what it has stored.
func (r *revocation) send(ctx context.Context, o operating, out io.Writer) error {
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	status, answer, err := o.exchange(ctx, http.MethodPost, "revocations", nil, body, adminAnswer)
	if err != nil {
		return fmt.Errorf("revoke: %w", err)
	}
	var told struct {
		Revocation json.RawMessage `json:"revocation"`
		Scope      string          `json:"scope"`
		Code       string          `json:"code"`
		Detail     string          `json:"detail"`
	}
	if err := json.Unmarshal(answer, &told); err != nil {
		return fmt.Errorf("revoke: %w", errNotAdmin(status))
	}
	if told.Code != "" || len(told.Revocation) == 0 {
		return fmt.Errorf("revoke: refused with status %d: %s: %s", status, told.Code, told.Detail)
	}
	if _, err := fmt.Fprintf(out, "%s: %s\n", strings.ReplaceAll(told.Scope, "_", " "), told.Revocation); err != nil {
		return err
	}
	if status == http.StatusAccepted {
		return errNotEverywhere
	}
	return nil
}
