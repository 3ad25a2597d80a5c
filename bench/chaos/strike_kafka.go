package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"sluice/bench/stack"
)

func (s *storm) strikeKafka(ctx context.Context, f fault) (string, error) {
	victim := s.stage.Brokers[f.target]
	if err := s.whole(ctx); err != nil {
		return "", err
	}
	if f.kind == electedUnclean {
		shown, err := s.electUncleanly(ctx)
		if healed := s.whole(ctx); healed != nil {
			return shown, healed
		}
		return shown, err
	}
	var before []stack.Partition
	var err error
	// A broker that has just started becomes leader again soon.
	_ = until(ctx, worthStriking, func() error {
		before, err = s.stage.Partitions(ctx, topic)
		if err == nil && !slices.ContainsFunc(before, func(p stack.Partition) bool { return p.Leader == victim.ID }) {
			return errMissed
		}
		return err
	})
	if err != nil {
		return "", err
	}
	var shown string
	switch f.kind {
	case killed, stopped:
		shown, err = s.endBroker(ctx, f, victim, before)
	case paused:
		shown, err = s.pauseBroker(ctx, f.lasts, victim, before)
	case killedTwo:
		shown, err = s.killBrokers(ctx, f.lasts, victim, s.stage.Brokers[(f.target+1)%brokers])
	case killedAll:
		shown, err = s.killBrokers(ctx, f.lasts, s.stage.Brokers...)
	default:
		err = fmt.Errorf("no such fault: %s", f.kind)
	}
	if healed := s.whole(ctx); healed != nil {
		return shown, healed
	}
	return shown, err
}

func (s *storm) endBroker(ctx context.Context, f fault, victim *stack.Broker, before []stack.Partition) (string, error) {
	end := func() (string, error) { return kill(victim.Server) }
	if f.kind == stopped {
		end = func() (string, error) { return by(victim.Server, victim.Stop) }
	}
	shown, err := end()
	if err != nil {
		return shown, err
	}
	wait(ctx, f.lasts)
	moved, errMoved := s.moved(ctx, victim, before)
	shown += ", " + moved
	if err := victim.Start(ctx); err != nil {
		return shown, err
	}
	return shown, errMoved
}

func (s *storm) pauseBroker(ctx context.Context, lasts time.Duration, victim *stack.Broker, before []stack.Partition) (string, error) {
	shown, err := pause(ctx, victim.Server, lasts, func(ctx context.Context) error {
		var others []*stack.Broker
		for _, broker := range s.stage.Brokers {
			if broker != victim {
				others = append(others, broker)
			}
		}
		_, err := s.stage.Partitions(ctx, topic, others...)
		return err
	})
	if err != nil {
		return shown, err
	}
	moved, err := s.moved(ctx, victim, before)
	return shown + ", " + moved, err
}

// moved waits until every partition that a broker led has had another leader, which
// the epochs show.
func (s *storm) moved(ctx context.Context, victim *stack.Broker, before []stack.Partition) (string, error) {
	var epochs string
	err := until(ctx, 20*time.Second, func() error {
		after, err := s.stage.Partitions(ctx, topic, victim)
		if err != nil {
			return fmt.Errorf("%w: %w", errMissed, err)
		}
		led, moved := 0, []string{}
		for p := range before {
			if before[p].Leader != victim.ID {
				continue
			}
			led++
			if after[p].Epoch > before[p].Epoch {
				moved = append(moved, fmt.Sprintf("%d:%d to %d", p, before[p].Epoch, after[p].Epoch))
			}
		}
		epochs = "epochs " + strings.Join(moved, " ")
		if led == 0 {
			epochs = "it led nothing"
		}
		if len(moved) < led {
			return fmt.Errorf("%w: of %d partitions that it led %d have a new leader", errMissed, led, len(moved))
		}
		return nil
	})
	return epochs, err
}

// killBrokers kills several brokers at once, so that nothing can be stored.
func (s *storm) killBrokers(ctx context.Context, lasts time.Duration, victims ...*stack.Broker) (string, error) {
	shown := make([]string, len(victims))
	var all errgroup.Group
	for n, victim := range victims {
		all.Go(func() (err error) {
			shown[n], err = kill(victim.Server)
			return err
		})
	}
	if err := all.Wait(); err != nil {
		return strings.Join(shown, " and "), err
	}
	wait(ctx, lasts/4)
	stored := s.writers.stored.Load()
	wait(ctx, lasts-lasts/4)
	more := s.writers.stored.Load() - stored
	what := fmt.Sprintf("%s, %d records stored meanwhile", strings.Join(shown, " and "), more)
	for _, victim := range victims {
		all.Go(func() error { return victim.Start(ctx) })
	}
	if err := all.Wait(); err != nil {
		return what, err
	}
	if more > 0 {
		return what, fmt.Errorf("%w: Kafka still takes records", errMissed)
	}
	return what, nil
}

// whole waits until every partition has a leader and all its replicas are in sync.
func (s *storm) whole(ctx context.Context) error {
	return until(ctx, time.Minute, func() error {
		for name, replicas := range map[string]int{topic: brokers, uncleanTopic: 2} {
			described, err := s.stage.Partitions(ctx, name)
			if err != nil {
				return err
			}
			for p, partition := range described {
				if partition.Leader < 0 || len(partition.InSync) < replicas {
					return fmt.Errorf("partition %d of %s is led by %d, and in sync are %v", p, name, partition.Leader, partition.InSync)
				}
			}
		}
		return nil
	})
}
