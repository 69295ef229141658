// Package rehearse runs rules without publishing: test cases, backtests over archives or over the stream, and samples.
//
// What it guarantees:
//
//   - It uses the pipeline, the rendering and the limits that the daemon uses. What it says of a record is what the
//     daemon would do.
//   - It publishes nothing and changes nothing. A backtest over the stream and explain read from Kinesis, within a
//     share of the shard's read limit that leaves room for the daemon.
//   - A run over the same records gives the same report.
//
// What it does not promise: the moment at which a daemon would have seen a record. Time in a run is the time of the
// records.
package rehearse
