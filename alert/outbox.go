package alert

// outbox makes the alerts of the record or tick at hand.
type outbox struct {
	stream, shard string
	// generation is how often the shard was rewound.
	generation uint32
	in         *reading
	agreed     *agreement // of the memory

	alerts []*Alert
	// aside counts the alerts that are about other keys than the record at hand, which pushed them out.
	aside int
	// silent says that what is being done is said by another shard, unsure of which shards nothing is known that may contradict it.
	silent bool
	unsure string
}
