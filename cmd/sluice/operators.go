package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"sluice/cmd/sluice/terminal"
	"sluice/transport/client"
)

// operatorsAnswer bounds an answer of the admin listener with a list.
const operatorsAnswer = 64 << 20

func newSessions() *cobra.Command {
	var (
		o                                     operating
		stream, principal, order, kick, drain string
	)
	cmd := &cobra.Command{
		Use:   "sessions",
		Short: "Show the open sessions of a server, end one, or have it reconnect",
		Long: `Sessions prints the open sessions of the instance whose admin listener is asked: who
is connected, since when, what it reads, how many records it is behind, and how old the
oldest of these is, as far as that is known.

--kick ends a session for good; a client whose credential is valid can connect again,
see sluice revoke. --drain asks the client of a session to reconnect.

--sort prints the largest values first. Many sessions are asked for in parts, and one whose
value changes meanwhile may be left out.`,
		Example: `  sluice sessions --stream orders
  sluice sessions --sort lag_records
  sluice sessions --kick s_4XGDPMSYT3HAGKQ`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case kick != "" && drain != "":
				return usage("give only one of --kick and --drain")
			case kick != "":
				return o.ask(cmd.Context(), http.MethodDelete, "sessions/"+url.PathEscape(kick), nil, nil)
			case drain != "":
				return o.ask(cmd.Context(), http.MethodPost, "sessions/"+url.PathEscape(drain)+"/drain", nil, nil)
			}
			query := selected(stream, principal)
			if order != "" {
				query.Set("order", order)
			}
			return o.sessions(cmd.Context(), query, terminal.Safely(cmd.OutOrStdout()))
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&stream, "stream", "", "only sessions that read this stream")
	flags.StringVar(&principal, "principal", "", "only sessions of this principal, by its subject or key")
	flags.StringVar(&order, "sort", "", "the largest `value` first: started, sent_records, sent_bytes, buffered_bytes or lag_records; by id if it is not given")
	flags.StringVar(&kick, "kick", "", "end the session with this `id`")
	flags.StringVar(&drain, "drain", "", "have the client of the session with this `id` reconnect")
	o.add(cmd)
	return cmd
}

func newCursors() *cobra.Command {
	var (
		o                 operating
		stream, principal string
	)
	cmd := &cobra.Command{
		Use:   "cursors",
		Short: "Show the named cursors that are stored",
		Long: `Cursors prints the named cursors in Redis: of which stream and principal, how many
records they are behind, when they were stored, and whether a subscription of the
instance that is asked holds them.`,
		Example: `  sluice cursors --stream orders`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.cursors(cmd.Context(), selected(stream, principal), terminal.Safely(cmd.OutOrStdout()))
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&stream, "stream", "", "only cursors of this stream")
	flags.StringVar(&principal, "principal", "", "only cursors of this principal, by its key")
	o.add(cmd)
	return cmd
}

func selected(stream, principal string) url.Values {
	query := url.Values{"limit": {"500"}}
	if stream != "" {
		query.Set("stream", stream)
	}
	if principal != "" {
		query.Set("principal", principal)
	}
	return query
}

// errAskAdmin means that the admin listener has not answered.
var errAskAdmin = errors.New("ask the admin listener")

// operating asks an admin listener.
type operating struct {
	admin string
	trust trust
}

// add adds the flags for the admin listener.
func (o *operating) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.admin, "admin", defaultAdmin, "`URL` of the server's admin listener")
	o.trust.add(cmd)
}

// ask sends a request and decodes the answer, if there is to be one.
func (o operating) ask(ctx context.Context, method, path string, query url.Values, answer any) error {
	status, body, err := o.exchange(ctx, method, path, query, nil, operatorsAnswer)
	switch {
	case err != nil:
		return err
	case status >= http.StatusBadRequest:
		var told struct{ Code, Detail string }
		if json.Unmarshal(body, &told) == nil && told.Code != "" {
			return fmt.Errorf("refused with status %d: %s: %s", status, told.Code, told.Detail)
		}
	case answer == nil && status == http.StatusNoContent:
		return nil
	case answer != nil && status == http.StatusOK && json.Unmarshal(body, answer) == nil:
		return nil
	}
	return errNotAdmin(status)
}

// errNotAdmin returns the error for an answer of something else.
func errNotAdmin(status int) error {
	return fmt.Errorf("the answer, with status %d, is not that of Sluice's admin listener: is --admin right?", status)
}

// exchange sends a request with a body, nil for none, and returns the answer, of which it reads so many
// bytes.
func (o operating) exchange(ctx context.Context, method, path string, query url.Values, body []byte, most int64) (status int, answer []byte, err error) {
	address, err := url.Parse(urlOf(o.admin))
	if err != nil || address.Scheme != "http" && address.Scheme != "https" || address.Host == "" {
		return 0, nil, usage("--admin %q is not a URL: give one such as %s", o.admin, defaultAdmin)
	}
	transport, err := o.trust.transport()
	if err != nil {
		return 0, nil, err
	}
	defer transport.CloseIdleConnections()
	address = address.JoinPath(path)
	address.RawQuery = query.Encode()
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, address.String(), bytes.NewReader(body))
	if err != nil {
		return 0, nil, usage("--admin %q is not a URL: give one such as %s", o.admin, defaultAdmin)
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	asking := http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := asking.Do(request)
	if err != nil {
		return 0, nil, fmt.Errorf("%w: %w", errAskAdmin, cmp.Or(client.Unreachable(client.Brief(err)), client.Brief(err)))
	}
	defer func() { _ = response.Body.Close() }()
	answer, err = io.ReadAll(io.LimitReader(response.Body, most))
	if err == nil {
		err = client.UnreachableBy(response, answer)
	}
	if err != nil {
		return 0, nil, fmt.Errorf("read answer of the admin listener: %w", err)
	}
	return response.StatusCode, answer, nil
}

func (o operating) sessions(ctx context.Context, query url.Values, out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "SESSION\tPRINCIPAL\tPROTOCOL\tADDRESS\tSTARTED\tRECORDS\tREADS")
	printed := map[string]bool{} // what is sorted by a value that changes may come again
	for {
		var page struct {
			Sessions []struct {
				Session, Principal, Protocol, Address string

				Anonymous     bool
				Started       int64
				Records       uint64 `json:"sent_records"`
				Subscriptions []struct {
					Stream, State string

					Lag   *int64 `json:"lag_records"`
					LagMS *int64 `json:"lag_ms"`
				}
			}
			Next string
		}
		if err := o.ask(ctx, http.MethodGet, "sessions", query, &page); err != nil {
			return err
		}
		for _, s := range page.Sessions {
			if printed[s.Session] {
				continue
			}
			printed[s.Session] = true
			var reads []string
			for _, sub := range s.Subscriptions {
				reads = append(reads, fmt.Sprintf("%s (%s%s)", sub.Stream, sub.State, lag(sub.Lag, sub.LagMS)))
			}
			who := printable(s.Principal)
			if who == "" {
				who = "-"
			}
			_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%d\t%s\n", s.Session, who, s.Protocol, s.Address, moment(s.Started), s.Records, strings.Join(reads, ", "))
		}
		if page.Next == "" {
			return table.Flush()
		}
		query.Set("after", page.Next)
	}
}

func (o operating) cursors(ctx context.Context, query url.Values, out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "STREAM\tNAME\tPRINCIPAL\tSTORED\tBEHIND\tHELD")
	for {
		var page struct {
			Cursors []struct {
				Stream, Name, Principal string

				Stored int64  `json:"stored_at"`
				Lag    *int64 `json:"lag_records"`
				Held   bool
			}
			Next string
		}
		if err := o.ask(ctx, http.MethodGet, "cursors", query, &page); err != nil {
			return err
		}
		for _, c := range page.Cursors {
			behind := "-"
			if c.Lag != nil {
				behind = fmt.Sprint(*c.Lag)
			}
			_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%t\n", c.Stream, printable(c.Name), printable(c.Principal), moment(c.Stored), behind, c.Held)
		}
		if page.Next == "" {
			return table.Flush()
		}
		query.Set("after", page.Next)
	}
}

// lag describes how far a subscription is behind, in records and in time, as far as that is
// known and not nothing.
func lag(records, ms *int64) string {
	switch {
	case records == nil || *records == 0:
		return ""
	case ms == nil:
		return fmt.Sprintf(", %d behind", *records)
	}
	return fmt.Sprintf(", %d behind, %s", *records, briefly(time.Duration(*ms)*time.Millisecond))
}

// briefly returns a time in a precision that fits its length.
func briefly(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

func moment(milli int64) string { return time.UnixMilli(milli).UTC().Format(time.RFC3339) }

// printable returns a text, which an issuer has chosen, so that a terminal can show it.
func printable(text string) string {
	quoted := fmt.Sprintf("%q", text)
	return quoted[1 : len(quoted)-1]
}
