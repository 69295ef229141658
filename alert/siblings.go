package alert

// siblings is what is known of the shards that have copies of this shard's inherited keys, and what waits for them.
type siblings struct {
	shard  string
	memory *memory
	life   *lifecycle
	// met are those shards, as far as is known, and without those for which nothing waits; missing is what the last look at what is due has
	// missed. news says that another look is worth while.
	met      map[string]*met
	without  []string
	missing  map[string]bool
	news     bool
	deciding bool // a tick looks at what waits
}
