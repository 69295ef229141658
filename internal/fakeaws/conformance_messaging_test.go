package fakeaws_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	snstypes "github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// topic makes a topic; fifo ones have the ending that they need.
func (p *probe) topic(fifo bool) string {
	p.t.Helper()
	in := &sns.CreateTopicInput{Name: aws.String(p.name("topic"))}
	if fifo {
		in.Name, in.Attributes = aws.String(*in.Name+".fifo"), map[string]string{"FifoTopic": "true"}
	}
	out, err := p.sns.CreateTopic(p.ctx, in)
	p.must(err)
	return *out.TopicArn
}

// queue makes a queue and returns its URL and ARN.
func (p *probe) queue(fifo bool) (url, arn string) {
	p.t.Helper()
	in := &sqs.CreateQueueInput{QueueName: aws.String(p.name("queue"))}
	if fifo {
		in.QueueName, in.Attributes = aws.String(*in.QueueName+".fifo"), map[string]string{"FifoQueue": "true"}
	}
	out, err := p.sqs.CreateQueue(p.ctx, in)
	p.must(err)
	a, err := p.sqs.GetQueueAttributes(p.ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: out.QueueUrl, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameQueueArn},
	})
	p.must(err)
	return *out.QueueUrl, a.Attributes["QueueArn"]
}

// subscribed makes a topic and a queue that gets what is published there.
func (p *probe) subscribed(fifo bool, attributes map[string]string) (topic, queue string) {
	p.t.Helper()
	topic = p.topic(fifo)
	queue, arn := p.queue(fifo)
	_, err := p.sns.Subscribe(
		p.ctx,
		&sns.SubscribeInput{TopicArn: &topic, Protocol: aws.String("sqs"), Endpoint: &arn, Attributes: attributes},
	)
	p.must(err)
	return topic, queue
}

func raw() map[string]string { return map[string]string{"RawMessageDelivery": "true"} }

func (p *probe) publish(in sns.PublishInput) error {
	_, err := p.sns.Publish(p.ctx, &in)
	return err
}

// receive takes n messages, waiting for a second at most, and deletes them.
func (p *probe) receive(queue string, n int) []sqstypes.Message {
	p.t.Helper()
	var got []sqstypes.Message
	for range n + 1 {
		if len(got) >= n {
			break
		}
		out, err := p.sqs.ReceiveMessage(p.ctx, &sqs.ReceiveMessageInput{
			QueueUrl: &queue, MaxNumberOfMessages: 10, WaitTimeSeconds: 1, MessageAttributeNames: []string{"All"},
			MessageSystemAttributeNames: []sqstypes.MessageSystemAttributeName{sqstypes.MessageSystemAttributeNameAll},
		})
		p.must(err)
		for _, m := range out.Messages {
			_, err := p.sqs.DeleteMessage(
				p.ctx, &sqs.DeleteMessageInput{QueueUrl: &queue, ReceiptHandle: m.ReceiptHandle},
			)
			p.must(err)
		}
		got = append(got, out.Messages...)
	}
	return got
}

func bodies(messages []sqstypes.Message) string {
	s := make([]string, len(messages))
	for i, m := range messages {
		s[i] = *m.Body
	}
	return strings.Join(s, ",")
}

func sorted(list string) string {
	s := strings.Split(list, ",")
	slices.Sort(s)
	return strings.Join(s, ",")
}

// failures lists the failed entries of a batch.
func failures(out *sns.PublishBatchOutput) string {
	var s []string
	for _, f := range out.Failed {
		s = append(s, fmt.Sprintf("%s:%s:%t", *f.Id, *f.Code, f.SenderFault))
	}
	slices.Sort(s)
	return strings.Join(s, ",")
}

func messagingBehaviours() []behaviour {
	return slices.Concat(
		topicBehaviours(), publishBehaviours(), batchBehaviours(), deliveryBehaviours(), queueBehaviours(),
	)
}

func topicBehaviours() []behaviour {
	return []behaviour{
		{
			name: "creating a topic again gives the same ARN", want: "true; arn:aws:sns:us-east-1:000000000000",
			observe: func(p *probe) string {
				name := p.name("topic")
				first, err := p.sns.CreateTopic(p.ctx, &sns.CreateTopicInput{Name: &name})
				p.must(err)
				second, err := p.sns.CreateTopic(p.ctx, &sns.CreateTopicInput{Name: &name})
				p.must(err)
				return observations(*first.TopicArn == *second.TopicArn, strings.TrimSuffix(*first.TopicArn, ":"+name))
			},
		},
		{name: "a missing topic is not found", want: "NotFound; NotFound; NotFound", observe: func(p *probe) string {
			arn := aws.String("arn:aws:sns:us-east-1:000000000000:" + p.name("missing"))
			_, attributes := p.sns.GetTopicAttributes(p.ctx, &sns.GetTopicAttributesInput{TopicArn: arn})
			_, batch := p.sns.PublishBatch(p.ctx, &sns.PublishBatchInput{
				TopicArn: arn,
				PublishBatchRequestEntries: []snstypes.PublishBatchRequestEntry{
					{Id: aws.String("a"), Message: aws.String("x")},
				},
			})
			return observations(attributes, p.publish(sns.PublishInput{TopicArn: arn, Message: aws.String("x")}), batch)
		}},
		{name: "a FIFO topic says so", want: "true; false", observe: func(p *probe) string {
			ask := func(arn string) string {
				out, err := p.sns.GetTopicAttributes(p.ctx, &sns.GetTopicAttributesInput{TopicArn: &arn})
				p.must(err)
				return fmt.Sprint(out.Attributes["FifoTopic"] == "true")
			}
			return observations(ask(p.topic(true)), ask(p.topic(false)))
		}},
	}
}

func publishBehaviours() []behaviour {
	long := strings.Repeat("x", 256<<10)
	return []behaviour{
		{
			name: "a message is 1 byte to 256 KiB", want: "ok; InvalidParameter; InvalidParameter",
			observe: func(p *probe) string {
				topic := p.topic(false)
				return observations(p.publish(sns.PublishInput{TopicArn: &topic, Message: &long}), p.publish(
					sns.PublishInput{TopicArn: &topic, Message: aws.String(long + "x")},
				),
					p.publish(sns.PublishInput{TopicArn: &topic, Message: aws.String("")}))
			},
		},
		{name: "attributes count into the size", want: "InvalidParameter", observe: func(p *probe) string {
			topic := p.topic(false)
			return observations(p.publish(sns.PublishInput{
				TopicArn: &topic, Message: aws.String(long[:256<<10-4]),
				MessageAttributes: map[string]snstypes.MessageAttributeValue{
					"name": {DataType: aws.String("String"), StringValue: aws.String("value")},
				},
			}))
		}},
		{name: "a subject is one line of less than 100 characters", want: "ok; InvalidParameter; InvalidParameter; " +
			"InvalidParameter", observe: func(p *probe) string {
			topic := p.topic(false)
			var results []any
			for _, subject := range []string{strings.Repeat("s", 99), strings.Repeat("s", 101), "two\nlines", ""} {
				results = append(
					results,
					p.publish(sns.PublishInput{TopicArn: &topic, Message: aws.String("m"), Subject: &subject}),
				)
			}
			return observations(results...)
		}},
		{
			name: "an attribute has a known type and a value", want: "ok; refused; refused; refused",
			observe: func(p *probe) string {
				topic := p.topic(false)
				var results []any
				for _, a := range []snstypes.MessageAttributeValue{
					{DataType: aws.String("String"), StringValue: aws.String("v")},
					{DataType: aws.String("Nope"), StringValue: aws.String("v")},
					{DataType: aws.String("String"), StringValue: aws.String("")},
					{DataType: aws.String("Number"), StringValue: aws.String("many")},
				} {
					c := code(p.publish(sns.PublishInput{
						TopicArn: &topic, Message: aws.String("m"),
						MessageAttributes: map[string]snstypes.MessageAttributeValue{"name": a},
					}))
					if c == "InvalidParameter" || c == "ParameterValueInvalid" || c == "InvalidParameterValue" {
						c = "refused" // the documentation does not say with which of them
					}
					results = append(results, c)
				}
				return observations(results...)
			},
		},
		{
			name: "MessageStructure json needs a default and picks the protocol",
			want: "for queues; InvalidParameter; InvalidParameter", observe: func(p *probe) string {
				topic, queue := p.subscribed(false, raw())
				p.must(p.publish(sns.PublishInput{
					TopicArn: &topic, MessageStructure: aws.String("json"),
					Message: aws.String(`{"default":"for all","sqs":"for queues"}`),
				}))
				return observations(bodies(p.receive(queue, 1)),
					p.publish(sns.PublishInput{
						TopicArn: &topic, MessageStructure: aws.String("json"),
						Message: aws.String(`{"sqs":"for queues"}`),
					}),
					p.publish(sns.PublishInput{
						TopicArn: &topic, MessageStructure: aws.String("json"), Message: aws.String(`not json`),
					}))
			},
		},
		{
			name: "MessageStructure string leaves the message alone", want: `{"default":"x"}`,
			observe: func(p *probe) string {
				topic, queue := p.subscribed(false, raw())
				p.must(p.publish(sns.PublishInput{
					TopicArn: &topic, MessageStructure: aws.String("string"), Message: aws.String(`{"default":"x"}`),
				}))
				return bodies(p.receive(queue, 1))
			},
		},
		{
			name: "a FIFO topic needs group and deduplication id", want: "InvalidParameter; InvalidParameter; ok",
			observe: func(p *probe) string {
				topic := p.topic(true)
				return observations(p.publish(
					sns.PublishInput{
						TopicArn: &topic, Message: aws.String("m"), MessageDeduplicationId: aws.String("d"),
					},
				),
					p.publish(
						sns.PublishInput{TopicArn: &topic, Message: aws.String("m"), MessageGroupId: aws.String("g")},
					),
					p.publish(sns.PublishInput{
						TopicArn: &topic, Message: aws.String("m"), MessageGroupId: aws.String("g"),
						MessageDeduplicationId: aws.String("d"),
					}))
			},
		},
	}
}

func batchBehaviours() []behaviour {
	entry := func(id, message string) snstypes.PublishBatchRequestEntry {
		return snstypes.PublishBatchRequestEntry{Id: &id, Message: &message}
	}
	batch := func(
		p *probe, topic string, entries ...snstypes.PublishBatchRequestEntry,
	) (*sns.PublishBatchOutput, error) {
		return p.sns.PublishBatch(p.ctx, &sns.PublishBatchInput{TopicArn: &topic, PublishBatchRequestEntries: entries})
	}
	refused := func(name, want string, entries ...snstypes.PublishBatchRequestEntry) behaviour {
		return behaviour{name: name, want: want, observe: func(p *probe) string {
			_, err := batch(p, p.topic(false), entries...)
			return code(err)
		}}
	}
	var eleven []snstypes.PublishBatchRequestEntry
	for i := range 11 {
		eleven = append(eleven, entry(fmt.Sprint(i), "m"))
	}
	half := strings.Repeat("x", 128<<10)
	return []behaviour{
		{name: "a batch of ten is delivered", want: "10; ; 0,1,2,3,4,5,6,7,8,9", observe: func(p *probe) string {
			topic, queue := p.subscribed(false, raw())
			var ten []snstypes.PublishBatchRequestEntry
			for i := range 10 {
				ten = append(ten, entry(fmt.Sprint("id-", i), fmt.Sprint(i)))
			}
			out, err := batch(p, topic, ten...)
			p.must(err)
			return observations(len(out.Successful), failures(out), sorted(bodies(p.receive(queue, 10))))
		}},
		refused("eleven entries are too many", "TooManyEntriesInBatchRequest", eleven...),
		refused("no entry is no batch", "EmptyBatchRequest", []snstypes.PublishBatchRequestEntry{}...),
		refused("ids of a batch differ", "BatchEntryIdsNotDistinct", entry("a", "1"), entry("a", "2")),
		refused("ids of a batch are plain", "InvalidBatchEntryId", entry("a b", "1")),
		refused("a batch is 256 KiB in all", "BatchRequestTooLong", entry("a", half), entry("b", half+"x")),
		{name: "an invalid entry fails its batch", want: "InvalidParameter; ", observe: func(p *probe) string {
			topic, queue := p.subscribed(false, raw())
			bad := entry("bad", "x")
			bad.Subject = aws.String("two\nlines")
			_, err := batch(p, topic, entry("good", "fine"), bad)
			out, receive := p.sqs.ReceiveMessage(p.ctx, &sqs.ReceiveMessageInput{QueueUrl: &queue})
			p.must(receive)
			return observations(err, bodies(out.Messages))
		}},
	}
}

func deliveryBehaviours() []behaviour {
	attribute := func(value string) map[string]snstypes.MessageAttributeValue {
		return map[string]snstypes.MessageAttributeValue{
			"severity": {DataType: aws.String("String"), StringValue: &value},
		}
	}
	return []behaviour{
		{
			name: "raw delivery keeps body and attributes", want: "text; severity=String:high",
			observe: func(p *probe) string {
				topic, queue := p.subscribed(false, raw())
				p.must(p.publish(sns.PublishInput{
					TopicArn: &topic, Message: aws.String("text"), Subject: aws.String("lost in raw delivery"),
					MessageAttributes: attribute("high"),
				}))
				m := p.receive(queue, 1)[0]
				a := m.MessageAttributes["severity"]
				return observations(*m.Body, "severity="+aws.ToString(a.DataType)+":"+aws.ToString(a.StringValue))
			},
		},
		{name: "plain delivery wraps the message", want: "Notification; text; subject; true; true; String:high; " +
			"true", observe: func(p *probe) string {
			topic, queue := p.subscribed(false, nil)
			out, err := p.sns.Publish(p.ctx, &sns.PublishInput{
				TopicArn: &topic, Message: aws.String("text"), Subject: aws.String("subject"),
				MessageAttributes: attribute("high"),
			})
			p.must(err)
			var envelope struct {
				Type, MessageId, TopicArn, Subject, Message, Timestamp string
				MessageAttributes                                      map[string]struct{ Type, Value string }
			}
			p.must(json.Unmarshal([]byte(*p.receive(queue, 1)[0].Body), &envelope))
			a := envelope.MessageAttributes["severity"]
			_, err = time.Parse("2006-01-02T15:04:05.000Z", envelope.Timestamp)
			return observations(
				envelope.Type, envelope.Message, envelope.Subject, envelope.TopicArn == topic,
				envelope.MessageId == *out.MessageId, a.Type+":"+a.Value, err == nil,
			)
		}},
		{name: "a filter on attributes lets the fitting message in", want: "in", observe: func(p *probe) string {
			attributes := raw()
			maps.Copy(attributes, map[string]string{"FilterPolicy": `{"severity":["high",{"prefix":"crit"}]}`})
			topic, queue := p.subscribed(false, attributes)
			p.must(p.publish(
				sns.PublishInput{TopicArn: &topic, Message: aws.String("out"), MessageAttributes: attribute("low")},
			))
			p.must(p.publish(
				sns.PublishInput{TopicArn: &topic, Message: aws.String("in"), MessageAttributes: attribute("critical")},
			))
			return bodies(p.receive(queue, 1))
		}},
		{name: "an unsubscribed queue gets nothing more", want: "", observe: func(p *probe) string {
			topic := p.topic(false)
			queue, arn := p.queue(false)
			s, err := p.sns.Subscribe(p.ctx, &sns.SubscribeInput{
				TopicArn: &topic, Protocol: aws.String("sqs"), Endpoint: &arn, ReturnSubscriptionArn: true,
			})
			p.must(err)
			_, err = p.sns.Unsubscribe(p.ctx, &sns.UnsubscribeInput{SubscriptionArn: s.SubscriptionArn})
			p.must(err)
			p.must(p.publish(sns.PublishInput{TopicArn: &topic, Message: aws.String("x")}))
			out, err := p.sqs.ReceiveMessage(p.ctx, &sqs.ReceiveMessageInput{QueueUrl: &queue})
			p.must(err)
			return bodies(out.Messages)
		}},
		{name: "FIFO keeps order and drops what it had", want: "1,2,3", observe: func(p *probe) string {
			topic, queue := p.subscribed(true, raw())
			for _, m := range []string{"1", "2", "1", "3", "2"} {
				p.must(p.publish(sns.PublishInput{
					TopicArn: &topic, Message: &m, MessageGroupId: aws.String("g"),
					MessageDeduplicationId: aws.String("id-" + m),
				}))
			}
			got := bodies(p.receive(queue, 3))
			more, err := p.sqs.ReceiveMessage(p.ctx, &sqs.ReceiveMessageInput{QueueUrl: &queue})
			p.must(err)
			return got + bodies(more.Messages)
		}},
		{name: "FIFO publishes have sequence numbers that grow", want: "true", observe: func(p *probe) string {
			topic := p.topic(true)
			var seqs [2]string
			for i := range seqs {
				out, err := p.sns.Publish(p.ctx, &sns.PublishInput{
					TopicArn: &topic, Message: aws.String("m"), MessageGroupId: aws.String("g"),
					MessageDeduplicationId: aws.String(fmt.Sprint(i)),
				})
				p.must(err)
				seqs[i] = aws.ToString(out.SequenceNumber)
			}
			return observations(seqs[0] != "" && hash(&seqs[0]).Cmp(hash(&seqs[1])) < 0)
		}},
	}
}

func queueBehaviours() []behaviour {
	return []behaviour{
		{
			name: "a missing queue does not exist", want: "QueueDoesNotExist; QueueDoesNotExist",
			observe: func(p *probe) string {
				url, _ := p.queue(false)
				missing := strings.Replace(url, "queue-", "missing-", 1)
				_, send := p.sqs.SendMessage(p.ctx, &sqs.SendMessageInput{
					QueueUrl: &missing, MessageBody: aws.String("x"),
				})
				_, get := p.sqs.GetQueueUrl(p.ctx, &sqs.GetQueueUrlInput{QueueName: aws.String(p.name("missing"))})
				trim := func(err error) string {
					return strings.TrimPrefix(
						strings.Replace(code(err), "NonExistentQueue", "QueueDoesNotExist", 1),
						"AWS.SimpleQueueService.",
					)
				}
				return observations(trim(send), trim(get))
			},
		},
		{
			name: "a received message is hidden until it is deleted or its time is up", want: "x; ; x; 2",
			observe: func(p *probe) string {
				url, _ := p.queue(false)
				_, err := p.sqs.SendMessage(p.ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x")})
				p.must(err)
				take := func(wait int32) []sqstypes.Message {
					out, err := p.sqs.ReceiveMessage(p.ctx, &sqs.ReceiveMessageInput{
						QueueUrl: &url, VisibilityTimeout: 1, WaitTimeSeconds: wait,
						MessageSystemAttributeNames: []sqstypes.MessageSystemAttributeName{
							sqstypes.MessageSystemAttributeNameApproximateReceiveCount,
						},
					})
					p.must(err)
					return out.Messages
				}
				first, hidden := take(0), take(0)
				time.Sleep(1100 * time.Millisecond) // the visibility timeout has whole seconds
				again := take(1)
				return observations(
					bodies(first), bodies(hidden), bodies(again), again[0].Attributes["ApproximateReceiveCount"],
				)
			},
		},
		{name: "a deleted message is gone", want: "x; 0", observe: func(p *probe) string {
			url, _ := p.queue(false)
			_, err := p.sqs.SendMessage(p.ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x")})
			p.must(err)
			got := p.receive(url, 1)
			a, err := p.sqs.GetQueueAttributes(p.ctx, &sqs.GetQueueAttributesInput{
				QueueUrl: &url, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameAll},
			})
			p.must(err)
			return observations(bodies(got), a.Attributes["ApproximateNumberOfMessages"])
		}},
		{name: "attributes of a message come back", want: "x; String:v", observe: func(p *probe) string {
			url, _ := p.queue(false)
			_, err := p.sqs.SendMessage(p.ctx, &sqs.SendMessageInput{
				QueueUrl: &url, MessageBody: aws.String("x"),
				MessageAttributes: map[string]sqstypes.MessageAttributeValue{
					"k": {DataType: aws.String("String"), StringValue: aws.String("v")},
				},
			})
			p.must(err)
			m := p.receive(url, 1)[0]
			return observations(*m.Body, *m.MessageAttributes["k"].DataType+":"+*m.MessageAttributes["k"].StringValue)
		}},
		{name: "a batch of messages is sent", want: "2; 0; a,b", observe: func(p *probe) string {
			url, _ := p.queue(false)
			out, err := p.sqs.SendMessageBatch(p.ctx, &sqs.SendMessageBatchInput{
				QueueUrl: &url,
				Entries: []sqstypes.SendMessageBatchRequestEntry{
					{Id: aws.String("1"), MessageBody: aws.String("a")},
					{Id: aws.String("2"), MessageBody: aws.String("b")},
				},
			})
			p.must(err)
			return observations(len(out.Successful), len(out.Failed), sorted(bodies(p.receive(url, 2))))
		}},
	}
}
