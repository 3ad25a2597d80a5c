package stack

import (
	"cmp"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// ProviderVersion is the release of oidc-provider (npm) that providers run.
const ProviderVersion = "9.13.3"

// The audience of a provider's tokens, and the resources (RFC 8707) to ask them for.
const (
	ProviderAudience = "sluice"
	ProviderJWT      = "urn:sluice"
	ProviderOpaque   = "urn:sluice:opaque"
)

//go:embed provider
var providerFiles embed.FS

// ProviderOptions configures a Provider.
type ProviderOptions struct {
	// Claims are added to every access token.
	Claims map[string]any
	// Client is added to the metadata of the client, such as
	// "backchannel_logout_uri".
	Client map[string]any
	// Lifetime is that of access tokens, in whole seconds; 0 means an hour.
	Lifetime time.Duration
}

// Provider is an OpenID provider: oidc-provider on Node.js, with one confidential
// client. It keeps its tokens in memory.
type Provider struct {
	*Server
	// Issuer is its URL, on loopback and without TLS.
	Issuer string
	// ClientID and ClientSecret are those of the client, which may use the client
	// credentials grant, introspection and revocation.
	ClientID, ClientSecret string
}

// NewProvider prepares a provider with its files in dir. Its packages come from the
// npm registry, once, into the user's cache directory; Node.js and npm come from
// Debian.
func NewProvider(ctx context.Context, dir string, opts ProviderOptions) (*Provider, error) {
	installed, err := providerPackages(ctx)
	if err != nil {
		return nil, fmt.Errorf("prepare OpenID provider: %w", err)
	}
	addr, err := FreeAddr()
	if err != nil {
		return nil, fmt.Errorf("prepare OpenID provider: %w", err)
	}
	p := &Provider{Issuer: "http://" + addr, ClientID: "sluice-client", ClientSecret: secret()}
	client := map[string]any{
		"client_id": p.ClientID, "client_secret": p.ClientSecret, "token_endpoint_auth_method": "client_secret_basic",
		"grant_types": []string{"client_credentials"}, "redirect_uris": []string{}, "response_types": []string{},
		"scope": "live",
	}
	maps.Copy(client, opts.Client)
	settings, err := json.Marshal(map[string]any{
		"address": addr, "issuer": p.Issuer, "client": client, "claims": opts.Claims,
		"lifetime": int(cmp.Or(opts.Lifetime, time.Hour).Seconds()),
	})
	if err != nil {
		return nil, fmt.Errorf("prepare OpenID provider: %w", err)
	}
	p.Server = NewServer(Command{
		Name: "oidc-provider", Dir: dir,
		Args:  []string{"node", filepath.Join(installed, "provider.mjs")},
		Env:   []string{"SETTINGS=" + string(settings), "NODE_ENV=production"},
		Ready: func(ctx context.Context) error { _, err := p.keys(ctx); return err },
	})
	return p, nil
}

// KeysURL is where its keys are published (RFC 7517).
func (p *Provider) KeysURL() string { return p.Issuer + "/jwks" }

// TokenURL is its token endpoint.
func (p *Provider) TokenURL() string { return p.Issuer + "/token" }

// Rotate makes the provider sign with a new key, and returns once the key is
// published. The key before it remains published until the next rotation.
func (p *Provider) Rotate(ctx context.Context) error {
	before, err := p.keys(ctx)
	if err != nil {
		return fmt.Errorf("rotate keys: %w", err)
	}
	if err := p.Signal(syscall.SIGHUP); err != nil {
		return fmt.Errorf("rotate keys: %w", err)
	}
	for {
		now, err := p.keys(ctx)
		if err == nil && now != before {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("rotate keys: %w", errors.Join(ctx.Err(), err))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// LogOut makes the provider send a logout token for the client's own subject, ClientID, to
// its "backchannel_logout_uri" (OpenID Connect Back-Channel Logout 1.0).
func (p *Provider) LogOut() error {
	if err := p.Signal(syscall.SIGUSR2); err != nil {
		return fmt.Errorf("log out: %w", err)
	}
	return nil
}

// Token returns an access token by the client credentials grant (RFC 6749 section
// 4.4), for one of the resources.
func (p *Provider) Token(ctx context.Context, resource string) (string, error) {
	form := url.Values{"grant_type": {"client_credentials"}, "resource": {resource}, "scope": {"live"}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.TokenURL(), strings.NewReader(form.Encode()))
	if err != nil {
		return "", fmt.Errorf("get token: %w", err)
	}
	request.SetBasicAuth(p.ClientID, p.ClientSecret)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := ask(request)
	if err != nil {
		return "", fmt.Errorf("get token: %w", err)
	}
	var token struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(answer, &token); err != nil || token.AccessToken == "" {
		return "", fmt.Errorf("get token: the answer has none: %s", answer)
	}
	return token.AccessToken, nil
}

// keys returns the published keys.
func (p *Provider) keys(ctx context.Context) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.KeysURL(), nil)
	if err != nil {
		return "", err
	}
	set, err := ask(request)
	return string(set), err
}

func ask(request *http.Request) ([]byte, error) {
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("the answer is %s: %s", response.Status, body)
	}
	return body, err
}

// providerPackages returns the directory with the provider's program and packages,
// which it downloads the first time (4 MB).
func providerPackages(ctx context.Context) (string, error) {
	if err := Install(ctx, "nodejs", "npm"); err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find cache folder: %w", err)
	}
	dir := filepath.Join(cache, "sluice", "oidc-provider-"+ProviderVersion)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make cache folder: %w", err)
	}
	unlock, err := lockFile(filepath.Join(dir, "lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	files, err := fs.Sub(providerFiles, "provider")
	if err != nil {
		return "", err
	}
	for _, name := range []string{"package.json", "package-lock.json", "provider.mjs"} {
		content, err := fs.ReadFile(files, name)
		if err != nil {
			return "", err
		}
		// In place of a file that another process may be reading.
		whole := filepath.Join(dir, "."+name)
		if err := os.WriteFile(whole, content, 0o644); err != nil {
			return "", fmt.Errorf("write program: %w", err)
		}
		if err := os.Rename(whole, filepath.Join(dir, name)); err != nil {
			return "", fmt.Errorf("write program: %w", err)
		}
	}
	complete := filepath.Join(dir, "complete")
	if exists(complete) {
		return dir, nil
	}
	if err := npm(ctx, dir, "oidc-provider "+ProviderVersion); err != nil {
		return "", err
	}
	if err := os.WriteFile(complete, nil, 0o644); err != nil {
		return "", fmt.Errorf("mark cache folder: %w", err)
	}
	return dir, nil
}
