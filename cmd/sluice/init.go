package main

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/template"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"sluice/cmd/sluice/config"
)

// initial is the configuration that init writes, with the answers filled in.
//
//go:embed init.yaml.tmpl
var initial string

// answers are what init is told.
type answers struct {
	Brokers  []string
	Streams  []string // NAME or NAME=TOPIC
	Issuer   string
	Audience string
	Redis    string
	Public   bool
}

// question is one that init asks where no flag answers.
type question struct {
	flag, text, example string
	answer              func(string)
}

func newInit() *cobra.Command {
	var (
		a      answers
		output string
	)
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write a commented configuration to begin with",
		Long: `Init writes a configuration for serve, short and with comments, from its flags. In a
terminal it asks for what no flag says; an empty answer takes what stands in brackets. The
result is checked as by sluice check. A file that exists is not replaced.

With --public everybody may read the streams; otherwise only tokens of the issuer give
rights, which the comments in the file show how to adapt.`,
		Example: `  sluice init
  sluice init --brokers kafka-1:9092,kafka-2:9092 --stream orders=orders.v1 --issuer https://id.example.com -o sluice.yaml
  sluice init --brokers kafka-1:9092 --stream public.news --public`,
		Args: cobra.NoArgs,
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&a.Brokers, "brokers", []string{"127.0.0.1:9092"}, "`addresses` of brokers of Kafka")
	flags.StringArrayVar(&a.Streams, "stream", nil, "`NAME` of a stream, or NAME=TOPIC if its topic has another name; may be repeated")
	flags.StringVar(&a.Issuer, "issuer", "", "`URL` of the OpenID provider whose tokens clients have")
	flags.StringVar(&a.Audience, "audience", "sluice", "the `audience` of those tokens")
	flags.StringVar(&a.Redis, "redis", "", "`URL` of Redis, which keeps positions and message ids")
	flags.BoolVar(&a.Public, "public", false, "let everybody read the streams, without a token")
	flags.StringVarP(&output, "output", "o", "", "`file` to write; without it, standard output")
	_ = cmd.MarkFlagFilename("output", "yaml", "yml")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if isTerminal(cmd.InOrStdin()) {
			if err := ask(cmd, &a); err != nil {
				return err
			}
		}
		text, err := a.configuration()
		if err != nil {
			return err
		}
		if output == "" {
			_, err = io.WriteString(cmd.OutOrStdout(), text)
			return err
		}
		if err := writeNew(output, text); err != nil {
			return err
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "sluice: %s is written. Next:\n  sluice check --config %[1]s --connect\n  sluice serve --config %[1]s\n", output)
		return nil
	}
	return cmd
}

// isTerminal reports whether a person can be asked.
func isTerminal(in io.Reader) bool {
	f, ok := in.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// ask asks for what no flag has said.
func ask(cmd *cobra.Command, a *answers) error {
	questions := []question{
		{"brokers", "Brokers of Kafka", strings.Join(a.Brokers, ","), func(s string) { a.Brokers = strings.Split(s, ",") }},
		{"stream", "Streams, as NAME or NAME=TOPIC", "orders", func(s string) { a.Streams = strings.Split(s, ",") }},
		{"issuer", "URL of your OpenID provider, or public if everybody may read", "public", func(s string) {
			if a.Public = s == "public"; !a.Public {
				a.Issuer = s
			}
		}},
		{"redis", "URL of Redis, or none", "none", func(s string) {
			if s != "none" {
				a.Redis = s
			}
		}},
	}
	lines := bufio.NewScanner(cmd.InOrStdin())
	for _, q := range questions {
		if cmd.Flags().Changed(q.flag) || q.flag == "issuer" && a.Public {
			continue
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "%s [%s]: ", q.text, q.example)
		if err := scan(cmd.Context(), lines); err != nil {
			fmt.Fprintln(cmd.ErrOrStderr()) // what follows is not in the line of the question
			return err
		}
		answer := strings.ReplaceAll(strings.TrimSpace(lines.Text()), " ", "")
		if answer == "" {
			answer = q.example
		}
		q.answer(answer)
	}
	return nil
}

// scan waits for a line. The read of a terminal cannot be given up: when the context ends, the
// goroutine in it is left to end with the process.
func scan(ctx context.Context, lines *bufio.Scanner) error {
	read := make(chan bool, 1)
	go func() { read <- lines.Scan() }()
	select {
	case ok := <-read:
		if !ok {
			return errors.Join(usage("the questions are not answered"), lines.Err())
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("nothing is written: %w", context.Cause(ctx))
	}
}

// configuration returns the text of the file. What is wrong with the answers is an error in
// the words of check.
func (a *answers) configuration() (string, error) {
	if a.Issuer == "" && !a.Public {
		return "", usage("no client could read the streams: name the --issuer of their tokens, or use --public")
	}
	if len(a.Streams) == 0 {
		return "", usage("--stream is required: NAME, or NAME=TOPIC")
	}
	var text strings.Builder
	quote := func(what any) (string, error) {
		b, err := json.Marshal(what) // which is YAML, too
		return string(b), err
	}
	topic := func(stream string) (named [2]string) {
		name, topic, ok := strings.Cut(stream, "=")
		if !ok {
			topic = name
		}
		return [2]string{name, topic}
	}
	made, err := template.New("").Funcs(template.FuncMap{"quote": quote, "topic": topic}).Parse(initial)
	if err != nil {
		return "", err
	}
	if err := made.Execute(&text, a); err != nil {
		return "", err
	}
	if _, err := config.Load(config.Options{Text: text.String(), Environ: []string{}}); err != nil {
		return "", err
	}
	return text.String(), nil
}

// writeNew writes a file that does not exist yet.
func writeNew(name, text string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s exists: remove it, or choose another name", name)
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
