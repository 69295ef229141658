package fakeaws_test

// known are the differences between an emulation and AWS' documentation, as "target: behaviour". A line whose behaviour
// has come right fails the suite, so that the list is never longer than the truth.
var known = map[string]difference{
	"npm: 500 entries are a batch and 501 are none": {
		got: "ok; ok; ok", reason: "kinesis-local does not count the entries of a batch",
	},
	"npm: partition keys are 1 to 256 characters": {
		got:    "ok; InvalidArgumentException; InvalidArgumentException",
		reason: "kinesis-local has one code for all invalid input",
	},
	"npm: a shard takes 1,000 records a second": {
		got: "0; none refused", reason: "kinesis-local throttles no writes",
	},
	"npm: a shard is read five times a second": {
		got: "20 ok", reason: "kinesis-local throttles no reads",
	},
	"npm: a garbage iterator is an invalid argument": {
		got: "UnknownError", reason: "kinesis-local answers 500, which the SDK retries",
	},
	"npm: a foreign sequence number is an invalid argument": {
		got: "ResourceNotFoundException", reason: "kinesis-local looks the number up instead of decoding it",
	},
	"npm: UpdateShardCount goes to double at most": {
		got: "InvalidArgumentException", reason: "kinesis-local refuses it with another code",
	},
	"npm: a failed condition changes nothing and can tell the item": {
		got:    "ConditionalCheckFailedException; ; id=a x=1",
		reason: "dynalite does not know ReturnValuesOnConditionCheckFailure",
	},
	"npm: a subject is one line of less than 100 characters": {
		got: "ok; ok; ok; ok", reason: "fauxqs does not check subjects",
	},
	"npm: an attribute has a known type and a value": {
		got: "ok; ok; ok; ok", reason: "fauxqs does not check attributes",
	},
	"npm: MessageStructure json needs a default and picks the protocol": {
		got: `{"default":"for all","sqs":"for queues"}; ok; ok`, reason: "fauxqs ignores MessageStructure",
	},
	"npm: a batch is 256 KiB in all": {
		got: "ok", reason: "fauxqs checks the size of each message, not of the batch",
	},
	"npm: an invalid entry fails its batch": {
		got: "ok; fine", reason: "fauxqs does not check subjects",
	},
	"npm: FIFO publishes have sequence numbers that grow": {
		got: "false", reason: "fauxqs leaves the sequence number out of its answer",
	},
	"npm: a key has 1,024 bytes at most": {
		got: "ok; ok", reason: "fauxqs does not check the length of keys",
	},
	"npm: an object with another checksum is refused": {
		got: "ok; x", reason: "fauxqs keeps the checksum that it is told, without looking at the object",
	},
	"npm: an object may have 14 MiB": {
		got: "refused; false", reason: "fauxqs takes 11 MiB in one call",
	},
}
