#!/bin/sh
# A device with nothing but curl: it publishes a reading every few seconds, each stored once however
# often it is sent, and obeys commands, also those that were sent while it was off.
#
#   sh device.sh [DEVICE] [READINGS]     READINGS 0, the default: without end
#
# SLUICE is the server, http://127.0.0.1:8080 by default; TOKEN the device's token, if it needs one;
# EVERY the time between two readings in seconds, 5 by default; HEARTBEAT how long the stream of commands
# may be quiet, 15s by default. With BAD=1 the readings are no numbers, and are rejected. Readings on their
# way and the position among the commands are in files DEVICE.*.
set -u

server=${SLUICE:-http://127.0.0.1:8080}
device=${1:-pump-7}
readings=${2:-0}
every=${EVERY:-5}
position=$device.position
pipe=$device.pipe

# request becomes curl. The token is in no argument, where other users of the machine could read it.
request() {
  [ -n "${TOKEN:-}" ] || exec curl -sS "$@"
  exec curl -sS -K - "$@" << END
header = "Authorization: Bearer $TOKEN"
END
}

random() { od -An -N4 -tu4 /dev/urandom | tr -d ' '; }

# measure FILE ID writes a reading to disk before it is sent for the first time.
measure() {
  temp=$(awk -v seed="$(random)" 'BEGIN { srand(seed); printf "%.2f", 20 + 3 * rand() }')
  [ -n "${BAD:-}" ] && temp='"n/a"'
  printf '{"message_id":"%s","key":"%s","data":{"device":"%s","site":"device.sh","measured_at":%s000,"temp_c":%s}}' \
    "$2" "$device" "$device" "$(date +%s)" "$temp" > "$1.new"
  mv "$1.new" "$1" # a file that is there is whole
}

# wait_for ANSWER BOUND waits for as long as the server asks for, and a random time up to the bound.
wait_for() {
  asked=$(sed -n 's/.*"retry_after_ms":\([0-9]*\).*/\1/p' "$1")
  sleep "$(awk -v asked="${asked:-0}" -v bound="$2" -v seed="$(random)" 'BEGIN { srand(seed); print asked / 1000 + rand() * bound }')"
}

# deliver FILE sends a reading until it is known what has become of it. As each attempt has the same
# message id, the server stores it once, also if an answer was lost.
deliver() {
  bound=1
  while [ -s "$1" ]; do
    : > "$1.answer"
    status=$(request -m 40 -o "$1.answer" -w '%{http_code}' -H 'Content-Type: application/json' \
      --data-binary "@$1" "$server/v1/streams/iot.telemetry/records")
    again=no
    case $status in
    200) echo "stored $(cat "$1.answer")" ;;
    202) echo "rejected $(cat "$1.answer")" ;;
    401) echo "another token is needed: $(cat "$1.answer")" >&2 && exit 1 ;; # the reading stays on disk
    000 | 5??) grep -q '"retryable":false' "$1.answer" || again=yes ;; # also the answer of a proxy
    *) grep -q '"retryable":true' "$1.answer" && again=yes ;;
    esac
    if [ $again = yes ]; then
      echo "again, after status $status" >&2
      wait_for "$1.answer" $bound
      bound=$((bound < 16 ? 2 * bound : 30))
      continue
    fi
    case $status in 20?) ;; *) echo "refused $(cat "$1.answer")" ;; esac
    rm -f "$1" "$1.answer"
  done
}

# obey does what a command says. Its reading has an id that follows from the command, so that a command
# that comes again after a crash is no second reading.
obey() {
  echo "command $1"
  case $1 in
  *'"command":"measure"'*)
    offset=$(printf '%s' "$1" | sed -n 's/.*"offset":\([0-9]*\).*/\1/p')
    deliver "$device.command"
    measure "$device.command" "$device-command-$offset"
    deliver "$device.command"
    ;;
  esac
}

# follow reads the commands as server-sent events. Each has its position as id, which is stored when the
# command was obeyed; the next request goes on after it.
follow() {
  trap 'kill "$curl" 2> /dev/null; exit' TERM
  while kill -0 $$ 2> /dev/null; do
    request -N -G -w '\nstatus %{http_code}\n' --speed-limit 1 --speed-time 60 --data-urlencode "key=$device" \
      -d "heartbeat=${HEARTBEAT:-15s}" --data-urlencode "from=$(cat "$position" 2> /dev/null || echo latest)" \
      "$server/v1/streams/iot.commands/events" > "$pipe" &
    curl=$!
    event=
    while IFS= read -r line && kill -0 $$ 2> /dev/null; do # as long as the main program runs
      case $line in
      data:*'"type":"event"'*) event=${line#data: } ;;
      id:*)
        [ -n "$event" ] && obey "$event"
        event=
        printf '%s' "${line#id: }" > "$position.new" && mv "$position.new" "$position"
        ;;
      'status 400' | 'status 410') rm -f "$position" ;; # it is no position any more
      'status 4'*) echo "no commands: $line" >&2 ;;
      esac
    done < "$pipe"
    kill "$curl" 2> /dev/null
    sleep 2
  done
}

rm -f "$pipe" && mkfifo "$pipe" || exit 1
follow &
follower=$!
trap 'kill "$follower"; rm -f "$pipe"' EXIT
trap exit INT TERM

deliver "$device.reading" # what was on its way when it stopped
deliver "$device.command"
sent=0
while [ "$readings" -eq 0 ] || [ $sent -lt "$readings" ]; do
  measure "$device.reading" "$device-$(date +%s)-$(random)"
  deliver "$device.reading"
  sent=$((sent + 1))
  if [ $sent -ne "$readings" ]; then
    sleep "$every" &
    wait $! # which a signal ends
  fi
done
