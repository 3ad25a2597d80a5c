package mskiam_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"go.uber.org/goleak"

	"sluice/hub/kafkalog/bearer"
	"sluice/hub/kafkalog/mskiam"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// keys are the keys that the broker's side of the tests knows.
var keys = map[string]aws.Credentials{
	"AKIAENV":  {AccessKeyID: "AKIAENV", SecretAccessKey: "env/hunter2"},
	"AKIAFILE": {AccessKeyID: "AKIAFILE", SecretAccessKey: "file/hunter2"},
	"AKIANEW":  {AccessKeyID: "AKIANEW", SecretAccessKey: "new/hunter2"},
	"ASIAROLE": {AccessKeyID: "ASIAROLE", SecretAccessKey: "role/hunter2", SessionToken: "session/hunter2"},
	"ASIAIMDS": {AccessKeyID: "ASIAIMDS", SecretAccessKey: "imds/hunter2", SessionToken: "imds-session/hunter2"},
}

// verify does what a broker of MSK does with a token: it signs the same request with the
// keys that it knows, and compares. It returns whose token it is.
func verify(token, region string, now time.Time) (keyID string, err error) {
	text, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return "", err
	}
	got, err := url.Parse(string(text))
	if err != nil {
		return "", err
	}
	query := got.Query()
	if got.Scheme != "https" || got.Host != "kafka."+region+".amazonaws.com" || query.Get("Action") != "kafka-cluster:Connect" || query.Get("User-Agent") == "" {
		return "", fmt.Errorf("the request is %s", got.Redacted())
	}
	signed, err := time.Parse("20060102T150405Z", query.Get("X-Amz-Date"))
	if err != nil {
		return "", err
	}
	seconds, err := strconv.Atoi(query.Get("X-Amz-Expires"))
	if err != nil || seconds > 900 || now.Before(signed.Add(-time.Minute)) || now.After(signed.Add(time.Duration(seconds)*time.Second)) {
		return "", fmt.Errorf("it is of %v for %d s", signed, seconds)
	}
	keyID, _, _ = strings.Cut(query.Get("X-Amz-Credential"), "/")
	known, ok := keys[keyID]
	if !ok || known.SessionToken != query.Get("X-Amz-Security-Token") {
		return "", errors.New("the key is not known")
	}
	again := *got
	again.RawQuery = url.Values{"Action": query["Action"], "X-Amz-Expires": query["X-Amz-Expires"]}.Encode()
	request, err := http.NewRequest(http.MethodGet, again.String(), nil)
	if err != nil {
		return "", err
	}
	const ofNothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	address, _, err := v4.NewSigner().PresignHTTP(context.Background(), known, request, ofNothing, "kafka-cluster", region, signed)
	if err != nil {
		return "", err
	}
	want, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	if want.Query().Get("X-Amz-Signature") != query.Get("X-Amz-Signature") {
		return "", errors.New("the signature is wrong")
	}
	return keyID, nil
}

// metadata is the metadata service of an instance, which counts what it is asked.
func metadata(t *testing.T) (asked *atomic.Int64) {
	t.Helper()
	asked = new(atomic.Int64)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		switch {
		case strings.HasSuffix(r.URL.Path, "/api/token"):
			w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "600")
			fmt.Fprint(w, "t")
		case strings.HasSuffix(r.URL.Path, "/security-credentials/"), strings.HasSuffix(r.URL.Path, "/security-credentials"):
			fmt.Fprint(w, "role")
		case strings.HasSuffix(r.URL.Path, "/role"):
			_ = json.NewEncoder(w).Encode(map[string]string{
				"Code": "Success", "AccessKeyId": "ASIAIMDS", "SecretAccessKey": keys["ASIAIMDS"].SecretAccessKey,
				"Token": keys["ASIAIMDS"].SessionToken, "Expiration": time.Now().Add(time.Hour).UTC().Format(time.RFC3339),
			})
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(server.Close)
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.URL)
	return asked
}

// alone removes what the machine of the test says about AWS.
func alone(t *testing.T) (dir string) {
	t.Helper()
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
			_ = os.Unsetenv(name)
		}
	}
	dir = t.TempDir()
	t.Setenv("HOME", dir)
	return dir
}

func source(t *testing.T, c mskiam.Config) *mskiam.Source {
	t.Helper()
	c.Region = "eu-west-1"
	made, err := mskiam.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// holds checks whose token it is, and that it ends in time.
func holds(t *testing.T, token bearer.Token, err error, keyID string, ends time.Duration) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := verify(token.Reveal(), "eu-west-1", time.Now()); err != nil || got != keyID {
		t.Errorf("the token is of %q, %v", got, err)
	}
	if _, err := verify(token.Reveal(), "us-east-1", time.Now()); err == nil {
		t.Error("it is valid in another region")
	}
	if off := time.Until(token.Expires) - ends; off > 2*time.Second || off < -5*time.Second {
		t.Errorf("it ends at %v", token.Expires)
	}
}

const signedFor = 15 * time.Minute

func TestCredentialsOfTheEnvironment(t *testing.T) {
	alone(t)
	asked := metadata(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAENV")
	t.Setenv("AWS_SECRET_ACCESS_KEY", keys["AKIAENV"].SecretAccessKey)
	t.Setenv("AWS_DEFAULTS_MODE", "auto")
	token, err := source(t, mskiam.Config{}).Token(t.Context())
	holds(t, token, err, "AKIAENV", signedFor)
	if n := asked.Load(); n > 0 {
		t.Errorf("the metadata service was asked %d times", n)
	}
	// A signature with another secret is noticed.
	t.Setenv("AWS_SECRET_ACCESS_KEY", "wrong")
	token, err = source(t, mskiam.Config{}).Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verify(token.Reveal(), "eu-west-1", time.Now()); err == nil {
		t.Error("a wrong signature was accepted")
	}
}

// TestCredentialsOfAFile: the file counts before the environment, and is read again.
func TestCredentialsOfAFile(t *testing.T) {
	dir := alone(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAENV")
	t.Setenv("AWS_SECRET_ACCESS_KEY", keys["AKIAENV"].SecretAccessKey)
	file := filepath.Join(dir, "credentials")
	write := func(keyID string) {
		t.Helper()
		text := fmt.Sprintf("[default]\naws_access_key_id = AKIAOTHER\naws_secret_access_key = x\n[kafka]\naws_access_key_id = %s\naws_secret_access_key = %s\n", keyID, keys[keyID].SecretAccessKey)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := source(t, mskiam.Config{CredentialsFile: file, Profile: "kafka"})
	for _, keyID := range []string{"AKIAFILE", "AKIANEW"} {
		write(keyID)
		token, err := s.Token(t.Context())
		holds(t, token, err, keyID, signedFor)
	}
	if _, err := source(t, mskiam.Config{CredentialsFile: file, Profile: "other"}).Token(t.Context()); err == nil || !strings.Contains(err.Error(), `no profile "other"`) {
		t.Errorf("another profile: %v", err)
	}
	token, err := source(t, mskiam.Config{CredentialsFile: file}).Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if text, _ := base64.RawURLEncoding.DecodeString(token.Reveal()); !strings.Contains(string(text), "AKIAOTHER") {
		t.Error("the profile default of the file was not used")
	}
}

// TestCredentialsOfTheInstance: the metadata service is asked only where it is allowed.
func TestCredentialsOfTheInstance(t *testing.T) {
	alone(t)
	asked := metadata(t)
	_, err := source(t, mskiam.Config{}).Token(t.Context())
	if n := asked.Load(); err == nil || n > 0 || !strings.Contains(err.Error(), "there are none") {
		t.Errorf("asked %d times, %v", n, err)
	}
	token, err := source(t, mskiam.Config{Metadata: true}).Token(t.Context())
	holds(t, token, err, "ASIAIMDS", signedFor)
	if asked.Load() == 0 {
		t.Error("the metadata service was not asked")
	}
}

// sts is an endpoint of STS.
func sts(t *testing.T, answer http.HandlerFunc) {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	t.Setenv("AWS_ENDPOINT_URL_STS", server.URL)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAENV")
	t.Setenv("AWS_SECRET_ACCESS_KEY", keys["AKIAENV"].SecretAccessKey)
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
}

var role = mskiam.Config{RoleARN: "arn:aws:iam::123456789012:role/kafka", SessionName: "sluice", ExternalID: "ext"}

// TestCredentialsOfARole: a token ends with the credentials of the role.
func TestCredentialsOfARole(t *testing.T) {
	alone(t)
	sts(t, func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil || r.PostForm.Get("Action") != "AssumeRole" || r.PostForm.Get("RoleArn") != role.RoleARN ||
			r.PostForm.Get("RoleSessionName") != "sluice" || r.PostForm.Get("ExternalId") != "ext" {
			t.Errorf("asked for %v, %v", r.PostForm, err)
		}
		k := keys["ASIAROLE"]
		fmt.Fprintf(w, `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>%s</AccessKeyId><SecretAccessKey>%s</SecretAccessKey><SessionToken>%s</SessionToken><Expiration>%s</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`,
			k.AccessKeyID, k.SecretAccessKey, k.SessionToken, time.Now().Add(5*time.Minute).UTC().Format(time.RFC3339))
	})
	token, err := source(t, role).Token(t.Context())
	holds(t, token, err, "ASIAROLE", 5*time.Minute)
}

// TestAuthoritiesOfTheEnvironment: requests to AWS trust AWS_CA_BUNDLE.
func TestAuthoritiesOfTheEnvironment(t *testing.T) {
	dir := alone(t)
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>`)
	}))
	defer server.Close()
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	bundle := filepath.Join(dir, "bundle.pem")
	if err := os.WriteFile(bundle, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	sts(t, http.NotFound)
	t.Setenv("AWS_ENDPOINT_URL_STS", server.URL)
	if _, err := source(t, role).Token(t.Context()); err == nil || strings.Contains(err.Error(), "AccessDenied") {
		t.Errorf("without the bundle: %v", err)
	}
	t.Setenv("AWS_CA_BUNDLE", bundle)
	if _, err := source(t, role).Token(t.Context()); err == nil || !strings.Contains(err.Error(), "AWS answered AccessDenied") {
		t.Errorf("with the bundle: %v", err)
	}
}

// TestErrorsHaveNoSecrets: whatever AWS, a program or a file says.
func TestErrorsHaveNoSecrets(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") }))
	defer elsewhere.Close()
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		fault  string
	}{
		"code": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `<ErrorResponse><Error><Type>Sender</Type><Code>SignatureDoesNotMatch</Code><Message>x-amz-security-token:hunter2</Message></Error></ErrorResponse>`)
		}, "AWS answered SignatureDoesNotMatch"},
		"code that is none": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `<ErrorResponse><Error><Code>hunter2/secret</Code></Error></ErrorResponse>`)
		}, "status 403"},
		"no XML": {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `hunter2`) }, "find AWS credentials: "},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL+"/hunter2", http.StatusTemporaryRedirect)
		}, "AWS answered with status 307"},
		"huge": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, "<AssumeRoleResponse>")
			for range 1 << 12 {
				if _, err := fmt.Fprint(w, "<x>"+strings.Repeat("hunter2", 100)+"</x>"); err != nil {
					return
				}
			}
		}, "more than"},
		"slow": {func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		}, "deadline exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			alone(t)
			sts(t, test.answer)
			within := time.Minute
			if name == "slow" {
				within = 100 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), within)
			defer cancel()
			if _, err := source(t, role).Token(ctx); err == nil || !strings.Contains(err.Error(), test.fault) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("redirect of a container's endpoint", func(t *testing.T) {
		alone(t)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL+"/hunter2", http.StatusTemporaryRedirect)
		}))
		defer server.Close()
		t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", server.URL)
		if _, err := source(t, mskiam.Config{}).Token(t.Context()); err == nil || !strings.Contains(err.Error(), "redirects are not followed") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("program", func(t *testing.T) {
		dir := alone(t)
		file := filepath.Join(dir, "config")
		if err := os.WriteFile(file, []byte("[default]\ncredential_process = echo hunter2\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Setenv("AWS_CONFIG_FILE", file)
		if _, err := source(t, mskiam.Config{}).Token(t.Context()); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("file", func(t *testing.T) {
		dir := alone(t)
		file := filepath.Join(dir, "credentials")
		if err := os.WriteFile(file, []byte("[default\nhunter2 hunter2\naws_secret_access_key hunter2\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := source(t, mskiam.Config{CredentialsFile: file}).Token(t.Context()); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("got %v", err)
		}
	})
}

func TestNewRefuses(t *testing.T) {
	for name, config := range map[string]mskiam.Config{"no region": {}, "no session": {Region: "eu-west-1", RoleARN: "arn"}} {
		if _, err := mskiam.New(config); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}
