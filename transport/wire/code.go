package wire

// Code names a fault. It is also the label under which faults are counted.
type Code string

// The codes.
const (
	BadRequest          Code = "bad_request"
	BadCursor           Code = "bad_cursor"
	BadFilter           Code = "bad_filter"
	CursorTooLarge      Code = "cursor_too_large"
	ReservedHeader      Code = "reserved_header"
	AlreadySubscribed   Code = "already_subscribed"
	Unauthenticated     Code = "unauthenticated"
	AuthTimeout         Code = "auth_timeout"
	TokenExpired        Code = "token_expired"
	Revoked             Code = "revoked"
	Forbidden           Code = "forbidden"
	UnknownStream       Code = "unknown_stream"
	UnknownPath         Code = "unknown_path"
	MethodNotAllowed    Code = "method_not_allowed"
	TopicMissing        Code = "topic_missing"
	NoSchema            Code = "no_schema"
	IdempotencyConflict Code = "idempotency_conflict"
	Retention           Code = "retention"
	LogChanged          Code = "log_changed"
	Truncated           Code = "truncated"
	CursorLost          Code = "cursor_lost"
	TooLarge            Code = "too_large"
	RecordTooLarge      Code = "record_too_large"
	Invalid             Code = "invalid"
	DeadLettered        Code = "dead_lettered"
	FilterFailed        Code = "filter_failed"
	RateLimited         Code = "rate_limited"
	TooManySessions     Code = "too_many_sessions"
	SubscriptionLimit   Code = "subscription_limit"
	CursorLimit         Code = "cursor_limit"
	Internal            Code = "internal"
	Draining            Code = "draining"
	Overloaded          Code = "overloaded"
	PublishUnavailable  Code = "publish_unavailable"
	PublishUnknown      Code = "publish_unknown"
	SlowConsumer        Code = "slow_consumer"
	StreamChanged       Code = "stream_changed"
	RightsChanged       Code = "rights_changed"
	NoPong              Code = "no_pong"
	Superseded          Code = "superseded"
	CursorMoved         Code = "cursor_moved"
	TooManyErrors       Code = "too_many_errors"
	Kicked              Code = "kicked"
	UnknownSession      Code = "unknown_session"
)

// Action is what a client should do about a fault.
type Action string

// The actions. One code, PublishUnknown, has none, unless the record has a message id.
const (
	// Stop: repeating the same request makes no sense.
	Stop Action = "stop"
	// Reauthenticate: reconnect with a new credential.
	Reauthenticate Action = "reauthenticate"
	// Resync: the position cannot be used, or no longer; go on without it.
	Resync Action = "resync"
	// Resume: reconnect with the last cursor, after the hinted wait if there is
	// one.
	Resume Action = "resume"
)

// Info is the table's entry for a code.
type Info struct {
	// HTTP is the status before a stream has begun, 0 if the code occurs only
	// later.
	HTTP int
	// Close is the WebSocket close code (RFC 6455, section 7.4) if the fault ends
	// a connection, 0 if it never does.
	Close int
	// Retryable means that the same request can succeed later.
	Retryable bool
	Action    Action
}

// Info returns the table's entry for a code. A code that is not in the table is
// treated as Internal.
func (c Code) Info() Info {
	if info, ok := codes[c]; ok {
		return info
	}
	return codes[Internal]
}

// Codes returns a copy of the table, for what is generated from it.
func Codes() map[Code]Info {
	all := make(map[Code]Info, len(codes))
	for code, info := range codes {
		all[code] = info
	}
	return all
}

// codes is the only table of codes. Close codes from 4000 to 4499 make clients come
// back, those from 4300 to 4399 without their position, and those from 4500 make
// them stop.
var codes = map[Code]Info{
	BadRequest:        {HTTP: 400, Close: 4500, Action: Stop},
	BadCursor:         {HTTP: 400, Close: 4305, Action: Resync},
	BadFilter:         {HTTP: 400, Close: 4500, Action: Stop},
	CursorTooLarge:    {HTTP: 400, Close: 4306, Action: Resync},
	ReservedHeader:    {HTTP: 400, Close: 4500, Action: Stop},
	AlreadySubscribed: {HTTP: 400, Close: 4500, Action: Stop},

	Unauthenticated: {HTTP: 401, Close: 4501, Action: Stop},
	AuthTimeout:     {HTTP: 401, Close: 4502, Action: Stop},
	TokenExpired:    {HTTP: 401, Close: 4201, Action: Reauthenticate},
	Revoked:         {HTTP: 401, Close: 4501, Action: Reauthenticate},
	Forbidden:       {HTTP: 403, Close: 4503, Action: Stop},
	UnknownStream:   {HTTP: 404, Close: 4500, Action: Stop},
	TopicMissing:    {HTTP: 404, Close: 4504, Action: Stop},
	NoSchema:        {HTTP: 404, Action: Stop},

	UnknownPath:      {HTTP: 404, Action: Stop},
	UnknownSession:   {HTTP: 404, Action: Stop},
	MethodNotAllowed: {HTTP: 405, Action: Stop},

	IdempotencyConflict: {HTTP: 409, Action: Stop},

	Retention:  {HTTP: 410, Close: 4301, Action: Resync},
	LogChanged: {HTTP: 410, Close: 4302, Action: Resync},
	CursorLost: {HTTP: 410, Close: 4303, Action: Resync},
	Truncated:  {HTTP: 410, Close: 4304, Action: Resync},

	TooLarge:       {HTTP: 413, Close: 1009, Action: Stop},
	RecordTooLarge: {HTTP: 413, Close: 1009, Action: Stop},
	Invalid:        {HTTP: 422, Action: Stop},
	// Not a fault of a request: the record is kept apart.
	DeadLettered: {HTTP: 202, Action: Stop},
	FilterFailed: {HTTP: 422, Close: 4511, Action: Stop},

	RateLimited:       {HTTP: 429, Close: 4101, Retryable: true, Action: Resume},
	TooManySessions:   {HTTP: 429, Close: 4104, Retryable: true, Action: Resume},
	SubscriptionLimit: {HTTP: 429, Close: 4104, Retryable: true, Action: Resume},
	CursorLimit:       {HTTP: 403, Close: 4505, Action: Stop},

	Internal:           {HTTP: 500, Close: 1011, Retryable: true, Action: Resume},
	Draining:           {HTTP: 503, Close: 1012, Retryable: true, Action: Resume},
	Overloaded:         {HTTP: 503, Close: 1013, Retryable: true, Action: Resume},
	PublishUnavailable: {HTTP: 503, Close: 1013, Retryable: true, Action: Resume},
	// A retry may store the record twice, unless it has a message id (Error.Again).
	PublishUnknown: {HTTP: 504},

	SlowConsumer:  {Close: 4008, Retryable: true, Action: Resume},
	StreamChanged: {HTTP: 503, Close: 4009, Retryable: true, Action: Resume},
	RightsChanged: {HTTP: 503, Close: 4010, Retryable: true, Action: Resume},
	NoPong:        {Close: 4012, Retryable: true, Action: Resume},
	TooManyErrors: {Close: 4509, Action: Stop},
	Superseded:    {Close: 4510, Action: Stop},
	CursorMoved:   {HTTP: 410, Close: 4307, Action: Resync},
	Kicked:        {Close: 4512, Action: Stop},
}

// Close codes of RFC 6455 (section 7.4.1) that belong to no code of the table.
const (
	CloseFinished      = 1000
	CloseProtocolError = 1002
	CloseUnsupported   = 1003
	CloseInvalidText   = 1007
	CloseFlood         = 1008
)
