package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

const nodeProgram = `
import * as sluice from "./sluice.js";
import * as centrifuge from "./centrifuge.js";
import { whole } from "./clients.js";
const [which, url, total, step] = process.argv.slice(2);
const memory = () => {
  gc();
  return process.memoryUsage().heapUsed;
};
console.log(JSON.stringify(await whole({ sluice, centrifuge }, which, url, Number(total), Number(step), memory)));
process.exit();
`

// inNode has a client take all events in Node.js.
func inNode(ctx context.Context, s *source, client int) (t taken, err error) {
	main := filepath.Join(s.dir, "main.js")
	if err := os.WriteFile(main, []byte(nodeProgram), 0o600); err != nil {
		return t, fmt.Errorf("write program: %w", err)
	}
	cmd := exec.CommandContext(ctx, "node", "--expose-gc", "--experimental-websocket", "--no-warnings", main,
		strconv.Itoa(client), s.URL+"/", strconv.Itoa(s.total), strconv.Itoa(s.step))
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return t, fmt.Errorf("run Node.js: %w: %s", err, errs.Bytes())
	}
	if err := json.Unmarshal(out, &t); err != nil {
		return t, fmt.Errorf("read what was measured: %w", err)
	}
	return t, nil
}
