package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"

	"sluice/transport/client"
)

func ExampleClient_Subscribe() {
	c, err := client.New(client.Config{URL: "http://127.0.0.1:8080"})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	for event, err := range c.Subscribe(ctx, client.Request{Stream: "market.ticks", From: client.Last(10)}) {
		if err != nil {
			log.Fatal(err) // a refusal; lost connections are events
		}
		switch event := event.(type) {
		case client.Record:
			fmt.Printf("%s %s\n", event.Key, event.Data)
		case client.Gap:
			fmt.Printf("%d records are missing: %s\n", event.To-event.From, event.Reason)
		case client.Disconnected:
			fmt.Printf("%v, again in %v\n", event.Err, event.Retry)
		}
	}
}

// The server keeps the position: the next process continues where this one
// stopped.
func ExampleSubscription_Ack() {
	c, err := client.New(client.Config{URL: "http://127.0.0.1:8080"})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	sub := c.NewSubscription(client.Request{Stream: "shop.orders", CursorName: "billing", From: client.Earliest})
	handled := 0
	for event, err := range sub.Events(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		if _, ok := event.(client.Record); !ok {
			continue
		}
		// Handle the record, then ack from time to time.
		if handled++; handled%100 == 0 {
			if err := sub.Ack(ctx); err != nil {
				log.Print(err) // the next ack includes it
			}
		}
	}
}

func ExampleClient_Publish() {
	c, err := client.New(client.Config{URL: "http://127.0.0.1:8080"})
	if err != nil {
		log.Fatal(err)
	}
	data, err := json.Marshal(map[string]any{"temp_c": 21.7})
	if err != nil {
		log.Fatal(err)
	}
	stored, err := c.Publish(context.Background(), "iot.telemetry", client.Message{Key: []byte("dev-1"), Data: data})
	switch {
	case errors.Is(err, client.ErrMaybeStored):
		fmt.Println("it may be stored:", err)
	case err != nil:
		fmt.Println("it is not stored:", err)
	default:
		fmt.Printf("stored at %d:%d\n", stored.Partition, stored.Offset)
	}
}
