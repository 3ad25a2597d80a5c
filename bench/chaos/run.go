package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sluice/bench/check"
	"sluice/bench/clients"
)

// config configures a run.
type config struct {
	whole   time.Duration // how long faults are injected
	seed    uint64
	clients int
	rate    int // records a second
	// bootstrap is bootstrapAll or bootstrapOne.
	bootstrap string
	say       func(format string, args ...any)
	// logs is the directory to which the servers' logs are copied if something is
	// wrong; empty for none.
	logs string
}

// drainWithin bounds how long subscribers may take to receive everything, once all
// servers are repaired.
const drainWithin = 2 * time.Minute

// errAnomalies is the error of a run with anomalies, which were already printed.
var errAnomalies = errors.New("there are anomalies")

// run does the whole run: start, faults, repair, drain, comparison.
func run(ctx context.Context, c config) (err error) {
	c.say("seed %d: %v, %d subscribers, %d records a second; again with: make chaos CHAOS_TIME=%v SEED=%d BOOTSTRAP=%s",
		c.seed, c.whole, c.clients, c.rate, c.whole, c.seed, c.bootstrap)
	ctx, cancel := context.WithTimeout(ctx, 2*c.whole+10*time.Minute)
	defer cancel()
	stage, err := raise(ctx, c.bootstrap)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil && c.logs != "" {
			err = errors.Join(err, stage.keepLogs(c.logs))
			c.say("logs are kept in %s", c.logs)
			for _, line := range stage.truncations() {
				c.say("%s", line)
			}
		}
		err = errors.Join(err, stage.Close())
	}()

	s := &storm{stage: stage, say: c.say, struck: make(map[string]int)}
	s.crowd = gather(c.clients, c.seed, stage.balancer.Addr, s.forgotten.Load)
	subscribed, drained := context.WithCancel(ctx)
	defer drained()
	s.unclean = newUnclean(stage.balancer.Addr)
	s.crowd.all = append(s.crowd.all, s.unclean.readers...)
	s.crowd.run(subscribed)
	s.writers = write(ctx, c.rate, stage.Bootstrap(), stage.balancer.Addr)
	s.unclean.write(ctx, stage.Bootstrap())
	s.began = time.Now()
	errRage := s.rage(ctx, plan(c.seed, c.whole), c.whole)
	wait(ctx, time.Until(s.began.Add(c.whole)))
	c.say("%6.1fs  all is mended; what was written drains", time.Since(s.began).Seconds())

	s.writers.stop()
	s.unclean.stop()
	c.say("%6.1fs  writers have their answers", time.Since(s.began).Seconds())
	s.crowd.calm.Store(true)
	if err := errors.Join(errRage, s.whole(ctx)); err != nil {
		drained()
		s.crowd.wait()
		return err
	}
	err = errors.Join(clients.WriteEnds(ctx, stage.Bootstrap(), topic, partitions), clients.WriteEnds(ctx, stage.Bootstrap(), uncleanTopic, 1))
	if err != nil {
		drained()
		s.crowd.wait()
		return err
	}
	late := time.AfterFunc(drainWithin, drained)
	defer late.Stop()
	contents, errRead := clients.ReadLog(ctx, stage.Bootstrap(), topic, partitions)
	left, errLeft := clients.ReadLog(ctx, stage.Bootstrap(), uncleanTopic, 1)
	errRead = errors.Join(errRead, errLeft)
	if errRead != nil {
		drained()
		s.crowd.wait()
		return errRead
	}
	c.say("%6.1fs  a plain client has read %d records", time.Since(s.began).Seconds(), contents.Log.Len())
	missing := s.crowd.wait()
	if last := s.crowd.lastly.Load(); last != nil {
		c.say("%6.1fs  subscribers have everything, %s as the last", last.at.Sub(s.began).Seconds(), last.name)
	}
	return s.verdict(contents, left, missing)
}

// reports compares everything with the log.
func (s *storm) reports(contents *clients.Contents) (received, answered, plain *check.Report) {
	received = check.Subscribers(contents.Log, nil)
	for _, sub := range s.crowd.all {
		if sub.Stream == uncleanStream {
			continue
		}
		log := contents.Log
		if len(sub.Keys) > 0 {
			log = contents.Of(sub.Keys)
		}
		received.Add(check.Subscribers(log, []*check.Journal{&sub.Journal}))
	}
	for _, sub := range s.crowd.without {
		received.Add(check.Subscribers(contents.Log, []*check.Journal{&sub.Journal}))
	}
	return received, check.Publishers(contents.Log, s.writers.sent), check.Publishers(contents.Log, s.writers.plain)
}

func (s *storm) verdict(contents, left *clients.Contents, missing []error) error {
	received, answered, plain := s.reports(contents)
	say := s.say
	say("\nwhat struck: %s", sums(s.struck))
	say("in the topic: %d visible records, %d aborted", contents.Visible, contents.Aborted)
	say("subscribers: %d deliveries compared, %d repeated within what is allowed, %d reconnects, %d of them not the client's doing; told: %s",
		received.Delivered, received.Repeated, received.Reconnects, s.crowd.broken.Load(), told(s.crowd.all))
	unclean, gaps := s.unclean.judge(left.Log)
	say("of %s, %d confirmed records were lost by Kafka in %d strikes, %d are left; its %d subscribers had %d deliveries, %d of them again, and were told %d times",
		uncleanTopic, s.unclean.lost.Load(), s.struck[fmt.Sprintf("%s %s", laneKafka, electedUnclean)], left.Visible,
		len(s.unclean.readers), unclean.Delivered, unclean.Repeated, gaps)
	say("without a right: %d tried, and were told: %s", len(s.crowd.without), told(s.crowd.without))
	counts := make(map[check.Answer]int)
	for _, p := range s.writers.sent {
		counts[p.Answer]++
	}
	say("published through Sluice: %d records: %d stored, %d not stored, %d unknown; by plain producers: %d",
		len(s.writers.sent), counts[check.Stored], counts[check.NotStored], counts[check.Unknown], len(s.writers.plain))

	say("%s", onceOf(s.writers.sent))

	var anomalies []string
	for name, report := range map[string]*check.Report{"subscribers": received, "publishers": answered, "plain producers, which is Kafka's own": plain, "subscribers of " + uncleanTopic: unclean} {
		if err := report.Err(); err != nil {
			anomalies = append(anomalies, fmt.Sprintf("%s:\n%v", name, err))
		}
	}
	for _, err := range missing {
		anomalies = append(anomalies, "does not drain: "+err.Error())
	}
	for _, sub := range s.crowd.all {
		for _, remark := range sub.Remarks {
			anomalies = append(anomalies, sub.Name+": "+remark)
		}
	}
	for _, odd := range s.writers.odd {
		anomalies = append(anomalies, "writer: "+odd)
	}
	for _, odd := range s.unclean.odd {
		anomalies = append(anomalies, "writer of "+uncleanTopic+": "+odd)
	}
	if s.unclean.lost.Load() > 0 && gaps == 0 {
		anomalies = append(anomalies, "Kafka lost records that subscribers had, and none was told")
	}
	for _, missed := range s.missed {
		anomalies = append(anomalies, "fault: "+missed)
	}
	if len(anomalies) == 0 {
		say("anomalies: none")
		return nil
	}
	say("anomalies:")
	for _, anomaly := range anomalies {
		say("%s", anomaly)
	}
	return errAnomalies
}
