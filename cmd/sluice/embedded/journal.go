package embedded

import (
	"context"
	"encoding/gob"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/alicebob/miniredis/v2/server"
	"github.com/redis/go-redis/v9"
)

// journal holds the commands since the last snapshots of Redis, so that a process that is killed
// forgets nothing that it was answered. A command is written before it is executed. After a crash
// the commands are executed again, on top of a snapshot that may have some of them already, and
// those of different connections perhaps in another order: what Sluice keeps in Redis bears that,
// as its commands set values and do not add to them.
//
// What is written is in the hands of the operating system, whose own crash it does not outlive.
type journal struct {
	dir string
	// keeps reports whether a command can change what is kept.
	keeps func(command string) bool

	mu    sync.Mutex // guards what follows
	files []string   // the names of the files, the last one of which is open
	next  int
	file  *os.File
	out   *gob.Encoder
	fault error // of the last write
}

// journalPattern matches the files of a journal, in the order of their names.
const journalPattern = "redis.*.journal"

// passing are commands that change nothing that is kept by themselves. What a script executes is
// seen command by command, and it is these that are kept: the script could decide otherwise the
// next time, as the one does that asks for the time to make a fence.
var passing = strings.Fields("AUTH CLIENT COMMAND DISCARD ECHO EVAL EVALSHA EXEC HELLO INFO MULTI PING PSUBSCRIBE PUBLISH PUNSUBSCRIBE QUIT SCRIPT SELECT SUBSCRIBE TIME UNSUBSCRIBE UNWATCH WATCH")

// newJournal finds the files of a directory.
func newJournal(dir string, readOnly func(string) bool) (*journal, error) {
	files, err := filepath.Glob(filepath.Join(dir, journalPattern))
	if err != nil {
		return nil, fmt.Errorf("find journal: %w", err)
	}
	slices.Sort(files)
	j := &journal{dir: dir, files: files}
	j.keeps = func(command string) bool { return !readOnly(command) && !slices.Contains(passing, command) }
	for _, file := range files {
		var n int
		if _, err := fmt.Sscanf(filepath.Base(file), "redis.%d.journal", &n); err == nil {
			j.next = max(j.next, n+1)
		}
	}
	return j, nil
}

// replay executes the commands of all files again.
func (j *journal) replay(ctx context.Context, client *redis.Client) error {
	for _, name := range j.files {
		if err := replayFile(ctx, client, name); err != nil {
			return fmt.Errorf("replay %s: %w", name, err)
		}
	}
	return nil
}

// replayAtOnce is how many commands are sent together.
const replayAtOnce = 256

func replayFile(ctx context.Context, client *redis.Client, name string) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	in := gob.NewDecoder(file)
	for more := true; more; {
		pipe := client.Pipeline()
		for range replayAtOnce {
			var command []string
			// The last one may be cut off: then it was never executed.
			if more = in.Decode(&command) == nil; !more {
				break
			}
			args := make([]any, len(command))
			for i, arg := range command {
				args[i] = arg
			}
			pipe.Do(ctx, args...)
		}
		// What a command answers was of interest the first time.
		if _, err := pipe.Exec(ctx); err != nil && ctx.Err() != nil {
			return err
		}
	}
	return nil
}

// rotate begins another file. The one before stays, as its last commands may be executed after
// the next snapshot; older ones are removed.
func (j *journal) rotate() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	name := filepath.Join(j.dir, fmt.Sprintf("redis.%012d.journal", j.next))
	file, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("begin journal: %w", err)
	}
	j.close()
	j.next++
	j.files, j.file, j.out = append(j.files, name), file, gob.NewEncoder(file)
	fault := j.fault
	j.fault = nil
	return fault
}

// forget removes the files but the last ones.
func (j *journal) forget(but int) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for len(j.files) > but {
		if err := os.Remove(j.files[0]); err != nil {
			return fmt.Errorf("remove journal: %w", err)
		}
		j.files = j.files[1:]
	}
	return nil
}

// end closes the open file.
func (j *journal) end() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.close()
}

func (j *journal) close() {
	if j.file != nil {
		_ = j.file.Close()
	}
	j.file = nil
}

// note is the hook that sees each command before it is executed.
func (j *journal) note(_ *server.Peer, command string, args ...string) (handled bool) {
	if !j.keeps(command) {
		return false
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file == nil {
		return false
	}
	j.write(append([]string{command}, args...)...)
	return false
}

func (j *journal) write(command ...string) {
	if err := j.out.Encode(command); err != nil && j.fault == nil {
		j.fault = fmt.Errorf("write journal: %w", err)
	}
}
